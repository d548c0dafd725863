"""The files of a store that an export reads: told by their names alone, without a look at each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from synthstore.errors import PermissionDeniedError, SynthstoreError
from synthstore.files.walk import list_folder, read_file
from synthstore.layout.base import Layout
from synthstore.model.ids import Kind
from synthstore.scan.listing import KIND_OF_PLACE
from synthstore.store.catalog import load_catalog, read_catalog
from synthstore.transfer.reading import FileName, Problem, in_order, stem_key
from synthstore.transfer.selection import Selection

_MARK = b"deleted_at"
"""What the row of a deleted entity has in every layout."""


@dataclass(frozen=True, slots=True)
class Located:
    """The files to read: those named alone in their way, and those that others are named like."""

    plain: Sequence[FileName]
    alike: Sequence[FileName]
    problems: Sequence[Problem]
    listed: frozenset[str]
    """Paths in the store's own folder that the catalog names."""


def locate(root: Path, layout: Layout, selection: Selection) -> Located:
    """Find the files in which entities may be that are wanted and not deleted."""
    names = _Names()
    for folder in dict.fromkeys(("", *layout.entity_folders)):
        names.look_into(root, folder, layout)
    listed, going = _told(root, layout, in_root=any(not folder for _, folder in names.places))
    wanted = [
        one for one in names.files if one.path not in going and selection.wants_kind(one.kind)
    ]
    wanted.sort(key=in_order)
    plain, alike = (wanted, []) if names.differ else _parted(wanted)
    return Located(plain, alike, names.problems, listed)


@dataclass(slots=True)
class _Names:
    files: list[FileName] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    places: set[tuple[Kind, str]] = field(default_factory=set)
    """Which kinds are in which folders."""

    @property
    def differ(self) -> bool:
        """Whether no two files of a kind can have one name: they share a folder."""
        return len({kind for kind, _ in self.places}) == len(self.places)

    def look_into(self, root: Path, folder: str, layout: Layout) -> None:
        """Take the names of ``folder``; links are never followed, and no file is opened."""
        try:
            for entry in list_folder(root, folder, names_only=True):
                kind = KIND_OF_PLACE.get(layout.place(entry.path))
                if kind is not None and entry.kind == "file":
                    self.files.append(FileName(entry.path, kind))
                    self.places.add((kind, folder))
        except PermissionDeniedError as error:
            if not folder:
                raise
            self.problems.append(Problem(folder, error.message))


def _told(root: Path, layout: Layout, *, in_root: bool) -> tuple[frozenset[str], frozenset[str]]:
    """What the catalog tells: paths in the root that it names, and those of deleted entities."""
    if not in_root and not _may_delete(root, layout):
        # To read the rows takes longer than to list the files.
        return frozenset(), frozenset()
    catalog = read_catalog(
        root, layout, load_catalog(root, layout.catalog_path, lightly=True)
    ).catalog
    rows = [row for row in (catalog.rows if catalog is not None else ()) if row.path]
    beside = (row.path for row in rows if row.path and "/" not in row.path)
    going = (row.path for row in rows if row.path and row.deleted_at is not None)
    return frozenset(beside), frozenset(going)


def _may_delete(root: Path, layout: Layout) -> bool:
    """Whether a row of the catalog may be that of a deleted entity, as its bytes show."""
    try:
        raw, _ = read_file(root, layout.catalog_path)
    except (FileNotFoundError, SynthstoreError):
        return False
    # Escapes and encodings can hide the mark.
    return _MARK in raw or b"\\u" in raw or not json.detect_encoding(raw).startswith("utf-8")


def _parted(wanted: Sequence[FileName]) -> tuple[list[FileName], list[FileName]]:
    """Files whose name is the only one of its kind, and the others."""
    seen = Counter(map(stem_key, wanted))
    plain = [one for one in wanted if seen[stem_key(one)] == 1]
    return plain, [one for one in wanted if seen[stem_key(one)] > 1]
