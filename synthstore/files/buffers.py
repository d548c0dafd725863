"""Documents whose one long list of numbers is read as an array, where pysimdjson is installed.

Making a Python float of every number is most of what parsing an entity costs. simdjson writes the
numbers into a buffer instead. It only gets to answer where nothing that ``parse`` would note can be
hidden in the bytes; whatever it refuses, or might read otherwise, goes to ``parse``.
"""

from __future__ import annotations

import importlib.util
import threading
from array import array
from typing import Any, Final

import numpy as np
import orjson

from synthstore.files.parsing import MAX_DEPTH, Parsed, census, occurrences, parse
from synthstore.model.embedding import Doubles

AVAILABLE: Final = importlib.util.find_spec("simdjson") is not None
"""Whether the extra ``fast`` is installed."""

_BOM = b"\xef\xbb\xbf"
_MANY = 64
_HIDING_ESCAPE = b"\\u00"
"""How ASCII is escaped: with it, the bytes do not show every colon and bracket of the strings."""


class _Local(threading.local):
    """A parser a thread: it works in one buffer, which the next document overwrites."""

    def __init__(self) -> None:
        import simdjson  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

        self.parser = simdjson.Parser()
        self.array, self.object = simdjson.Array, simdjson.Object


_local: _Local | None = None


def parse_numbers(raw: bytes, key: str, *, fast: bool = AVAILABLE) -> Parsed:
    """As ``parse``, but a list of numbers under ``key`` may come as float64 of shape (n,), n > 0.

    Raises what ``parse`` raises.
    """
    found = _parse_by_buffer(raw, key) if fast else None
    return parse(raw) if found is None else found


def numbers(raw: bytes, *, fast: bool = AVAILABLE) -> Doubles | None:
    """A JSON array of numbers as float64 of shape (n,); None for anything else.

    What is nested may come flat, and integers beyond 53 bits come rounded: the caller's to see.
    """
    try:
        if fast:
            found: Any = _parsers().parser.parse(raw)
            return np.frombuffer(found.as_buffer(of_type="d"))
        return np.frombuffer(array("d", orjson.loads(raw)))
    except (ValueError, TypeError, OverflowError, RuntimeError, AttributeError):
        return None


def _parse_by_buffer(raw: bytes, key: str) -> Parsed | None:
    """The document, if simdjson takes it and every colon and bracket in it is accounted for."""
    if raw.startswith(_BOM) or (b"\\" in raw and _HIDING_ESCAPE in raw):
        return None
    local = _parsers()
    try:
        root = local.parser.parse(raw)
        if not isinstance(root, local.object):
            return None
        document, numbers = _members(root, key, local)
    except (ValueError, RuntimeError, RecursionError):
        return None
    told = census(document)
    brackets = told.brackets + numbers
    accounted = occurrences(raw, b":") == told.colons and occurrences(raw, b"[") == brackets
    return Parsed(document) if accounted and told.containers < MAX_DEPTH else None


def _parsers() -> _Local:
    global _local  # noqa: PLW0603 - imported when it is first needed, as it costs start-up time
    if _local is None:
        _local = _Local()
    return _local


def _members(root: Any, key: str, local: _Local) -> tuple[dict[str, object], bool]:
    """The members of an object, and whether that of ``key`` is an array of numbers."""
    names = list(root.keys())
    if len(names) > _MANY:
        raise ValueError("each member is looked for from the start")
    document: dict[str, object] = dict.fromkeys(names)
    for name in document:
        value = root[name]
        numbers = _numbers(value) if name == key and isinstance(value, local.array) else None
        document[name] = _plain(value, local) if numbers is None else numbers
    return document, isinstance(document.get(key), np.ndarray)


def _plain(value: Any, local: _Local) -> object:
    if isinstance(value, local.array):
        return value.as_list()
    return value.as_dict() if isinstance(value, local.object) else value


def _numbers(value: Any) -> Doubles | None:
    try:
        found = np.frombuffer(value.as_buffer(of_type="d"), dtype=np.float64)
    except TypeError:
        return None
    # What is nested comes out flat, so that lengths tell it, or else the brackets do.
    return found if len(found) == len(value) > 0 else None
