"""A file that only grows, a whole line at a time, until it is replaced as a whole."""

from __future__ import annotations

import os
from pathlib import Path

from synthstore.files.durable import dress, fsync_dir, told

_OPEN = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PRIVATE = 0o600


class GrowingFile:
    """An open file of lines, made where missing; whoever appends holds a lock on the store."""

    def __init__(self, path: Path, *, uid: int | None = None, gid: int | None = None) -> None:
        self.path = path
        with told(path):
            known = os.path.lexists(path)
            self._fd = os.open(path, _OPEN, _PRIVATE)
            self._torn = not _ends_in_newline(self._fd)
        if not known:
            with told(path):
                dress(self._fd, _PRIVATE, uid, gid)
            # Its data can be synced later, but no sync of a file makes its name durable.
            fsync_dir(path.parent)

    @property
    def current(self) -> bool:
        """Whether the file is still the one at its path."""
        try:
            return os.path.samestat(os.fstat(self._fd), os.lstat(self.path))
        except FileNotFoundError:
            return False

    def append(self, lines: bytes) -> None:
        """Write whole ``lines``; what an earlier failure cut short ends up on a line of its own."""
        data = b"\n" + lines if self._torn else lines
        with told(self.path):
            self._torn = True
            left = memoryview(data)
            while left:
                left = left[os.write(self._fd, left) :]
            self._torn = False

    def sync(self) -> None:
        """Make what was appended durable."""
        with told(self.path):
            os.fsync(self._fd)

    def close(self) -> None:
        """Close it; once is enough."""
        os.close(self._fd)


def _ends_in_newline(fd: int) -> bool:
    size = os.fstat(fd).st_size
    return not size or os.pread(fd, 1, size - 1) == b"\n"
