"""Bytes that changed though size and time did not: bit rot, seen against the newest snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from synthstore.model.columns import each_of
from synthstore.repository.file_rows import FileRows
from synthstore.repository.manifest import Snapshot, of_store
from synthstore.repository.path_column import PathColumn
from synthstore.repository.place import Place
from synthstore.repository.vault import LostObjectError, Repository
from synthstore.scan.inventory import Gainsaid, Inventory

Listed = tuple[Snapshot, FileRows]
"""A snapshot, and its files in the order of their paths."""


class Newest:
    """The newest snapshots of a store, whose lists of files all looks of one command share."""

    def __init__(self, places: Iterable[Place], *, despite_losses: bool = False) -> None:
        """Take the repositories; with ``despite_losses`` a list that is lost gainsays nothing."""
        self.places = tuple(places)
        self._despite_losses = despite_losses
        self._read: dict[Path, tuple[Listed, ...]] = {}

    def gainsaid(self, root: Path, inventory: Inventory) -> Mapping[str, Gainsaid]:
        """The entity files whose bytes are not those of a snapshot under the same size and time.

        Raises NotAStoreError and LostObjectError.
        """
        if root not in self._read:
            # Of many stores only one is looked at at a time.
            self._read = {root: tuple(self._lists(root))}
        found: dict[str, Gainsaid] = {}
        for snapshot, rows in self._read[root]:
            for path, said in _gainsaid(inventory, snapshot, rows):
                found.setdefault(path, said)
        return found

    def list_of(self, snapshot: Snapshot) -> FileRows | None:
        """The files of a snapshot, if that is one that was read."""
        lists = (listed for listed in self._read.values())
        each = (one for some in lists for one in some)
        return next((rows for one, rows in each if one.tree == snapshot.tree), None)

    def _lists(self, root: Path) -> Iterator[Listed]:
        """In each repository: by the store's name there, else of the only store."""
        for place in self.places:
            repository = Repository.open(place)
            for snapshot in of_store(repository.snapshots(), root.name)[-1:]:
                with suppress(*([LostObjectError] if self._despite_losses else [])):
                    yield snapshot, FileRows.of(repository.tree(snapshot).files).ascending


def _gainsaid(
    inventory: Inventory, snapshot: Snapshot, rows: FileRows
) -> Iterator[tuple[str, Gainsaid]]:
    """Files that are of the size and time of their row, but of other bytes."""
    files = inventory.files
    places = rows.paths.places(PathColumn(each_of(files, "path")))
    same = places >= 0
    for name in ("size", "mtime_ns"):
        here = np.fromiter(each_of(files, f"stat.{name}"), np.int64, len(files))
        same[same] = rows.table[name][places[same]] == here[same]
    at = np.flatnonzero(same).tolist()
    then = rows.table["object"][places[same]].tobytes().hex()
    digests = list(each_of(files, "sha256"))
    for number, place in enumerate(at):
        sha256 = digests[place]
        if sha256 is not None and sha256 != then[64 * number : 64 * (number + 1)]:
            row = rows[int(places[place])]
            yield row.path, Gainsaid(snapshot.id, row.sha256, row.id)
