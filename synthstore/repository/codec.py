"""Numbers out of JSON text and back: long arrays become binary, proved by rebuilding them at once.

The work is on text alone: whatever stands between two brackets and is rebuilt to the byte from its
numbers may be cut out, whether the rest is JSON or not.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

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


@dataclass(frozen=True, slots=True)
class Style:
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


@dataclass(frozen=True, slots=True)
class Part:
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
        packed = pack(raw[start:end])
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


def pack(text: bytes) -> tuple[Style, bytes] | None:
    """Numbers between commas as a style and binary numbers; None where no style rebuilds them."""
    found = _NUMBERS.match(text)
    after = text[len(text.rstrip(b" \t\r\n")) :]
    if found is None or max(len(found[1]), len(found[2]), len(after)) > _MAX_SPACE:
        return None
    doubles = _read(text)
    if doubles is None:
        return None
    for spelling in _likeliest(text):
        for number, data in _binaries(doubles):
            style = Style(number, spelling, found[1], found[2], after)
            if unpack(style, data) == text:
                return style, data
    return None


def _likeliest(text: bytes) -> Iterator[Spelling]:
    """Both spellings, the one that the first exponent looks like first; the proof decides."""
    at = text.find(b"e")
    return reversed(Spelling) if text[at + 1 : at + 3] == b"-0" else iter(Spelling)


def _read(text: bytes) -> Doubles | None:
    """The numbers of an array as doubles; whatever else passes for one fails the proof."""
    doubles = numbers(b"[%b]" % text)
    return doubles if doubles is not None and len(doubles) >= LEAST_NUMBERS else None


def _binaries(doubles: Doubles) -> Iterator[tuple[Number, bytes]]:
    with np.errstate(over="ignore"):
        singles = doubles.astype("<f4")
    # As bytes: it is faster, and tells the two zeros apart.
    if singles.astype(np.float64).tobytes() == doubles.tobytes():
        yield Number.WIDE, singles.tobytes()
        return
    if np.isfinite(singles).all() and _shortest(singles).tobytes() == doubles.tobytes():
        yield Number.SHORT, singles.tobytes()
    yield Number.DOUBLE, doubles.astype("<f8", copy=False).tobytes()


def _odd(doubles: Doubles) -> npt.NDArray[np.bool_]:
    size = np.abs(doubles)
    return ((size < _PLAIN_FROM) & (size > 0)) | (size >= _PLAIN_BELOW)


def _shortest(singles: FloatVector) -> Doubles:
    text = orjson.dumps(
        np.ascontiguousarray(singles, np.float32), option=orjson.OPT_SERIALIZE_NUMPY
    )
    return np.array(orjson.loads(text), dtype=np.float64)


def unpack(style: Style, data: bytes) -> bytes:
    """The bytes that a piece stands for; raises ValueError where ``data`` are no such numbers."""
    if style.number in (Number.BYTES, Number.ROW):
        return data
    doubles = _doubles(style.number, data)
    text = _plain(doubles)
    if style.spelling is Spelling.PYTHON:
        text = _as_python(text, doubles)
    return _spaced(text, style.before, style.between, style.after)


def _spaced(text: bytes, before: bytes, between: bytes, after: bytes) -> bytes:
    return b"".join((before, text.replace(b",", between), after))


def _doubles(number: Number, data: bytes) -> Doubles:
    if number is Number.DOUBLE:
        return np.frombuffer(data, "<f8").astype(np.float64, copy=False)
    singles = np.frombuffer(data, "<f4")
    return singles.astype(np.float64) if number is Number.WIDE else _shortest(singles)


def _plain(doubles: Doubles) -> bytes:
    return orjson.dumps(doubles, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]


def _as_python(text: bytes, doubles: Doubles) -> bytes:
    """The numbers as ``repr`` writes them; only a few differ as a rule."""
    fenced = b",%b," % text
    found: list[bytes] = []
    done = 0
    for value in doubles[_odd(doubles)].tolist():
        spelt = orjson.dumps(value)
        # Numbers that are not odd never have the text of one that is.
        at = fenced.index(b",%b," % spelt, done) + 1
        found += fenced[done:at], repr(value).encode("ascii")
        done = at + len(spelt)
    return b"".join((*found, fenced[done:]))[1:-1]
