"""JSON Lines, the reference: one record a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from synthstore.files.jsonio import ParseFailure, Style, dump, parse
from synthstore.files.passing import Passed
from synthstore.transfer.formats.base import CUT, MAX_ROW, Format, Found, Row, Shape, Unread
from synthstore.transfer.formats.packing import Stream
from synthstore.transfer.records import Record

_LINE = Style("orjson", None)
_ENDED = Style("orjson", None, newline=True)
TOO_LONG = f"is longer than {MAX_ROW} bytes"
_BOM = b"\xef\xbb\xbf"


def line_of(record: Record) -> bytes:
    """A record as one line of JSON, without the line feed; it may hold no NaN.

    An array of float64 is spelt as the list of its numbers is.
    """
    return dump(record, _LINE, finite=True)


class JsonLines(Format):
    """``jsonl``."""

    name = "jsonl"
    suffixes = (".jsonl", ".ndjson")
    arrays = True

    def encode(self, records: Iterable[Record], shape: Shape) -> Iterator[bytes]:  # noqa: ARG002
        """The lines of ``records``."""
        for record in records:
            yield dump(record, _ENDED, finite=True)

    def writer(self, out: BinaryIO, shape: Shape) -> _Lines:  # noqa: ARG002
        """Begin a file on ``out``."""
        return _Lines(out)

    def read(self, stream: Stream) -> Iterator[Found]:
        """The lines that are not blank."""
        number = 0
        cut = False
        while line := stream.readline(MAX_ROW + 1):
            number += 1
            if len(line) > MAX_ROW:
                _skip_line(stream)
                yield Unread(number, TOO_LONG)
                continue
            for one in row_in(number, line, ended=line.endswith(b"\n")):
                cut = isinstance(one, Unread)
                yield one
        if stream.damage is not None and not cut:
            yield Unread(number + 1, stream.damage, cut=True)


def row_in(number: int, line: bytes, *, ended: bool) -> Iterator[Found]:
    """The row in a line, unless it is blank; one that is not ``ended`` may be torn."""
    text = line.removeprefix(_BOM if number == 1 else b"").strip()
    if not ended and _is_torn(text):
        yield Unread(number, CUT, text, cut=True)
    elif text:
        yield Row(number, text)


class _Lines:
    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def write(self, piece: Passed) -> None:
        piece.send(self._out)

    def close(self) -> None:
        """End the file; nothing is to be written for that."""


def _skip_line(stream: Stream) -> None:
    while (line := stream.readline(MAX_ROW)) and not line.endswith(b"\n"):
        pass


def _is_torn(text: bytes) -> bool:
    try:
        parse(text)
    except ParseFailure:
        return bool(text)
    return False
