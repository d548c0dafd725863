"""Bytes that one process makes and another writes, passed on in memory that both can open.

A pipe between them would copy each byte four times, and both ends would wait for it. A worker fills
a ``Tray`` instead, a file in memory, and its owner has the kernel move what is in it to where it
belongs. Where no tray can be reached, as on another machine, the bytes are passed on as they are.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from synthstore.files.durable import Outlet, told
from synthstore.files.sharing import Address, address_of, new_memory, reach

_BLOCK = 1 << 20
_TOGETHER = 1 << 17
"""Bytes that are gathered for one call: few calls, and what is gathered stays in the cache."""

_PARTS = 1000
"""Parts that one call takes: Linux allows 1,024."""

_KEPT = 1 << 26
"""Bytes of memory that a tray keeps for its next use; pages used before cost less than new ones."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What a worker says of the bytes that it made."""

    size: int
    held: bytes | None = None
    """The bytes, where they are in no tray."""


class Tray:
    """A file in memory that has no name, for one worker at a time to fill."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.address = address_of(fd)

    def send(self, out: BinaryIO, start: int, end: int) -> None:
        """Write the bytes from ``start`` to ``end`` to ``out``."""
        if isinstance(out, Outlet):
            start = out.take(self._fd, start, end)
        while start < end:
            block = os.pread(self._fd, min(_BLOCK, end - start), start)
            out.write(block)
            start += len(block)

    def clear(self) -> None:
        """Give back memory that few uses need."""
        if os.fstat(self._fd).st_size > _KEPT:
            os.ftruncate(self._fd, 0)

    def close(self) -> None:
        """Give back all of it."""
        os.close(self._fd)


def lay_out() -> Tray | None:
    """A tray of our own; None where the system has none."""
    fd = new_memory("synthstore-tray")
    return None if fd is None else Tray(fd)


@dataclass(frozen=True, slots=True)
class Passed:
    """Bytes that arrived, wherever they are."""

    filled: Filled
    tray: Tray | None = None

    def send(self, out: BinaryIO, start: int = 0) -> None:
        """Write them to ``out``, but for the first ``start``."""
        if self.filled.held is not None:
            out.write(memoryview(self.filled.held)[start:])
        elif self.tray is not None:
            self.tray.send(out, start, self.filled.size)

    def read(self) -> bytes:
        """All of them."""
        copy = io.BytesIO()
        self.send(copy)
        return copy.getvalue()


def fill(address: Address | None, parts: Iterable[bytes]) -> Filled:
    """Put ``parts`` into the tray at ``address``, or hold them where there is none to be reached.

    They are gone through once.
    """
    fd = None if address is None else reach(address)
    if fd is None:
        held = b"".join(parts)
        return Filled(len(held), held)
    try:
        with told("memory for worker processes"):
            return Filled(sum(_write(fd, batch) for batch in _batches(parts)))
    finally:
        os.close(fd)


def _batches(parts: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for part in parts:
        batch.append(part)
        size += len(part)
        if size >= _TOGETHER or len(batch) == _PARTS:
            yield batch
            batch, size = [], 0
    yield batch


def _write(fd: int, batch: list[bytes]) -> int:
    size = sum(map(len, batch))
    done = os.writev(fd, batch) if batch else 0
    left = memoryview(b"".join(batch))[done:] if done < size else memoryview(b"")
    while left:
        left = left[os.write(fd, left) :]
    return size
