"""Rows in portions, each the work of one worker: handed over, or as a place in a file to read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from synthstore.errors import OperationError
from synthstore.files.durable import told
from synthstore.transfer.formats.base import MAX_ROW, Found, Row, Unread
from synthstore.transfer.formats.jsonl import TOO_LONG, row_in

_ROWS, _BYTES = 100, 4 << 20
_CHUNK = 2 << 20
_BLOCK = 1 << 17


class Portion(Protocol):
    """Some rows in their order; picklable."""

    @property
    def count(self) -> int:
        """How many there are at most."""

    @property
    def size(self) -> int:
        """Their bytes, as far as these are known."""

    def found(self) -> Iterable[Found]:
        """The rows; raises OperationError where they are not to be had any more."""


@dataclass(frozen=True, slots=True)
class Held:
    """Rows at hand."""

    rows: list[Found]

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.rows)

    @property
    def size(self) -> int:
        """The bytes of those that are bytes."""
        return sum(map(size_of, self.rows))

    def found(self) -> Iterable[Found]:
        """The rows."""
        return self.rows


def held(found: Iterable[Found]) -> Iterator[Held]:
    """Cut ``found`` into portions, ended early by rows that are large."""
    portion: list[Found] = []
    size = 0
    for one in found:
        portion.append(one)
        size += size_of(one)
        if len(portion) >= _ROWS or size >= _BYTES:
            yield Held(portion)
            portion, size = [], 0
    if portion:
        yield Held(portion)


def size_of(one: Found) -> int:
    """The bytes of a row, where it is bytes."""
    return len(one.value) if isinstance(one, Row) and isinstance(one.value, bytes) else 0


@dataclass(frozen=True, slots=True)
class _Place:
    """A file that others can open, and know to be the same."""

    path: str
    device: int
    inode: int

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The file; raises OperationError where another one has taken its place."""
        with told(self.path, "read"), open(self.path, "rb", _BLOCK) as file:  # noqa: PTH123 - a text
            status = os.fstat(file.fileno())
            if (status.st_dev, status.st_ino) != (self.device, self.inode):
                raise self.changed()
            yield file

    def changed(self) -> OperationError:
        """The error for bytes that are not those that were there."""
        return OperationError(
            f"{self.path} changed while it was read",
            hint="import a file that nobody is writing to",
        )


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines of a file of JSON Lines, which whoever works on them reads himself."""

    place: _Place
    offset: int
    size: int
    first: int
    """Number of the first line."""
    count: int
    """Lines that it had when it was cut off."""

    def found(self) -> Iterator[Found]:
        """The rows in it."""
        left = self.size
        with self.place.opened() as file:
            file.seek(self.offset)
            # One by one: a line that was just read is still in the processor's cache.
            for number in range(self.first, self.first + self.count):
                line = file.readline(left)
                if not line:
                    raise self.place.changed()
                left -= len(line)
                yield from row_in(number, line, ended=line.endswith(b"\n"))
        if left:
            raise self.place.changed()


def chunks(file: BinaryIO, path: Path) -> Iterator[Portion] | None:
    """The lines of ``file``, which was opened at ``path``, as places in it.

    None where others would not find it at its path.
    """
    real = path.resolve()
    status = os.fstat(file.fileno())
    try:
        same = os.path.samestat(real.stat(), status)
    except OSError:
        same = False
    return _cut(file.fileno(), _Place(str(real), status.st_dev, status.st_ino)) if same else None


def _cut(fd: int, place: _Place) -> Iterator[Portion]:
    offset, number = 0, 1
    block = bytearray(_CHUNK)
    while size := os.preadv(fd, [block], offset):
        end = block.rfind(b"\n", 0, size) + 1
        count = block.count(b"\n", 0, end)
        if not end:
            # One line is all of it, or the last one has no end.
            end, count = _line_end(fd, offset), 1
        if end > MAX_ROW:
            yield Held([Unread(number, TOO_LONG)])
        else:
            yield Chunk(place, offset, end, number, count)
        offset, number = offset + end, number + count


def _line_end(fd: int, start: int) -> int:
    """Bytes of the line at ``start``, its line feed included."""
    size = 0
    while block := os.pread(fd, _CHUNK, start + size):
        end = block.find(b"\n") + 1
        if end:
            return size + end
        size += len(block)
    return size
