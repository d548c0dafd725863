"""What of a store goes into a snapshot, and in which order it is read."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from synthstore.errors import PermissionDeniedError
from synthstore.files.memory import give_back
from synthstore.files.walk import Entry, list_folder, stat_of, statuses
from synthstore.layout.base import OWN_FOLDER, Layout, Place
from synthstore.layout.detect import SUPPORTED
from synthstore.layout.native import Native
from synthstore.model.facts import Stat
from synthstore.model.ids import Kind
from synthstore.repository.file_rows import STATUS, FileRows, Mask, Table
from synthstore.repository.manifest import FolderRow, Snapshot
from synthstore.repository.path_column import RUN, PathColumn, Places

EXCLUDED = frozenset(
    {f"{OWN_FOLDER}/runs", f"{OWN_FOLDER}/lock", f"{OWN_FOLDER}/write.lock", "backups"}
)
"""Neither the store's content nor needed to have it back."""

MANY = 100_000
"""Files of which objects leave so much memory that it is worth the time to give it back."""

CHANGES = f"{OWN_FOLDER}/changes.log"

_KINDS: Mapping[Place, Kind] = {Place.MEMORY: "memory", Place.ASSEMBLY: "assembly"}


@dataclass(slots=True)
class Surroundings:
    """What stands in a store beside its files."""

    folders: list[FolderRow] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    """Links and devices, which are never followed."""
    problems: dict[str, str] = field(default_factory=dict)
    """What could not be listed, and why."""


@dataclass(slots=True)
class Listed(Surroundings):
    """A store's files and folders, as they stood."""

    files: dict[str, Stat] = field(default_factory=dict)


def list_tree(root: Path, excluded: Collection[str] = EXCLUDED) -> Listed:
    """List everything below ``root`` but the ``excluded`` paths; opens no file."""
    listed = Listed()
    listed.files.update((path, status) for path, _, status in _walked(root, excluded, listed))
    return listed


class Status(NamedTuple):
    """What tells whether a file has changed, as far as a listing can."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, whole: Stat) -> Self:
        """What a file's whole status has of it."""
        return cls(whole.size, whole.mtime_ns, whole.inode)


@dataclass(slots=True)
class Standing(Surroundings):
    """As ``Listed``, the files as columns."""

    paths: PathColumn = field(default_factory=PathColumn)
    """Ascending."""
    table: Table = field(default_factory=lambda: np.zeros(0, STATUS))

    def __len__(self) -> int:
        """How many files."""
        return len(self.table)

    def status(self, place: int) -> Status:
        """That of one file."""
        return Status._make(int(self.table[name][place]) for name in Status._fields)

    def unmoved(self, rows: FileRows, places: Places) -> Mask:
        """Which files the rows at ``places`` are of still, as far as their status tells."""
        found = places >= 0
        now, then = self.table[found], rows.table[places[found]]
        found[found] = np.logical_and.reduce([now[name] == then[name] for name in Status._fields])
        return found


def stand(root: Path) -> Standing:
    """What of the store at ``root`` goes into a snapshot, as it stands."""
    standing = Standing()
    # Of most there is a name at first, and then a few statuses at a time, each for a row.
    walked = _walked(root, EXCLUDED, standing, names_only=True)
    paths = sorted(path for path, _, _ in walked)
    tables = [np.zeros(0, STATUS)]
    standing.paths = PathColumn(_seen(root, paths, tables.append))
    standing.table = np.concatenate(tables)
    if len(paths) >= MANY:
        del paths
        give_back()
    return standing


def _seen(root: Path, paths: Iterable[str], take: Callable[[Table], None]) -> Iterator[str]:
    """Those of ``paths`` where a file stands; ``take`` has their STATUS."""
    each = statuses(root, paths)
    while some := list(islice(each, RUN)):
        take(np.array([_row(status) for _, status in some], STATUS))
        yield from (path for path, _ in some)


def _row(status: os.stat_result) -> tuple[int, int, int, int]:
    """The STATUS of a file."""
    return status.st_size, status.st_mtime_ns, stat.S_IMODE(status.st_mode), status.st_ino


def _walked(
    root: Path, excluded: Collection[str], listed: Surroundings, *, names_only: bool = False
) -> Iterator[Entry]:
    """Every file below ``root``; all else goes into ``listed``."""
    top = stat_of(root.stat())
    listed.folders.append(FolderRow("", top.mode, top.mtime_ns))
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        try:
            entries = list_folder(root, folder, names_only=names_only)
        except PermissionDeniedError as error:
            listed.problems[folder] = error.message
            continue
        for entry in entries:
            path, kind, status = entry
            if path in excluded:
                continue
            if kind == "file":
                yield entry
            elif kind == "dir":
                listed.folders.append(FolderRow(path, status.mode, status.mtime_ns))
                waiting.append(path)
            else:
                listed.skipped.append(path)


def layout_of(snapshot: Snapshot) -> Layout:
    """The layout that a snapshot's store had, as far as names go."""
    return SUPPORTED.get(snapshot.layout, Native)()


def kind_at(layout: Layout, path: str) -> Kind | None:
    """What kind of entity belongs at ``path``, if one does."""
    return _KINDS.get(layout.place(path))


def parts_of(layout: Layout) -> frozenset[str]:
    """Where files stand that refer to entity files, and so are read after them."""
    return frozenset((layout.catalog_path, layout.faiss_path, CHANGES, *layout.mapping_paths))
