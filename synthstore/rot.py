"""Bytes that changed though size and time did not: bit rot, seen against the newest snapshots."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from synthstore.model.columns import each_of
from synthstore.repository.file_rows import FileRows
from synthstore.repository.manifest import Snapshot, time_of
from synthstore.repository.naming import file_name, kin, of_name, several
from synthstore.repository.path_column import PathColumn
from synthstore.repository.place import Place
from synthstore.repository.vault import LostObjectError, Repository
from synthstore.scan.inventory import Gainsaid, Inventory
from synthstore.shell import path_word, word

_log = logging.getLogger("synthstore")

Listed = tuple[Snapshot, FileRows]
"""A snapshot, and its files in the order of their paths."""


class Newest:
    """The newest snapshots of a store, whose lists of files all looks of one command share."""

    def __init__(
        self, places: Iterable[Place], *, name: str | None = None, despite_losses: bool = False
    ) -> None:
        """Take the repositories, and the ``name`` of the store there if the operator gave one.

        With ``despite_losses`` a list that is lost gainsays nothing.
        """
        self.places = tuple(places)
        self._name = name
        self._despite_losses = despite_losses
        self._read: dict[Path, tuple[Listed, ...]] = {}
        self._kin: dict[str, str] = {}
        """By repository, the name that only the memories in its snapshots tell."""
        self.unread = False
        """Whether a snapshot could not be read that may be one of those that were asked for."""

    def gainsaid(self, root: Path, inventory: Inventory) -> Mapping[str, Gainsaid]:
        """The entity files whose bytes are not those of a snapshot under the same size and time.

        Raises NotAStoreError, LostObjectError, and UsageError where it cannot be told which
        snapshots are of this store.
        """
        if root not in self._read:
            # Of many stores only one is looked at at a time.
            self._kin = {}
            self._read = {root: tuple(self._lists(root, inventory))}
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

    def snapshots(
        self, repository: Repository, root: Path, inventory: Inventory
    ) -> Sequence[Snapshot]:
        """Those of the store in one repository, oldest first.

        By the name that was given, else its folder's, else the only one there, else the only one
        whose newest snapshot has a memory of it; raises UsageError where none of these tells.
        """
        found = self._found(repository, root, inventory)
        self.unread = self.unread or bool(repository.unread)
        return found

    def _found(
        self, repository: Repository, root: Path, inventory: Inventory
    ) -> Sequence[Snapshot]:
        every, where = repository.snapshots(), repository.place.where
        names = {one.name for one in every}
        if self._name is not None or root.name in names:
            return of_name(every, self._name or root.name, where)
        if len(names) < 2:  # noqa: PLR2004 - no other could be meant
            return every
        told = self._told_by_memories(repository, every, inventory)
        return of_name(every, told, where)

    def _told_by_memories(
        self, repository: Repository, every: Sequence[Snapshot], inventory: Inventory
    ) -> str:
        where = repository.place.where
        if where not in self._kin:
            found = list(kin(repository, every, frozenset(_memories(inventory))))
            if len(found) != 1:
                raise several({one.name for one in every}, found)
            self._kin[where] = found[0]
            told = "the snapshots called %r in %s are taken for this store's: no others share"
            _log.warning(f"{told} a memory with it", found[0], where)
        return self._kin[where]

    def words(self, places: Sequence[Place]) -> tuple[str, ...]:
        """The options by which a command finds the same snapshots in these, to be shown."""
        asked = [text for place in places for text in ("--repo", path_word(place.where))]
        name = self._name
        if name is None and len(places) == 1:
            name = self._kin.get(places[0].where)
        return (*asked, *(("--name", word(name)) if name is not None else ()))

    def _lists(self, root: Path, inventory: Inventory) -> Iterator[Listed]:
        """The newest in each repository."""
        for place in self.places:
            repository = Repository.open(place)
            newest = self._found(repository, root, inventory)[-1:]
            missed = (file for file in repository.unread if _may_follow(file, newest))
            self.unread = self.unread or any(missed)
            for snapshot in newest:
                with suppress(*([LostObjectError] if self._despite_losses else [])):
                    yield snapshot, FileRows.of(repository.tree(snapshot).files).ascending


def _may_follow(file: str, newest: Sequence[Snapshot]) -> bool:
    """Whether a snapshot of that file, whosever it is, may be newer than the ``newest``."""
    time = time_of(file)
    stamps = (time_of(one.file) for one in newest)
    return time is None or not any(stamp is not None and time < stamp for stamp in stamps)


def _memories(inventory: Inventory) -> Iterator[str]:
    """What the files of the memories are called that a store has or lists."""
    files, catalog = inventory.files, inventory.catalog.catalog
    for path, kind in zip(each_of(files, "path"), each_of(files, "kind"), strict=True):
        if kind == "memory":
            yield file_name(path)
    for row in catalog.rows if catalog is not None else ():
        if row.kind == "memory":
            yield file_name(row.path or inventory.layout.path_for(row.ref))


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
