"""What is kept beside the store's own state: runs, quarantine, copies, the log of changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from synthstore.errors import PermissionDeniedError
from synthstore.files.walk import Entry, list_folder, look
from synthstore.layout.base import OWN_FOLDER
from synthstore.stats.report import Heap
from synthstore.store.backups import OWN_BACKUPS
from synthstore.store.changes import LOG
from synthstore.store.journal import QUARANTINE, RUNS

_BACKUPS = ("backups", "corrupted_backups", OWN_BACKUPS)
_BACKUP_PREFIX = "index_backup_"
"""Of folders that Memory Cores leave beside the store's own."""


def heaps(root: Path) -> tuple[Heap, ...]:
    """How much is kept, how old it is; an empty heap where nothing is, or where we may not look."""
    top = (entry.path for entry in _listed(root, "") if entry.path.startswith(_BACKUP_PREFIX))
    log = look(root, LOG) if _listed(root, OWN_FOLDER) else None
    return (
        _heap("runs", _below(root, RUNS)),
        _heap("quarantine", _below(root, QUARANTINE)),
        _heap("backups", (e for folder in (*_BACKUPS, *top) for e in _below(root, folder))),
        _heap("log", [] if log is None else [log]),
    )


def _below(root: Path, folder: str) -> Iterator[Entry]:
    """Every regular file below a folder, links not followed."""
    waiting = [folder]
    while waiting:
        for entry in _listed(root, waiting.pop()):
            if entry.kind == "dir":
                waiting.append(entry.path)
            elif entry.kind == "file":
                yield entry


def _listed(root: Path, folder: str) -> list[Entry]:
    try:
        return list_folder(root, folder)
    except PermissionDeniedError:
        return []


def _heap(name: str, entries: Iterator[Entry] | list[Entry]) -> Heap:
    files = size = 0
    oldest = newest = None
    for entry in entries:
        files, size, when = files + 1, size + entry.stat.size, entry.stat.mtime_ns
        oldest = when if oldest is None else min(oldest, when)
        newest = when if newest is None else max(newest, when)
    return Heap(name, files, size, _iso(oldest), _iso(newest))


def _iso(ns: int | None) -> str | None:
    if ns is None:
        return None
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat(timespec="seconds")
