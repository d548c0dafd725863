"""More bugs planted in the product: in what only a power cut or a second process shows, in the
repository, and in the library.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from synthstore.backup import prune, whole
from synthstore.backup.decoding import lay_rows
from synthstore.backup.laying import LaidOut
from synthstore.files import durable, flushing, putting
from synthstore.files.lock import Lock
from synthstore.layout.base import Layout
from synthstore.progress import Progress
from synthstore.repository.manifest import Tree
from synthstore.repository.packs import PackIndex
from synthstore.repository.place import PACKS, SNAPSHOTS, LocalPlace
from synthstore.repository.vault import Repository
from synthstore.store.changes import ChangeLog, Deed, Logged
from tests.faults.actions import Action
from tests.faults.mutants import LIBRARY, put_in_place_of
from tests.faults.scenario import Mutant

_append = ChangeLog.append
_fsync = os.fsync
_read = LocalPlace.read
_rewrite = prune._rewrite
_write = LocalPlace.write


def sync_nothing() -> None:
    """Leave all writing to the kernel."""
    put_in_place_of(os, "fsync", lambda _: None)
    for module in (durable, flushing, putting):
        put_in_place_of(module, "sync_file_system", lambda _: True)


def sync_no_folders() -> None:
    """Make data durable, but no names."""

    def fsync(fd: int) -> None:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            _fsync(fd)

    put_in_place_of(os, "fsync", fsync)


def take_no_lock() -> None:
    """Go ahead, whoever else is at work."""
    put_in_place_of(Lock, "_try", lambda _: True)


def write_under_own_name() -> None:
    """Write a repository's files where they will stand."""

    def write(place: LocalPlace, name: str, content: bytes) -> None:
        path = place.root / name
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    put_in_place_of(LocalPlace, "write", write)


def snapshot_first() -> None:
    """Write a snapshot before the packs that it needs."""
    waiting: dict[str, bytes] = {}

    def write(place: LocalPlace, name: str, content: bytes) -> None:
        if name.startswith(PACKS):
            waiting[name] = content
            return
        _write(place, name, content)
        if name.startswith(SNAPSHOTS):
            for pack, held in waiting.items():
                _write(place, pack, held)

    put_in_place_of(LocalPlace, "write", write)
    _read_from(waiting)


def old_packs_first() -> None:
    """Remove packs before what is needed of them is in new ones."""
    gone: dict[str, bytes] = {}

    def rewrite(
        repository: Repository,
        packs: Iterable[PackIndex],
        needed: frozenset[bytes],
        progress: Progress,
    ) -> None:
        going = list(packs)
        for pack in going:
            name = f"{PACKS}/{pack.name}"
            gone[name] = repository.place.read(name)
            repository.place.remove(name)
        _rewrite(repository, going, needed, progress)

    put_in_place_of(prune, "_rewrite", rewrite)
    _read_from(gone)


def _read_from(held: Mapping[str, bytes]) -> None:
    def read(place: LocalPlace, name: str, start: int = 0, size: int | None = None) -> bytes:
        if name not in held:
            return _read(place, name, start, size)
        return held[name][start : None if size is None else start + size]

    put_in_place_of(LocalPlace, "read", read)


def restore_in_place() -> None:
    """Fill the new directory under its own name."""

    def lay_out(
        repository: Repository, tree: Tree, target: Path, layout: Layout | None, **_: object
    ) -> LaidOut:
        for folder in ("", *(row.path for row in tree.folders)):
            (target / folder).mkdir(parents=True, exist_ok=True)
        laid = LaidOut(target, target, tree)
        laid.lost.update(lay_rows(repository, target, layout, tree.files).lost)
        return laid

    put_in_place_of(whole, "lay_out", lay_out)


def delete_unannounced() -> None:
    """Delete without a word in the log."""

    def append(log: ChangeLog, lines: Sequence[Logged], *, sync: bool = False) -> None:
        _append(log, [line for line in lines if line.deed is not Deed.DELETE], sync=sync)

    put_in_place_of(ChangeLog, "append", append)


_DURABLE = ("session", "repair", "import", "migrate", "backup", "prune", "restore", *LIBRARY)
_ENDING_WITH_A_NAME = ("backup", "restore/native-new", "library save", "library delete")
"""Elsewhere a later fsync of a file makes the names durable as well, on ext4 and on XFS."""
_LOCKING = ("session", "repair", "undo", "undo --prune", "import", "backup", "prune")

MUTANTS = (
    Mutant("nothing fsynced", Action.CUT_COMMITTED, _DURABLE, sync_nothing),
    Mutant("folders not fsynced", Action.CUT, _ENDING_WITH_A_NAME, sync_no_folders),
    Mutant("lock not taken", Action.HELD, (*_LOCKING, *LIBRARY), take_no_lock),
    Mutant("written under its own name", Action.TORN, ("backup",), write_under_own_name),
    Mutant("snapshot first", Action.KILL, ("backup",), snapshot_first),
    Mutant("old packs first", Action.KILL, ("prune",), old_packs_first),
    Mutant("restored in place", Action.KILL, ("restore/native-new",), restore_in_place),
    Mutant("deletion not announced", Action.KILL, ("library delete",), delete_unannounced),
)
