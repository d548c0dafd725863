"""Folders dressed as they once were."""

from __future__ import annotations

import os
from pathlib import Path

from synthstore.files.durable import told

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def dress_folder(path: Path, mode: int, mtime_ns: int, *, sync: bool = True) -> None:
    """Give a folder its permission bits and its time; do so once nothing more goes in.

    It is fsynced unless ``sync`` is off.
    """
    with told(path):
        fd = os.open(path, _OPEN)
        try:
            os.fchmod(fd, mode)
            os.utime(fd, ns=(mtime_ns, mtime_ns))
            if sync:
                os.fsync(fd)
        finally:
            os.close(fd)
