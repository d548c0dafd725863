"""The one place where data becomes safe to print, and the small spellings of numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache

_MINUTE = 60
_KILO = 1000

_HIDDEN = (
    (0x00, 0x20),  # C0, ESC and newline among them
    (0x7F, 0xA0),  # DEL and C1
    (0xAD, 0xAE),  # soft hyphen
    (0x061C, 0x061D),  # Arabic letter mark
    (0x180E, 0x180F),
    (0x200B, 0x2010),  # zero-width, left-to-right and right-to-left marks
    (0x2028, 0x202F),  # line and paragraph separators, bidi embeddings and overrides
    (0x2060, 0x2070),  # word joiner, invisible operators, bidi isolates
    (0xD800, 0xE000),  # lone surrogates: bytes of a file name that are no UTF-8
    (0xFEFF, 0xFF00),  # zero-width no-break space
    (0xFFF9, 0xFFFC),
    (0xE0000, 0xE0080),  # tag characters
)


def _escape(code: int) -> str:
    return chr(code).encode("unicode_escape").decode("ascii")


def _escape_json(code: int) -> str:
    """JSON knows only four digits after its ``u``; beyond the basic plane it takes two of them."""
    units = chr(code).encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))


@cache
def _escapes() -> dict[int, str]:
    return {code: _escape(code) for start, stop in _HIDDEN for code in range(start, stop)}


@cache
def _json_escapes() -> dict[int, str]:
    return {code: _escape_json(code) for code in _escapes() if chr(code) >= "\x7f"}


def printable(text: str) -> str:
    """``text`` with all that a terminal would obey, or a reader not see, as visible escapes.

    Keeps one line one line: newlines and tabs are escaped too.
    """
    return text.translate(_escapes())


def printable_json(text: str) -> str:
    """A JSON document as it was, what a terminal would obey in its strings as JSON escapes."""
    return text.translate(_json_escapes())


def number(value: int) -> str:
    """``1,234,567``."""
    return f"{value:,}"


def counted(value: int, one: str, many: str | None = None) -> str:
    """``1 file``, ``2 files``, ``3 memories``."""
    return f"{number(value)} {one if value == 1 else many or one + 's'}"


def byte_size(value: int) -> str:
    """Bytes for people: ``812 B``, ``4.8 MB`` (powers of 1000)."""
    size, unit = float(value), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if round(size, 1) < _KILO:
            break
        size, unit = size / _KILO, larger
    return f"{value} B" if unit == "B" else f"{size:.1f} {unit}"


def seconds(value: float) -> str:
    """A run time for people: ``0.84 s``, ``3 min 12 s``."""
    if value < _MINUTE:
        return f"{value:.2f} s"
    minutes, rest = divmod(int(value), _MINUTE)
    return f"{minutes} min {rest} s"


def short_time(seconds: float) -> str:
    """About how long, for people: ``8 s``, ``3 min``, ``1 h 5 min``."""
    minutes = round(seconds / _MINUTE)
    if minutes < 1:
        return f"{math.ceil(seconds)} s"
    hours, rest = divmod(minutes, _MINUTE)
    return f"{hours} h {rest} min" if hours else f"{rest} min"


def listed(words: Iterable[str]) -> str:
    """``a, b and c``."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
