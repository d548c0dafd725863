"""One JSON array of records, read element by element."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from synthstore.files.passing import Passed
from synthstore.transfer.formats.base import CUT, MAX_ROW, Format, Found, Row, Shape, Unread
from synthstore.transfer.formats.jsonl import line_of
from synthstore.transfer.formats.packing import Stream
from synthstore.transfer.records import Record

_BLOCK = 1 << 20
# A quote that begins no whole string is one whose end was not read yet.
_INSIDE = re.compile(rb'"(?:[^"\\]|\\.)*"|["\[\]{}]', re.DOTALL)
_BETWEEN = re.compile(rb'"(?:[^"\\]|\\.)*"|["\[\]{},]', re.DOTALL)
_OPENING, _CLOSING = b"[{", b"]}"
_COMMA = b","


class JsonArray(Format):
    """``json``."""

    name = "json"
    suffixes = (".json",)
    arrays = True

    def encode(self, records: Iterable[Record], shape: Shape) -> Iterator[bytes]:  # noqa: ARG002
        """The elements, a record each, as they stand behind another one."""
        for record in records:
            yield _COMMA + b"\n"
            yield line_of(record)

    def writer(self, out: BinaryIO, shape: Shape) -> _Elements:  # noqa: ARG002
        """Begin an array on ``out``."""
        return _Elements(out)

    def read(self, stream: Stream) -> Iterator[Found]:
        """The elements of the array."""
        return _Splitter(stream).elements()


class _Elements:
    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._first = True
        out.write(b"[")

    def write(self, piece: Passed) -> None:
        piece.send(self._out, len(_COMMA) if self._first else 0)
        self._first = False

    def close(self) -> None:
        self._out.write(b"\n]\n")


class _Splitter:
    """Cuts an array at the commas between its elements; what is in them is not looked at."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._text = b""
        self._at = 0
        """How far the text was gone through."""
        self._depth = 0
        self._line = 1

    def elements(self) -> Iterator[Found]:
        self._more()
        self._text = self._text.removeprefix(b"\xef\xbb\xbf")
        while self._text.isspace() and self._more():
            pass
        if not self._text.strip():
            yield from self._damage()
            return
        if not self._text.lstrip().startswith(b"["):
            yield Unread(1, "the file is no JSON array")
            return
        self._drop(self._text.index(b"[") + 1)
        while (end := self._find_end()) is not None:
            element, mark = self._text[:end], self._text[end : end + 1]
            if element.strip() or mark == b",":
                yield Row(self._first_line(element), element.strip())
            self._drop(end + 1)
            if mark == b"]":
                yield from self._rest()
                return
        reason = "an element is too long" if len(self._text) > MAX_ROW else CUT
        text = None if len(self._text) > MAX_ROW else self._text
        yield Unread(self._line, self._stream.damage or reason, text, cut=True)

    def _find_end(self) -> int | None:
        """Where the comma or bracket is that ends the element; None where the file ends first."""
        while True:
            found = (_INSIDE if self._depth else _BETWEEN).search(self._text, self._at)
            if found is None or found[0] == b'"':
                self._at = len(self._text) if found is None else found.start()
                if len(self._text) > MAX_ROW or not self._more():
                    return None
                continue
            self._at = found.end()
            token = found[0][:1]
            if token in _OPENING:
                self._depth += 1
            elif self._depth and token in _CLOSING:
                self._depth -= 1
            elif token in (b",", b"]"):
                return found.start()

    def _more(self) -> bool:
        block = self._stream.read1(_BLOCK)
        self._text += block
        return bool(block)

    def _drop(self, count: int) -> None:
        self._line += self._text.count(b"\n", 0, count)
        self._text = self._text[count:]
        self._at = 0

    def _first_line(self, element: bytes) -> int:
        blank = len(element) - len(element.lstrip())
        return self._line + element.count(b"\n", 0, blank)

    def _rest(self) -> Iterator[Found]:
        while not self._text.strip():
            self._text = b""
            if not self._more():
                yield from self._damage()
                return
        yield Unread(self._line, "there is more behind the end of the array")

    def _damage(self) -> Iterator[Found]:
        if self._stream.damage is not None:
            yield Unread(self._line, self._stream.damage, cut=True)
