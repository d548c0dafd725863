"""A document whose first member is a long object, read a part of that at a time.

The whole value of a catalog takes several times the room of its bytes. Where the parts are cut is
a guess from how the bytes look; what they parse to proves it. If ``{part}`` is an object for each
of them, and so is the document without them, its members are just theirs, wherever that was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import orjson

from synthstore.files.parsing import Parsed, ParseFailure, parse

PART = 1 << 20
"""About as many bytes go into a part."""

_BETWEEN = re.compile(rb'\},(\s*)"')


class NotInParts(Exception):  # noqa: N818 - not an error: the document is to be read as a whole
    """The document is not spelt so that it can be cut, or holds what only a whole look tells."""


@dataclass(frozen=True, slots=True)
class InParts:
    """A document without the members of its first object, and where these stand."""

    rest: Mapping[str, object]
    """The document as parsed, with an empty object under the key."""
    raw: bytes
    start: int
    end: int
    lightly: bool = False

    def parts(self) -> Iterator[dict[str, object]]:
        """The members, some at a time; whether a key stands in two parts is the caller's to see.

        Raises NotInParts.
        """
        found = _BETWEEN.search(self.raw, self.start, self.end)
        between = found[0] if found else None
        at = self.start
        while at < self.end:
            cut = -1 if between is None else self.raw.find(between, at + PART, self.end)
            end = self.end if cut < 0 else cut + 1
            yield _object(b"{%b}" % self.raw[at:end], self.lightly)
            # A comma stands between two parts, and belongs to none.
            at = end + 1


def in_parts(raw: bytes, key: str, *, lightly: bool = False) -> InParts:
    """The document, if its first member is an object of objects under ``key``.

    With ``lightly`` nobody looks for what parsing loses, keys that stand twice among it. Raises
    NotInParts.
    """
    opening = re.match(rb'\{(\s*)"%b"\s*:\s*\{(?=\s*")' % re.escape(key.encode()), raw)
    if opening is None:
        raise NotInParts
    start = opening.end()
    end = raw.find(b"}%b}" % opening[1], start) + 1
    if end == 0:
        raise NotInParts
    return InParts(_object(raw[:start] + raw[end:], lightly), raw, start, end, lightly)


def _object(raw: bytes, lightly: bool) -> dict[str, object]:
    try:
        parsed = Parsed(orjson.loads(raw)) if lightly else parse(raw)
    except (ParseFailure, orjson.JSONDecodeError):
        raise NotInParts from None
    if not isinstance(parsed.value, dict) or parsed != Parsed(parsed.value):
        raise NotInParts
    return parsed.value
