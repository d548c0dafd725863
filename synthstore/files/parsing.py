"""JSON as found on disks: read by two parsers, and judged for what rewriting it would lose.

orjson reads nearly everything, but it silently keeps the last of duplicate keys and turns integers
beyond 64 bits into floats. Both are found without walking the numbers: a colon that no parsed key
or string accounts for betrays a duplicate, and the norm of a list of numbers bounds them all.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson

MAX_DEPTH = 254
"""The deepest nesting that orjson writes; what is nested deeper is never written again."""

_ZEROS = bytes(4)
"""No text in any encoding of JSON ends with so many."""

_LARGE = 1 << 25
"""Documents that nobody wants to have in memory three times."""

_LOOKED_AT, _MANY = 4096, 100
"""Where the first bytes have so many points, numbers take longer to write than to walk over."""

_ANY_DIGIT = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_INTEGER = b"0" * 19
"""The least digits of an integer beyond 64 bits, whatever they are."""

_ZERO_RUN = re.compile(rb"0+")
_BEFORE_A_NUMBER = re.compile(rb"(?:\A|[\s,\[-]|[\"\s]:)\Z")

_BEYOND_64_BITS = 2.0**63
_MAX_DIGITS = 4300
_CONTAINERS = frozenset({dict, list})
_SMALL = frozenset({str, int, bool, type(None)})
"""Of what nothing but its colons counts."""
_STRING_OR_NAN = re.compile(rb'"(?:[^"\\]|\\.)*"|NaN|-?Infinity')
_SEVERAL_BYTES_A_CHARACTER = ("utf-16", "utf-32")


class Parsed(NamedTuple):
    """A document, and what stands against writing it again from its parsed value."""

    value: object
    rigid: tuple[str, ...] = ()
    """Why it must never be written from ``value``: duplicate keys, depth, encoding and so on."""
    nan: bool = False
    """Whether it holds NaN, Infinity or a number beyond a double anywhere."""
    encoding: str | None = None
    """What parts it from plain UTF-8, the only encoding that other programs read."""


class ParseFailure(Exception):  # noqa: N818 - a verdict on the bytes, turned into a finding
    """The bytes are no JSON document; ``reason`` never quotes them."""

    def __init__(self, reason: str, offset: int) -> None:
        # The standard library's "unterminated string starting at" brings its own preposition.
        super().__init__(f"{reason.removesuffix(' at')} at byte {offset}")
        self.reason = reason
        self.offset = offset


class TooDeep(ParseFailure):
    """Valid JSON, but nested deeper than any parser here goes."""


def parse(raw: bytes) -> Parsed:
    """Parse ``raw``; raises ParseFailure for what is no JSON, TooDeep for what is nested too deep.

    Size is the caller's to cap: what exceeds the memory is a MemoryError, never a ParseFailure.
    """
    if raw.endswith(_ZEROS):
        # A file that grew without being written may be all hole: no parser should walk it.
        raise ParseFailure(_reason(raw, "zero bytes at the end"), len(raw.rstrip(b"\0")))
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return _parse_leniently(raw)
    if len(raw) < _LARGE and raw.count(b".", 0, _LOOKED_AT) < _MANY and _shows_all(raw, value):
        return Parsed(value)
    found = census(value)
    if found.suspect or _hides_a_key(raw, found.colons):
        return _reexamine(raw, value, found.containers)
    return Parsed(value, _too_deep_to_write(value, found.containers))


def _shows_all(raw: bytes, value: object) -> bool:
    """Whether a document is so plain that ``value`` is all of it, without a walk through it.

    It has no long run of digits, and as many colons as its value has when that is written.
    """
    if (b"\\" in raw and b"\\u003" in raw) or _has_long_integer(raw):
        return False
    try:
        written = orjson.dumps(value)
    except orjson.JSONEncodeError:
        return False
    return raw.count(b":") == written.count(b":")


def _has_long_integer(raw: bytes) -> bool:
    """Whether so many digits follow each other where a number may begin, in a string or not."""
    digits = raw.translate(_ANY_DIGIT)
    at = digits.find(_LONG_INTEGER)
    while at >= 0:
        if _BEFORE_A_NUMBER.search(raw, max(0, at - 2), at):
            return True
        at = digits.find(_LONG_INTEGER, _end_of_run(digits, at))
    return False


def _end_of_run(digits: bytes, at: int) -> int:
    run = _ZERO_RUN.match(digits, at)
    return run.end() if run else at


class Census(NamedTuple):
    """What the value of a document accounts for of its bytes."""

    colons: int
    """Colons of keys and strings."""
    containers: int
    suspect: bool
    """Whether a float is so large that it may have been an integer beyond 64 bits."""


def census(value: object) -> Census:
    """Count, in a value that orjson or simdjson made; arrays in it count for nothing."""
    colons = containers = 0
    suspect = False
    stack: list[dict[str, object] | list[object]] = [{"": value}]
    while stack:
        node = stack.pop()
        values: Iterable[object] = node.values() if isinstance(node, dict) else node
        texts = "".join([text for text in values if isinstance(text, str)])
        if isinstance(node, dict):
            colons += len(node)
            texts += "".join(node)
        colons += texts.count(":")
        containers += 1
        if _SMALL.issuperset(map(type, values)):
            continue
        for item in values:
            if isinstance(item, float):
                suspect = suspect or abs(item) >= _BEYOND_64_BITS
            elif isinstance(item, dict):
                stack.append(item)
            elif isinstance(item, list):
                norm = _norm(item)
                if norm is None:
                    stack.append(item)
                else:
                    containers += 1
                    suspect = suspect or norm >= _BEYOND_64_BITS
    # The object that was put around it for the walk has no colon in the bytes.
    return Census(colons - 1, containers - 1, suspect)


def _norm(items: list[Any]) -> float | None:
    """The Euclidean norm of a list of numbers, which no number in it exceeds; None for others."""
    try:
        return math.hypot(*items)
    except (TypeError, OverflowError):
        return None


def _hides_a_key(raw: bytes, colons: int) -> bool:
    # An escaped colon (\u003a) is in the parsed string without being in the bytes.
    return _colons(raw) != colons or (b"\\" in raw and b"\\u003" in raw)


def _colons(raw: bytes) -> int:
    """How many colons stand in ``raw``: as ``bytes.count``, but fast where they are rare.

    Most of an entity is its first array. To see that none is in there is a matter of finding,
    which the C library does at the speed of memory; counting goes byte by byte.
    """
    start = raw.find(b"[") + 1
    end = raw.find(b"]", start)
    if end < 0 or raw.find(b":", start, end) >= 0:
        return raw.count(b":")
    return raw.count(b":", 0, start) + raw.count(b":", end)


def _reexamine(raw: bytes, value: object, containers: int) -> Parsed:
    """Look again, with the standard library, at what orjson took but perhaps not whole."""
    try:
        reader = _Reader(raw.decode("utf-8"))
    except RecursionError:
        return Parsed(value, _too_deep_to_write(value, containers))
    exact = reader.value if reader.big_integers else value
    return Parsed(exact, reader.rigid() + _too_deep_to_write(value, containers))


def _parse_leniently(raw: bytes) -> Parsed:
    """Parse what orjson refuses: other encodings, NaN, lone surrogates, depth, or no JSON."""
    text, encoding = _decode(raw)
    try:
        reader = _Reader(text)
    except RecursionError:
        raise _too_deep(raw) from None
    except json.JSONDecodeError as error:
        offset = len(text[: error.pos].encode("utf-8", "surrogatepass"))
        raise ParseFailure(_reason(raw, error.msg), offset) from None
    rigid = (*encoding, *reader.rigid(), *_oddities(reader))
    return Parsed(reader.value, rigid, reader.non_finite, next(iter(encoding), None))


def _decode(raw: bytes) -> tuple[str, tuple[str, ...]]:
    encoding = json.detect_encoding(raw)
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise ParseFailure(_reason(raw, f"not {encoding.upper()}"), error.start) from None
    if encoding.startswith(_SEVERAL_BYTES_A_CHARACTER):
        return text, (f"{encoding[:6].upper()} encoding",)
    return text, ("byte order mark",) if encoding == "utf-8-sig" else ()


def _reason(raw: bytes, message: str) -> str:
    if not raw:
        return "empty"
    if not raw.strip(b"\0"):
        return "nothing but zero bytes"
    return message[:1].lower() + message[1:]


class _Reader:
    """One pass of the standard library over a text, noting what parsing would lose."""

    def __init__(self, text: str) -> None:
        self.duplicates = False
        self.big_integers = False
        self.non_finite = False
        self.value: object = json.loads(
            text,
            object_pairs_hook=self._pairs,
            parse_int=self._integer,
            parse_float=self._float,
            parse_constant=self._float,
        )

    def _pairs(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        self.duplicates = self.duplicates or len(found) != len(pairs)
        return found

    def _integer(self, digits: str) -> float:
        # More digits than the interpreter converts are beyond a double as well.
        number = int(digits) if len(digits) <= _MAX_DIGITS else self._float(digits)
        if not -(2**63) <= number < 2**64:
            self.big_integers = True
        return number

    def _float(self, digits: str) -> float:
        number = float(digits)
        if not math.isfinite(number):
            self.non_finite = True
        return number

    def rigid(self) -> tuple[str, ...]:
        """Why the text cannot be written again from the value."""
        told = (
            (self.duplicates, "duplicate keys"),
            (self.big_integers, "integer beyond 64 bits"),
        )
        return tuple(reason for holds, reason in told if holds)


def _oddities(reader: _Reader) -> Iterator[str]:
    if reader.non_finite and _stray_non_finite(reader.value):
        yield "NaN or Infinity outside a list of numbers"
    if _lone_surrogate(reader.value):
        yield "lone surrogate"
    yield from _too_deep_to_write(reader.value, MAX_DEPTH + 1)


def _nodes(value: object) -> Iterator[object]:
    """Every value inside ``value``, and the keys; lists of numbers stay whole."""
    stack = [value]
    while stack:
        node = stack.pop()
        yield node
        if isinstance(node, dict):
            stack.extend(node)
            stack.extend(node.values())
        elif isinstance(node, list) and _norm(node) is None:
            stack.extend(node)


def _stray_non_finite(value: object) -> bool:
    return any(isinstance(node, float) and not math.isfinite(node) for node in _nodes(value))


def _lone_surrogate(value: object) -> bool:
    return any(isinstance(node, str) and not _encodable(node) for node in _nodes(value))


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _too_deep_to_write(value: object, containers: int) -> tuple[str, ...]:
    # Nesting cannot be deeper than there are containers, so nearly no document is measured.
    if containers <= MAX_DEPTH:
        return ()
    depth = 0
    level: list[object] = [value] if type(value) in _CONTAINERS else []
    while level:
        depth += 1
        level = [c for node in level for c in _children(node) if type(c) in _CONTAINERS]
    return (f"nested deeper than {MAX_DEPTH}",) if depth > MAX_DEPTH else ()


def _children(node: object) -> Iterable[object]:
    if isinstance(node, dict):
        return node.values()
    if isinstance(node, list) and _norm(node) is None:
        return node
    return []


def _too_deep(raw: bytes) -> ParseFailure:
    """The failure that fits what no recursive parser can take: the depth, or damage besides."""
    import ijson  # type: ignore[import-untyped]  # noqa: PLC0415 - hardly any file is so deep

    # The standard library's own NaN and infinities are no JSON to ijson.
    strict = _STRING_OR_NAN.sub(lambda m: m[0] if m[0].startswith(b'"') else b"0", raw)
    try:
        for _ in ijson.basic_parse(strict):
            pass
    except ijson.JSONError:
        return ParseFailure("deeply nested and no valid JSON", 0)
    return TooDeep(f"nested deeper than {MAX_DEPTH}", 0)
