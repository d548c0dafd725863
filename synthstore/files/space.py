"""Whether there is room, asked before the first byte is written."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from synthstore.errors import DiskFullError, PermissionDeniedError
from synthstore.files.durable import told
from synthstore.files.failure import critical

_SLACK_BYTES = 1 << 16
"""For directories and the records of a run."""


def room_for(folder: Path, sizes: Iterable[int]) -> int:
    """Bytes that new files of ``sizes`` bytes take in ``folder``, with what comes with them."""
    with told(folder):
        return _needed(os.statvfs(folder), sizes)


def _needed(room: os.statvfs_result, sizes: Iterable[int]) -> int:
    block = room.f_frsize or 4096
    return sum(-(-size // block) * block for size in sizes) + _SLACK_BYTES


def require_room(folder: Path, sizes: Iterable[int], *, files: int) -> None:
    """Raise DiskFullError unless new files of ``sizes`` bytes, and ``files`` inodes, fit."""
    with told(folder):
        room = os.statvfs(folder)
    needed = _needed(room, sizes)
    available = room.f_bavail * room.f_frsize
    if needed > available:
        _refuse(folder, f"{needed} bytes needed, {available} available")
    # Some file systems make inodes as they go and count none.
    if room.f_files and files > room.f_favail:
        _refuse(folder, f"{files} inodes needed, {room.f_favail} available")


def _refuse(folder: Path, lack: str) -> None:
    message = f"no room at {folder}: {lack}"
    critical(message)
    raise DiskFullError(message, hint="free space on this file system, then try again")


def require_writable(folder: Path) -> None:
    """Raise PermissionDeniedError where the file system of ``folder`` is mounted read-only."""
    with told(folder):
        flags = os.statvfs(folder).f_flag
    if flags & os.ST_RDONLY:
        raise PermissionDeniedError(
            f"cannot write {folder}: read-only file system",
            hint="mount it writable (mount -o remount,rw)",
        )
