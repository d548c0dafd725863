"""What every format answers, and the rows that pass through it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar, NamedTuple, Protocol

from synthstore.files.passing import Passed
from synthstore.transfer.formats.packing import Stream
from synthstore.transfer.records import Record

MAX_ROW = 64 << 20
"""Bytes of the longest row that is read; no entity file of a store may be larger."""

CUT = "is cut in the middle"


class Row(NamedTuple):
    """One row as found."""

    number: int
    """Line where it begins, from 1; in Parquet the ordinal of the row."""
    value: bytes | dict[str, Any]
    """Its JSON text, or what a format that is no JSON says."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A row that cannot be read, and why."""

    number: int
    reason: str
    text: bytes | None = None
    cut: bool = False
    """Whether nothing comes behind it because the file ends too early."""


Found = Row | Unread


@dataclass(frozen=True, slots=True)
class Shape:
    """What a format with a schema has to know of all rows beforehand."""

    dims: tuple[int, int] = (0, 0)
    """Numbers in most embeddings, and in most composite embeddings; 0: there are none."""
    singles: bool = True
    """Whether all of their numbers are exact as float32."""


ANY_SHAPE = Shape()


class Writer(Protocol):
    """Takes encoded pieces in their order."""

    def write(self, piece: Passed) -> None:
        """Write one piece, which is not empty."""

    def close(self) -> None:
        """Write what ends the file."""


class Format(ABC):
    """One way to write records to a file. Stateless."""

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]
    packable: ClassVar[bool] = True
    """Whether a file of it may be compressed as a whole."""
    shaped: ClassVar[bool] = False
    """Whether it asks for the shape of all rows before the first is written."""
    arrays: ClassVar[bool] = False
    """Whether an embedding may be float64 of shape (dim,) in the records that it encodes."""

    def require(self) -> None:  # noqa: B027 - most need nothing
        """Raise UsageError where what it needs is not installed."""

    @abstractmethod
    def encode(self, records: Iterable[Record], shape: Shape) -> Iterator[bytes]:
        """The parts of a piece for the writer, which another process may make.

        ``records`` are gone through once, and each is let go where the format allows it.
        """

    @abstractmethod
    def writer(self, out: BinaryIO, shape: Shape) -> Writer:
        """Begin a file on ``out``, which is only written to."""

    @abstractmethod
    def read(self, stream: Stream) -> Iterator[Found]:
        """The rows of a file, in their order, each read when it is asked for."""
