"""Numbers out of JSON text and back: long arrays become binary, proved by rebuilding them at once.

The work is on text alone: whatever stands between two brackets and is rebuilt to the byte from its
numbers may be cut out, whether the rest is JSON or not.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from synthstore.files.buffers import numbers
from synthstore.model.embedding import Doubles, FloatVector

LEAST_NUMBERS = 16
"""Shorter arrays stay text."""

_LEAST_BYTES = 2 * LEAST_NUMBERS
_NUMBERS = re.compile(rb"([ \t\r\n]*)-?[0-9][^,\s]*([ \t\r\n]*,[ \t\r\n]*)")
_MAX_SPACE = 255
_PLAIN_FROM, _PLAIN_BELOW = 1e-4, 1e16
"""Between these Python and orjson spell a number alike."""

_INDENTED = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_INDENT_2

_MAX_LEVEL = 16
"""Deeper arrays are so rare that any way to write them will do."""


class Number(IntEnum):
    """What a piece of a file is, and which doubles its numbers stand for."""

    BYTES = 0
    """No numbers: the bytes themselves."""
    ROW = 4
    """float32, and these bytes themselves."""
    WIDE = 1
    """float32, each widened to a double."""
    SHORT = 2
    """float32, each the double that the shortest decimal of the single reads as."""
    DOUBLE = 3
    """float64."""


class Spelling(IntEnum):
    """How a double is written: the fewest digits that read back as it, in one of two layouts."""

    PLAIN = 0
    """As orjson: no exponent from 1e-5 to below 1e16, else as in ``1.5e-6`` and ``1e+16``."""
    PYTHON = 1
    """As ``repr``: no exponent from 1e-4 to below 1e16, else as in ``1.5e-06`` and ``1e+16``."""


class Style(NamedTuple):
    """How the text of one array is rebuilt from its numbers."""

    number: Number = Number.BYTES
    spelling: Spelling = Spelling.PLAIN
    before: bytes = b""
    """White space between the bracket and the first number."""
    between: bytes = b""
    """The comma and the white space around it."""
    after: bytes = b""
    """White space between the last number and the bracket."""


RAW = Style()
ROW = Style(Number.ROW)

_PLAIN_FIRST, _PYTHON_FIRST = tuple(Spelling), tuple(reversed(Spelling))


class Part(NamedTuple):
    """One piece cut out of a file."""

    gap: int
    """Bytes of the skeleton that stand before it, since the part before."""
    style: Style
    data: bytes
    """Little-endian numbers, or bytes."""

    @property
    def id(self) -> bytes:
        """Its sha256, by which it is found again."""
        return hashlib.sha256(self.data).digest()


def cut(raw: bytes) -> tuple[bytes, list[Part]]:
    """The skeleton of a file and the arrays cut out of it, brackets left in the skeleton."""
    skeleton: list[bytes] = []
    parts: list[Part] = []
    done = 0
    for start, end in _brackets(raw):
        packed = pack(raw, start, end)
        if packed is None:
            continue
        skeleton.append(raw[done:start])
        style, data = packed
        parts.append(Part(start - done, style, data))
        done = end
    if not parts:
        return raw, parts
    skeleton.append(raw[done:])
    return b"".join(skeleton), parts


def _brackets(raw: bytes) -> Iterator[tuple[int, int]]:
    """Where innermost brackets stand whose content may be numbers: behind ``[``, and at ``]``."""
    start = raw.find(b"[")
    while start >= 0:
        end = raw.find(b"]", start + 1)
        if end < 0:
            return
        start = raw.rfind(b"[", start, end)
        if end - start > _LEAST_BYTES:
            yield start + 1, end
        start = raw.find(b"[", end + 1)


def pack(raw: bytes, start: int, end: int) -> tuple[Style, bytes] | None:
    """What stands from ``start`` to ``end``, between two brackets, as a style and binary numbers.

    None where no style rebuilds it to the byte.
    """
    spaces = _spaces(raw, start, end)
    doubles = None if spaces is None else numbers(raw[start - 1 : end + 1])
    if spaces is None or doubles is None or len(doubles) < LEAST_NUMBERS:
        return None
    for spelling in _likeliest(raw, start, end):
        for number, data in _binaries(doubles):
            style = Style(number, spelling, *spaces)
            text = unpack(style, data)
            if len(text) == end - start and raw.startswith(text, start):
                return style, data
    return None


def _spaces(raw: bytes, start: int, end: int) -> tuple[bytes, bytes, bytes] | None:
    """What stands before the first number, between it and the second, and after the last."""
    found = _NUMBERS.match(raw, start, end)
    tail = raw[max(start, end - _MAX_SPACE - 1) : end]
    after = tail[len(tail.rstrip(b" \t\r\n")) :]
    if found is None or max(len(found[1]), len(found[2]), len(after)) > _MAX_SPACE:
        return None
    return found[1], found[2], after


def _likeliest(raw: bytes, start: int, end: int) -> Sequence[Spelling]:
    """The spellings to try, the one that the first exponent looks like first."""
    at = raw.find(b"e", start, end)
    if at < 0:
        # Where the two differ, Python's has an exponent.
        return _PLAIN_FIRST[:1]
    return _PYTHON_FIRST if raw[at + 1 : at + 3] == b"-0" else _PLAIN_FIRST


def _binaries(doubles: Doubles) -> Iterator[tuple[Number, bytes]]:
    """What the numbers may be packed as, the best first; the proof decides."""
    with np.errstate(over="ignore"):
        singles = doubles.astype("<f4")
    # Where these are singles, so are the others as a rule.
    if singles.item(0) == doubles.item(0) and singles.item(-1) == doubles.item(-1):
        yield Number.WIDE, singles.tobytes()
    if np.isfinite(singles).all() and _shortest(singles).tobytes() == doubles.tobytes():
        yield Number.SHORT, singles.tobytes()
    yield Number.DOUBLE, doubles.astype("<f8", copy=False).tobytes()


def _shortest(singles: FloatVector) -> Doubles:
    """The doubles that the shortest decimals read as; raises ValueError where one is no number."""
    text = orjson.dumps(
        np.ascontiguousarray(singles, np.float32), option=orjson.OPT_SERIALIZE_NUMPY
    )
    doubles = numbers(text)
    if doubles is None:
        raise ValueError("not every single is a number")
    return doubles


def unpack(style: Style, data: bytes) -> bytes:
    """The bytes that a piece stands for; raises ValueError where ``data`` are no such numbers."""
    return spell(style, data).text


class Spelt(NamedTuple):
    """What a piece stands for."""

    text: bytes
    doubles: Doubles | None
    """Its numbers; None for plain bytes."""


def spell(style: Style, data: bytes) -> Spelt:
    """As ``unpack``, with the numbers that are spelt."""
    if style.number in (Number.BYTES, Number.ROW):
        return Spelt(data, None)
    doubles = _doubles(style.number, data)
    before, between, after = style[2:]
    level = _level(between)
    if level and style.spelling is Spelling.PLAIN and (before, after) == _around(level):
        # The writer's own way: nothing has to be put around it.
        return Spelt(_indented(doubles, level), doubles)
    text = _separated(doubles, between)
    if style.spelling is Spelling.PYTHON:
        text = _as_python(text, doubles, between)
    return Spelt(b"".join((before, text, after)), doubles)


def _doubles(number: Number, data: bytes) -> Doubles:
    if number is Number.DOUBLE:
        return np.frombuffer(data, "<f8").astype(np.float64, copy=False)
    singles = np.frombuffer(data, "<f4")
    return singles.astype(np.float64) if number is Number.WIDE else _shortest(singles)


def _separated(doubles: Doubles, between: bytes) -> bytes:
    """The numbers as orjson writes them, ``between`` each two."""
    level = _level(between)
    if not level:
        text = orjson.dumps(doubles, option=orjson.OPT_SERIALIZE_NUMPY)
        return text[1:-1].replace(b",", between)
    before, after = _around(level)
    return _indented(doubles, level)[len(before) : -len(after)]


def _indented(doubles: Doubles, level: int) -> bytes:
    """What stands between the brackets of an array that orjson writes indented, so deep."""
    # Far faster than to put the white space in afterwards.
    nested: object = doubles
    for _ in range(level - 1):
        nested = [nested]
    text = orjson.dumps(nested, option=_INDENTED)
    if not len(doubles):
        return b"".join(_around(level))
    left, right = _brackets_at(level)
    return text[left:right]


@lru_cache(maxsize=_MAX_LEVEL)
def _brackets_at(level: int) -> tuple[int, int]:
    """Where an array that orjson writes indented, so deep, begins, and ends from the text's end."""
    nested: object = [0]
    for _ in range(level - 1):
        nested = [nested]
    text = orjson.dumps(nested, option=_INDENTED)
    return text.rindex(b"[") + 1, text.index(b"]") - len(text)


@lru_cache(maxsize=_MAX_LEVEL)
def _around(level: int) -> tuple[bytes, bytes]:
    """The white space that orjson puts before the first number so deep, and after the last."""
    return b"\n" + 2 * level * b" ", b"\n" + 2 * (level - 1) * b" "


@lru_cache(maxsize=64)
def _level(between: bytes) -> int:
    """How deep numbers stand that orjson writes indented with this between them; 0: nowhere."""
    level, odd = divmod(len(between) - len(b",\n"), 2)
    deep = 0 < level <= _MAX_LEVEL and not odd
    return level if deep and between == b",\n" + 2 * level * b" " else 0


def _as_python(text: bytes, doubles: Doubles, between: bytes) -> bytes:
    """The numbers as ``repr`` writes them; only a few differ as a rule."""
    fenced = b"".join((between, text, between))
    found: list[bytes] = []
    done = 0
    for value in doubles[_odd(doubles)].tolist():
        spelt = orjson.dumps(value)
        # Numbers that are not odd never have the text of one that is.
        at = fenced.index(b"".join((between, spelt, between)), done) + len(between)
        found += fenced[done:at], repr(value).encode("ascii")
        done = at + len(spelt)
    return b"".join((*found, fenced[done:]))[len(between) : -len(between)]


def _odd(doubles: Doubles) -> npt.NDArray[np.bool_]:
    """Which numbers Python and orjson spell differently."""
    size = np.abs(doubles)
    return ((size < _PLAIN_FROM) & (size > 0)) | (size >= _PLAIN_BELOW)
