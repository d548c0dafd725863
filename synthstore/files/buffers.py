"""Documents whose one long list of numbers is read as an array, where pysimdjson is installed.

Making a Python float of every number is most of what parsing an entity costs. simdjson writes the
numbers into a buffer instead: the list is cut out of the bytes, and ``parse`` reads the rest. Where
that does not prove to be the same as to parse it all, ``parse`` gets it all.
"""

from __future__ import annotations

import importlib.util
import re
import secrets
import threading
from array import array
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import orjson

from synthstore.files.parsing import Parsed, ParseFailure, parse

if TYPE_CHECKING:
    from synthstore.model.embedding import Doubles

AVAILABLE: Final = importlib.util.find_spec("simdjson") is not None
"""Whether the extra ``fast`` is installed."""

_STAND_IN: Final = secrets.token_hex(16)
"""What takes the list's place: a text that no document has, so that it shows where it was."""

_STAND_IN_BYTES: Final = b'["%s"]' % _STAND_IN.encode()


class _Local(threading.local):
    """A parser a thread: it works in one buffer, which the next document overwrites."""

    def __init__(self) -> None:
        import simdjson  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

        self.parser = simdjson.Parser()


_local: _Local | None = None


def parse_numbers(raw: bytes, key: str, *, fast: bool = AVAILABLE) -> Parsed:
    """As ``parse``, but a list of numbers under ``key`` may come as float64 of shape (n,), n > 0.

    Raises what ``parse`` raises.
    """
    found = _parse_by_buffer(raw, key) if fast else None
    return parse(raw) if found is None else found


def numbers(raw: bytes | memoryview, *, fast: bool = AVAILABLE) -> Doubles | None:
    """A JSON array of numbers as float64 of shape (n,); None for anything else.

    What is nested may come flat, and integers beyond 53 bits come rounded: the caller's to see.
    """
    import numpy as np  # noqa: PLC0415 - whoever only looks at catalogs needs none

    try:
        if fast:
            found: Any = _parsers().parser.parse(raw)
            return np.frombuffer(found.as_buffer(of_type="d"))
        return np.frombuffer(array("d", orjson.loads(raw)))
    except (ValueError, TypeError, OverflowError, RuntimeError, AttributeError):
        return None


def _parse_by_buffer(raw: bytes, key: str) -> Parsed | None:
    """The document, if the first list under ``key`` in the bytes is its member, and of numbers."""
    start = _start(raw, key)
    if start is None:
        return None
    end = raw.find(b"]", start) + 1
    found = numbers(memoryview(raw)[start:end], fast=True)
    # It ends with the first bracket that closes, so that only an object can be nested in it.
    if found is None or not len(found) or raw.find(b"{", start, end) >= 0:
        return None
    try:
        rest = parse(raw[:start] + _STAND_IN_BYTES + raw[end:])
    except ParseFailure:
        return None
    document = rest.value
    if not isinstance(document, dict) or rest.rigid or rest.nan:
        return None
    if document.get(key) != [_STAND_IN]:
        return None
    document[key] = found
    return Parsed(document)


def _start(raw: bytes, key: str) -> int | None:
    """Where a list begins under ``key``: most likely the first one, which the proof then shows."""
    usual, opening = _openings(key)
    at = raw.find(usual)
    if at >= 0:
        return at + len(usual) - 1
    found = opening.search(raw)
    return None if found is None else found.end() - 1


@cache
def _openings(key: str) -> tuple[bytes, re.Pattern[bytes]]:
    """How a list begins under ``key``: as most spell it, and as anybody may."""
    spelt = re.escape(key).encode()
    blank = rb"[ \t\n\r]*"
    return b'"%s": [' % key.encode(), re.compile(rb'"%s"%s:%s\[' % (spelt, blank, blank))


def _parsers() -> _Local:
    global _local  # noqa: PLW0603 - imported when it is first needed, as it costs start-up time
    if _local is None:
        _local = _Local()
    return _local
