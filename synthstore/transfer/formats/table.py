"""CSV with a heading, by RFC 4180; no cell is one that a spreadsheet would run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from synthstore.files.jsonio import ParseFailure, parse
from synthstore.files.passing import Passed
from synthstore.transfer.formats.base import CUT, MAX_ROW, Format, Found, Row, Shape, Unread
from synthstore.transfer.formats.columns import (
    COLUMNS,
    VERSION,
    Holds,
    cells_of,
    json_text,
    record_from,
)
from synthstore.transfer.formats.packing import Stream
from synthstore.transfer.records import Record

_QUOTE = "'"
_RUN = ("=", "+", "-", "@", "\t", "\r", _QUOTE)
"""What a cell begins with that spreadsheets take for a formula, and the quote against it."""

_Lines = Iterator[list[str] | Unread]


class Csv(Format):
    """``csv``."""

    name = "csv"
    suffixes = (".csv",)

    def encode(self, records: Iterable[Record], shape: Shape) -> Iterator[bytes]:  # noqa: ARG002
        """The lines of ``records``."""
        for record in records:
            yield _spelt([_line_of(record)])

    def writer(self, out: BinaryIO, shape: Shape) -> _Table:  # noqa: ARG002
        """Begin a file on ``out`` with the heading."""
        return _Table(out)

    def read(self, stream: Stream) -> Iterator[Found]:
        """The lines below the heading."""
        # Else a cell of more than 128 kB, which an embedding can be, would end it all.
        csv.field_size_limit(MAX_ROW)
        text = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
        try:
            yield from _rows(csv.reader(text, strict=True), stream)
        finally:
            text.detach()


class _Table:
    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        out.write(_spelt([list(COLUMNS)]))

    def write(self, piece: Passed) -> None:
        piece.send(self._out)

    def close(self) -> None:
        """End the file; nothing is to be written for that."""


def _spelt(lines: Any) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(lines)
    return out.getvalue().encode("utf-8")


def _line_of(record: Record) -> list[str]:
    cells = cells_of(record)
    return [
        _safe(_cell(holds, cells[name])) if name in cells else "" for name, holds in COLUMNS.items()
    ]


def _cell(holds: Holds, value: Any) -> str:
    return value if holds is Holds.TEXT else json_text(value)


def _safe(cell: str) -> str:
    return _QUOTE + cell if cell.startswith(_RUN) else cell


def _bare(cell: str) -> str:
    guarded = cell.startswith(_QUOTE) and cell[1:].startswith(_RUN)
    return cell[1:] if guarded else cell


# Reading


def _rows(lines: Any, stream: Stream) -> Iterator[Found]:
    heading = next(_each(lines), None)
    if not isinstance(heading, list) or not heading:
        yield from _without_heading(heading, stream)
        return
    if COLUMNS.keys().isdisjoint(map(_bare, heading)):
        # An archive or a picture may pass for a table, with everything in its heading.
        cut = any(name.startswith(heading[-1]) for name in COLUMNS)
        yield Unread(1, "the heading names no column of an export", cut=cut)
        return
    number = lines.line_num
    waiting: Found | None = None
    for found in _each(lines):
        if waiting is not None:
            yield waiting
        begins, number = number + 1, lines.line_num
        waiting = found if isinstance(found, Unread) else _row(begins, heading, found)
    damage = stream.damage
    if isinstance(waiting, Unread) and damage is not None:
        waiting = Unread(waiting.number, damage, waiting.text, cut=True)
    elif damage is not None:
        if waiting is not None:
            yield waiting
        waiting = Unread(number + 1, damage, cut=True)
    elif isinstance(waiting, Unread) and waiting.reason == _SHORT:
        waiting = Unread(waiting.number, CUT, waiting.text, cut=True)
    if waiting is not None:
        yield waiting


def _without_heading(heading: list[str] | Unread | None, stream: Stream) -> Iterator[Unread]:
    """What there is to say of a file in which no cell has a name."""
    unread = heading if isinstance(heading, Unread) else None
    if stream.damage is not None or (unread is not None and unread.cut):
        yield Unread(1, stream.damage or CUT, cut=True)
    elif heading is not None:
        yield Unread(1, f"the heading {unread.reason if unread is not None else 'is empty'}")


_SHORT = "has fewer cells than the heading"


def _each(lines: Any) -> _Lines:
    while True:
        try:
            yield next(lines)
        except StopIteration:
            return
        except csv.Error as error:
            ends = "unexpected end" in str(error)
            yield Unread(lines.line_num, CUT if ends else f"is no CSV: {error}", cut=ends)


def _row(number: int, heading: list[str], line: list[str]) -> Found:
    text = "\n".join(line).encode("utf-8", "surrogateescape")
    if len(line) == len(heading) and heading[-1] == VERSION and not line[-1]:
        return Unread(number, _SHORT, text)
    if len(line) != len(heading):
        more = "has more cells than the heading"
        return Unread(number, _SHORT if len(line) < len(heading) else more, text)
    try:
        text.decode("utf-8")
        cells = {
            name: _value(COLUMNS.get(name, Holds.TEXT), _bare(cell))
            for name, cell in zip(heading, line, strict=True)
            if cell
        }
        return Row(number, record_from(cells))
    except UnicodeDecodeError:
        return Unread(number, "is no UTF-8", text)
    except ValueError as error:
        return Unread(number, str(error), text)


def _value(holds: Holds, cell: str) -> object:
    if holds is Holds.TEXT:
        return cell
    try:
        parsed = parse(cell.encode("utf-8"))
    except ParseFailure:
        raise ValueError("a cell that should be JSON is none") from None
    if parsed.nan or "duplicate keys" in parsed.rigid:
        raise ValueError("a cell holds NaN, Infinity or a key twice")
    return parsed.value
