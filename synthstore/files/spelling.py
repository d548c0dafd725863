"""How a JSON file is spelt: found by proof, and kept when the file is written again.

Two programs write the stores that we meet, orjson and Python's own ``json``; they differ in
indents, separators, floats like ``1e-06`` and escapes, and a file keeps the spelling it has.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson

_INDENT = re.compile(rb"[\[{]\n([ \t]+)")
_MAX_INDENT = 8
_EMPTY = (b"{}", b"[]")


@dataclass(frozen=True, slots=True)
class Style:
    """One way to spell a JSON document."""

    writer: Literal["orjson", "json"] = "orjson"
    indent: int | str | None = 2
    """Spaces a level, or the text of one; None for a single line."""
    compact: bool = False
    """On a single line: no space behind ``,`` and ``:``."""
    ascii_only: bool = False
    """Whether characters beyond ASCII are escaped."""
    newline: bool = False
    """Whether the file ends with a line feed."""
    proven: bool = False
    """Whether spelling the file's value this way gives back its very bytes."""

    @property
    def unit(self) -> str:
        """The text of one level of indent; empty for a single line."""
        return " " * self.indent if isinstance(self.indent, int) else (self.indent or "")

    @property
    def separators(self) -> tuple[str, str]:
        """What stands between two members, and between a key and its value."""
        if self.indent is not None:
            return ",", ": "
        return (",", ":") if self.compact or self.writer == "orjson" else (", ", ": ")


@dataclass(frozen=True, slots=True)
class Looks:
    """What shows how a file may be spelt, however long it is."""

    head: bytes
    """Its first bytes: more than one indent."""
    newline: bool
    """As Style has it."""
    is_ascii: Callable[[], bool]
    """Tells of all its bytes; asked only if it matters."""

    @classmethod
    def of(cls, raw: bytes) -> Looks:
        """Those of a file whose bytes are all there."""
        return cls(raw, raw.endswith(b"\n"), raw.isascii)


def style_of(raw: bytes, value: object) -> Style:
    """The spelling of ``raw``, whose parsed value is ``value``.

    Where no spelling gives back the very bytes: orjson's with an indent of 2.
    """
    return first_proven(Looks.of(raw), lambda style: dump(value, style) == raw)


def first_proven(looks: Looks, gives_back: Callable[[Style], bool]) -> Style:
    """As ``style_of``: the likeliest style by its ``looks`` that ``gives_back`` the very bytes."""
    proven = filter(gives_back, _candidates(looks))
    return next((replace(style, proven=True) for style in proven), Style())


def nearest_style(raw: bytes) -> Style:
    """The likeliest spelling of ``raw`` by its looks alone, without any proof."""
    colon = ": " if b'": ' in raw else ":"
    fitting = (style for style in _candidates(Looks.of(raw)) if style.separators[1] == colon)
    return next(fitting, Style())


def _candidates(looks: Looks) -> Iterator[Style]:
    newline = looks.newline
    if looks.head.strip() in _EMPTY:
        yield Style(newline=newline)
    indent = _indent(looks.head)
    if indent is None:
        yield Style("orjson", None, compact=True, newline=newline)
    elif indent == 2:  # noqa: PLR2004 - the only indent that orjson writes
        yield Style("orjson", indent, newline=newline)
    # DEL is the one ASCII character that escaping changes, hence both ways for ASCII text.
    for ascii_only in (True, False) if looks.is_ascii() else (False,):
        yield Style("json", indent, ascii_only=ascii_only, newline=newline)
        if indent is None:
            yield Style("json", indent, compact=True, ascii_only=ascii_only, newline=newline)


def _indent(raw: bytes) -> int | str | None:
    found = _INDENT.match(raw)
    if found is None:
        return None
    text = found.group(1).decode("ascii")
    return text if text.strip(" ") or len(text) > _MAX_INDENT else len(text)


def dump(value: object, style: Style, *, finite: bool = False) -> bytes:
    """Spell ``value`` in ``style``; an array of numbers is spelt as a list of them.

    What orjson cannot write (integers beyond 64 bits, NaN, lone surrogates) is spelt by ``json``
    with the same indent, never changed. ``finite`` says that no number of it is NaN or infinite,
    for looking at each costs more than writing them all.
    """
    if style.writer == "orjson":
        text = by_orjson(value, style, finite=finite)
        if text is not None:
            return text
    return _by_json(value, style) + (b"\n" if style.newline else b"")


def by_orjson(value: object, style: Style, *, finite: bool) -> bytes | None:
    """As ``dump``, in a style of orjson's; None for what it cannot write."""
    indent = orjson.OPT_INDENT_2 if style.indent else 0
    newline = orjson.OPT_APPEND_NEWLINE if style.newline else 0
    try:
        text = orjson.dumps(value, option=indent | newline | orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError:
        return None
    # orjson writes NaN as null without a word.
    if not finite and b"null" in text and _holds_non_finite(value):
        return None
    return text


def _holds_non_finite(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_non_finite, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_non_finite, value))
    return isinstance(value, float) and not math.isfinite(value)


def _as_list(array: Any) -> object:
    return array.tolist()


def _by_json(value: object, style: Style) -> bytes:
    text = json.dumps(
        value,
        indent=style.indent,
        ensure_ascii=style.ascii_only,
        separators=style.separators,
        default=_as_list,
    )
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return _by_json(value, replace(style, ascii_only=True))
