"""Opens a part of a store where it stands, without following a link or a device."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from synthstore.files.failure import failure
from synthstore.files.walk import IrregularFileError, kind_of, look, open_folder, stat_of
from synthstore.model.facts import Stat

# Not blocking: what stands at the path may have become a FIFO since it was looked at.
_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_BLOCK: Final = 1 << 19
"""Small enough that a block is still in the processor's cache when it is hashed."""

_WORDS: Final = {
    "dir": "a directory",
    "link": "a symbolic link, which is never followed",
    "fifo": "a FIFO",
    "socket": "a socket",
    "block": "a block device",
    "char": "a character device",
}


class OpenFile(NamedTuple):
    """A regular file that is open for reading."""

    fd: int
    stat: Stat

    def steady(self) -> bool:
        """Whether it is still as it was when it was opened."""
        now = os.fstat(self.fd)
        return (now.st_size, now.st_mtime_ns) == (self.stat.size, self.stat.mtime_ns)

    def stream(self) -> BinaryIO:
        """A stream of it from its start, on the same descriptor."""
        stream = os.fdopen(self.fd, "rb", closefd=False)
        stream.seek(0)
        return stream

    def sha256(self) -> str:
        """Of all its bytes, hex."""
        blocks = Blocks(self.fd)
        for _ in blocks:
            pass
        return blocks.sha256.hexdigest()


class Blocks:
    """The bytes of an open file, some at a time, hashed and counted on the way."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.sha256 = hashlib.sha256()
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        """Each block in turn, up to the end; they are gone through once."""
        while block := os.pread(self._fd, _BLOCK, self.size):
            self.sha256.update(block)
            self.size += len(block)
            yield block


@contextmanager
def open_file(root: Path, path: str) -> Iterator[OpenFile]:
    """The regular file at ``path`` below ``root``.

    Raises FileNotFoundError, IrregularFileError, PermissionDeniedError or OperationError.
    """
    fd = _open(root, path)
    try:
        status = os.fstat(fd)
        _refuse_irregular(status)
        yield OpenFile(fd, stat_of(status))
    finally:
        os.close(fd)


def _open(root: Path, path: str) -> int:
    folder, _, name = path.rpartition("/")
    try:
        with open_folder(root, folder) as above:
            # Looking first keeps devices closed: merely opening some of them does something.
            _refuse_irregular(os.stat(name, dir_fd=above, follow_symlinks=False))
            return os.open(name, _FLAGS, dir_fd=above)
    except FileNotFoundError:
        _refuse_in_the_way(root, folder)
        raise
    except OSError as error:
        raise failure(error, root / path, "read") from error


def _refuse_irregular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise IrregularFileError(f"it is {_WORDS[kind_of(status.st_mode)]}")


def _refuse_in_the_way(root: Path, folder: str) -> None:
    """A folder that is missing is no news, but one that is a link or a file is."""
    parts = folder.split("/") if folder else []
    for count in range(1, len(parts) + 1):
        above = "/".join(parts[:count])
        entry = look(root, above)
        if entry is None:
            return
        if entry.kind != "dir":
            what = _WORDS.get(entry.kind, "a file")
            raise IrregularFileError(f"{above}, the folder that it belongs in, is {what}")
