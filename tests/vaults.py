"""Repositories for tests: backed up, looked into and hurt."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from synthstore.backup.report import BackupReport
from synthstore.backup.restore import RestoreOptions, RestoreReport, restore
from synthstore.backup.snapshot import BackupOptions, backup
from synthstore.repository.manifest import Snapshot
from synthstore.repository.packs import Coding
from synthstore.repository.place import LocalPlace, Place
from synthstore.repository.vault import Repository
from synthstore.testing.stores import Built

Standing = dict[str, tuple[str, int, int]]


def back_up(store: Path, place: Place, **options: object) -> BackupReport:
    """One backup."""
    return asyncio.run(backup(store, place, BackupOptions(**options)))  # type: ignore[arg-type]


def give_back(target: Path, place: Place, **options: object) -> RestoreReport:
    """One restore, confirmed."""
    wanted = RestoreOptions(**options)  # type: ignore[arg-type]
    return asyncio.run(restore(target, place, wanted, confirm=lambda _: True))


def settle(root: Path) -> None:
    """Make every file old enough for its time to be trusted."""
    then = time.time_ns() - 3_600_000_000_000
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder) / name
            if path.is_file() and not path.is_symlink():
                os.utime(path, ns=(then, then))


def standing(root: Path) -> Standing:
    """Bytes, mode and time of everything that a snapshot should hold."""
    skipped = {".synthstore/runs", ".synthstore/lock", ".synthstore/write.lock", "backups"}
    found: Standing = {"": ("", root.stat().st_mode, root.stat().st_mtime_ns)}
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        folders[:] = [f for f in folders if (here / f).relative_to(root).as_posix() not in skipped]
        for name in (*folders, *names):
            path = here / name
            key = path.relative_to(root).as_posix()
            status = path.lstat()
            if key in skipped or path.is_symlink():
                continue
            content = path.read_bytes().hex() if path.is_file() else ""
            found[key] = (content, status.st_mode, status.st_mtime_ns)
    return found


def place_at(folder: Path) -> LocalPlace:
    """A repository in ``folder``."""
    return LocalPlace(folder)


def packs(place: LocalPlace, *, lists: bool | None = None) -> list[Path]:
    """Its packs; only those of lists of files, or only the others, if that is asked."""
    found = sorted((place.root / "packs").iterdir())
    if lists is None:
        return found
    index = opened(place).index
    return [path for path in found if lists is (index.packs[path.name].coding(0) is Coding.LISTS)]


def forget(built: Built, memory: str) -> None:
    """Delete a memory as a Memory Core does: file, row, vector, mapping entry."""
    number = built.entries()[memory]
    flat = built.vectors()
    built.put_vectors(flat.without(flat.ids.tolist().index(number)))
    built.edit_mapping(lambda entries: entries.pop(memory))
    built.file(memory).unlink()
    built.edit_rows(lambda rows: rows.pop(memory), memory)


def snapshot_at(time: datetime, *tags: str, damaged: bool = False, name: str = "s") -> Snapshot:
    """A snapshot that exists only in name."""
    stamp = time.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    tags = (*tags, "damaged") if damaged else tags
    return Snapshot(name, time, "native", "", 0, 0, 0, 0, 0, tags, file=f"{stamp}-{0:016x}")


def opened(place: Place) -> Repository:
    """The repository, opened anew."""
    return Repository.open(place)
