"""The files of a store that an export reads: told by their names alone, without a look at each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import merge

from synthstore.errors import PermissionDeniedError
from synthstore.files.walk import FileNames
from synthstore.layout.base import KIND_OF_PLACE, Layout
from synthstore.layout.names import are_plain_names
from synthstore.model.catalog import column_at
from synthstore.model.ids import Kind
from synthstore.store.catalog import read_catalog
from synthstore.store.evidence import FirstLook
from synthstore.transfer.reading import FileName, Problem, stem_key
from synthstore.transfer.records import KINDS
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


def locate(first: FirstLook, layout: Layout, selection: Selection) -> Located:
    """Find the files in which entities may be that are wanted and not deleted."""
    names = _Names()
    for folder in dict.fromkeys(("", *layout.entity_folders)):
        names.look_into(first.files, folder, layout)
    listed, going = _told(first, layout, in_root=any(not folder for _, folder in names.found))
    wanted = list(names.in_order(selection))
    if going:
        wanted = [one for one in wanted if one.path not in going]
    plain, alike = (wanted, []) if names.differ else _parted(wanted)
    return Located(plain, alike, names.problems, listed)


@dataclass(slots=True)
class _Names:
    found: dict[tuple[Kind, str], list[FileName]] = field(default_factory=dict)
    """Files by what they are and the folder that they are in, sorted."""
    problems: list[Problem] = field(default_factory=list)

    @property
    def differ(self) -> bool:
        """Whether no two files of a kind can have one name: they share a folder."""
        return len({kind for kind, _ in self.found}) == len(self.found)

    def in_order(self, selection: Selection) -> Iterator[FileName]:
        """The files of the kinds that are wanted, as ``reading.in_order`` has them."""
        for kind in filter(selection.wants_kind, KINDS):
            found = [files for (of, _), files in self.found.items() if of == kind]
            yield from found[0] if len(found) == 1 else merge(*found)

    def look_into(self, files: FileNames, folder: str, layout: Layout) -> None:
        """Take the names of ``folder``; links are never followed, and no file is opened."""
        try:
            names = files.readable(folder)
        except PermissionDeniedError as error:
            if not folder:
                raise
            self.problems.append(Problem(folder, error.message))
            return
        for kind, those in _entity_files(names, folder, layout).items():
            self.found[kind, folder] = those


def _entity_files(
    names: Sequence[str], folder: str, layout: Layout
) -> Mapping[Kind, list[FileName]]:
    """Those of the files of ``folder`` that are an entity's, by what that is."""
    prefix = folder + "/" if folder else ""
    usual = layout.plain_kinds.get(folder)
    if usual is not None and names and are_plain_names(names):
        return {usual: [FileName(prefix + name, usual) for name in names]}
    found: dict[Kind, list[FileName]] = {}
    for path in (prefix + name for name in names):
        kind = KIND_OF_PLACE.get(layout.place(path))
        if kind is not None:
            found.setdefault(kind, []).append(FileName(path, kind))
    return found


def _told(
    first: FirstLook, layout: Layout, *, in_root: bool
) -> tuple[frozenset[str], frozenset[str]]:
    """What the catalog tells: paths in the root that it names, and those of deleted entities."""
    loaded = first.catalog_of(layout)
    if not in_root and not _may_delete(loaded.raw or b""):
        # To read the rows takes longer than to list the files.
        return frozenset(), frozenset()
    catalog = read_catalog(first.root, layout, loaded).catalog
    rows = catalog.rows if catalog is not None else ()
    # Field by field: of rows that are kept as columns, none is made for this.
    fields = (column_at(rows, name, range(len(rows))) for name in ("path", "deleted_at"))
    named = [
        (path, deleted_at)
        for path, deleted_at in zip(*fields, strict=True)
        if path and (deleted_at is not None or "/" not in path)
    ]
    beside = (path for path, _ in named if "/" not in path)
    going = (path for path, deleted_at in named if deleted_at is not None)
    return frozenset(beside), frozenset(going)


def _may_delete(raw: bytes) -> bool:
    """Whether a row of the catalog may be that of a deleted entity, as its bytes show."""
    # Escapes and encodings can hide the mark. One byte is found faster than two.
    escaped = b"\\" in raw and b"\\u" in raw
    return escaped or _MARK in raw or not json.detect_encoding(raw).startswith("utf-8")


def _parted(wanted: Sequence[FileName]) -> tuple[list[FileName], list[FileName]]:
    """Files whose name is the only one of its kind, and the others."""
    seen = Counter(map(stem_key, wanted))
    plain = [one for one in wanted if seen[stem_key(one)] == 1]
    return plain, [one for one in wanted if seen[stem_key(one)] > 1]
