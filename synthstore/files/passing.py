"""Bytes that one process makes and another writes, passed on in memory that both can open.

A pipe between them would copy each byte four times, and both ends would wait for it. A worker fills
a ``Tray`` instead, a file in memory, and its owner writes it from there to where it belongs. Where
no tray can be reached, as on another machine, the bytes are passed on as they are.
"""

from __future__ import annotations

import io
import mmap
import os
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from synthstore.files.durable import told
from synthstore.files.sharing import Address, address_of, new_memory, reach

_WHAT = "memory for worker processes"
_BLOCK = 1 << 20
"""Bytes that one call writes: the kernel is slower with fewer, and with many more."""

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
        self._seen: mmap.mmap | None = None
        """What was mapped of it: to map it anew costs as much as to copy it."""
        self.address = address_of(fd)

    def send(self, out: BinaryIO, start: int, end: int) -> None:
        """Write the bytes from ``start`` to ``end`` to ``out``."""
        if start >= end:
            return
        with memoryview(self._seen_to(end)) as whole:
            for first in range(start, end, _BLOCK):
                with whole[first : min(first + _BLOCK, end)] as block:
                    out.write(block)

    def _seen_to(self, end: int) -> mmap.mmap:
        if self._seen is None or len(self._seen) < end:
            self._look_away()
            # With room to spare: what comes next is hardly ever of the same size.
            room = 1 << end.bit_length()
            with told(_WHAT):
                os.ftruncate(self._fd, room)
                self._seen = mmap.mmap(self._fd, room, access=mmap.ACCESS_READ)
        return self._seen

    def _look_away(self) -> None:
        # Not closed: where a write failed, the frames of the error still see some of it.
        self._seen = None

    def clear(self) -> None:
        """Give back memory that few uses need."""
        if os.fstat(self._fd).st_size > _KEPT:
            self._look_away()
            os.ftruncate(self._fd, 0)

    def close(self) -> None:
        """Give back all of it."""
        self._look_away()
        os.close(self._fd)


def lay_out() -> Tray | None:
    """A tray of our own; None where the system has none."""
    fd = new_memory("synthstore-tray")
    return None if fd is None else Tray(fd)


class Trays(AbstractContextManager["Trays"]):
    """Trays that go round: filled in the order in which they were handed out, emptied in it too."""

    def __init__(self, *, near: bool = True) -> None:
        """Have trays, where those who fill them are ``near`` enough to reach them."""
        self._near = near
        self._free: list[Tray | None] = []
        self._out: deque[Tray | None] = deque()
        self._all = ExitStack()

    def hand_out(self) -> Address | None:
        """The address of a tray that is empty; None where there is none."""
        tray = self._free.pop() if self._free else self._new()
        self._out.append(tray)
        return None if tray is None else tray.address

    def _new(self) -> Tray | None:
        tray = lay_out() if self._near else None
        if tray is not None:
            self._all.callback(tray.close)
        return tray

    @contextmanager
    def returned(self) -> Iterator[Tray | None]:
        """The tray that was handed out first, to be emptied meanwhile."""
        tray = self._out.popleft()
        yield tray
        if tray is not None:
            tray.clear()
        self._free.append(tray)

    def __exit__(self, *_: object) -> None:
        self._all.close()


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
        with told(_WHAT):
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
