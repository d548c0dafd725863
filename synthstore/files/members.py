"""The members of a top-level JSON object, with their places: for salvage and for splicing."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from synthstore.files.parsing import ParseFailure
from synthstore.files.spelling import Style, dump, nearest_style, style_of

_SPACE = " \t\r\n"
_DECODER = json.JSONDecoder()


class _Member(NamedTuple):
    key: str
    value: object
    start: int
    """Where the value begins in the text, in characters."""
    end: int
    """Behind the value's last character."""


def salvage(raw: bytes) -> dict[str, object]:
    """The whole members of a damaged top-level object, in order, up to the damage.

    A member counts only if a comma or the closing brace follows it: nothing shows where a number
    at the very end was cut. Empty where there is no object at all.
    """
    return {member.key: member.value for member in _members(_readable(raw))}


def _readable(raw: bytes) -> str:
    raw = raw.removeprefix(codecs.BOM_UTF8)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return raw[: error.start].decode("utf-8")


def _members(text: str) -> Iterator[_Member]:
    """The members that stand before the end of the object or the first damage."""
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        return
    follower = ","
    while follower == ",":
        member = _member(text, _skip(text, at + 1))
        if member is None:
            return
        at = _skip(text, member.end)
        follower = text[at : at + 1]
        if follower not in (",", "}"):
            return
        yield member


def _member(text: str, at: int) -> _Member | None:
    if text[at : at + 1] != '"':
        return None
    try:
        key, at = _DECODER.raw_decode(text, at)
        at = _skip(text, at)
        if text[at : at + 1] != ":":
            return None
        start = _skip(text, at + 1)
        value, end = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return _Member(key, value, start, end)


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] in _SPACE and at < len(text):
        at += 1
    return at


def splice_field(raw: bytes, key: str, value: object) -> bytes:
    """Replace the value of the top-level member ``key``, or add the member at the end.

    Every byte outside the value's span is kept, and the value is spelt as the file is. Raises
    ParseFailure where ``raw`` is no UTF-8 object, or has several such members.
    """
    text, whole = _document(raw)
    members = list(_members(text))
    style = _style(raw, whole)
    found = [member for member in members if member.key == key]
    if len(found) > 1:
        raise ParseFailure("duplicate keys", found[1].start)
    spelt = dump(value, style).decode("utf-8").replace("\n", "\n" + style.unit)
    if found:
        return (text[: found[0].start] + spelt + text[found[0].end :]).encode("utf-8")
    return _append(text, members, dump(key, style).decode("utf-8"), spelt, style).encode("utf-8")


def _document(raw: bytes) -> tuple[str, dict[str, object]]:
    try:
        text = raw.decode("utf-8")
        whole = json.loads(text)
    except ValueError:
        raise ParseFailure("no UTF-8 JSON document", 0) from None
    if not isinstance(whole, dict):
        raise ParseFailure("no JSON object", 0)
    return text, whole


def _style(raw: bytes, whole: dict[str, object]) -> Style:
    """The proven spelling, or the likeliest; without the line feed that ends the file."""
    proven = style_of(raw, whole)
    return replace(proven if proven.proven else nearest_style(raw), newline=False)


def _append(text: str, members: list[_Member], name: str, spelt: str, style: Style) -> str:
    comma, colon = style.separators
    line = style.indent is not None
    lead = "\n" + style.unit if line else ""
    if not members:
        at = text.index("{") + 1
        return text[:at] + lead + name + colon + spelt + ("\n" if line else "") + text[at:]
    at = members[-1].end
    return text[:at] + comma + lead + name + colon + spelt + text[at:]
