"""A document whose first member is a long object, read a part of that at a time.

The whole value of a catalog takes several times the room of its bytes. Where the parts are cut is
a guess from how the bytes look; what they parse to proves it. If ``{part}`` is an object for each
of them, and so is the document without them, its members are just theirs, wherever that was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import orjson

from synthstore.files.parsing import Parsed, ParseFailure, parse

PART = 1 << 20
"""About as many bytes go into a part."""

_BETWEEN = re.compile(rb'\},(\s*)"')


class NotInParts(Exception):  # noqa: N818 - not an error: the document is to be read as a whole
    """The document is not spelt so that it can be cut, or holds what only a whole look tells."""


class InParts:
    """A document that comes in blocks, of which few stand at a time; it is gone through once.

    Its first member is an object of objects under ``key``. With ``lightly`` nobody looks for what
    parsing loses, keys that stand twice among it. All raises NotInParts.
    """

    def __init__(self, blocks: Iterable[bytes], key: str, *, lightly: bool = False) -> None:
        self._blocks = iter(blocks)
        self._lightly = lightly
        self._text, self._at = b"", 0
        """What has come and, where it stands in that, what nobody has had yet."""
        self._looked = 0
        """Where to go on looking for the end of the members."""
        self._between: bytes | None = None
        self._whole = False
        """Whether all members have been had."""
        self._head, self._closing = self._begin(key)

    def _begin(self, key: str) -> tuple[bytes, bytes]:
        """What stands before the first member, and how the bytes behind the last one look."""
        while len(self._text) < PART and self._more():
            pass
        opening = re.match(rb'\{(\s*)"%b"\s*:\s*\{(?=\s*")' % re.escape(key.encode()), self._text)
        if opening is None:
            raise NotInParts
        self._at = self._looked = opening.end()
        return opening[0], b"}%b}" % opening[1]

    def parts(self) -> Iterator[dict[str, object]]:
        """The members, some at a time; whether a key stands in two parts is the caller's to see."""
        return (_object(b"{%b}" % text, self._lightly) for text in self._texts())

    def rest(self) -> dict[str, object]:
        """The document with an empty object under the key; members nobody had are passed over."""
        for _ in self._texts():
            pass
        tail = self._text[self._at :] + b"".join(self._blocks)
        return _object(self._head + tail, self._lightly)

    def _texts(self) -> Iterator[bytes]:
        """The bytes of the members, as they are cut."""
        while not self._whole:
            end = self._end()
            text = self._text[self._at : end]
            # A comma stands between two parts, and belongs to none.
            self._at = end if self._whole else end + 1
            yield text

    def _end(self) -> int:
        """Where the part ends that comes next."""
        while True:
            closing, cut = self._find_closing(), self._cut()
            if cut >= 0 and not 0 <= closing < cut:
                return cut + 1
            if closing >= 0:
                self._whole = True
                return closing + 1
            if not self._more():
                raise NotInParts

    def _find_closing(self) -> int:
        """Where the last member ends; -1: nowhere yet."""
        found = self._text.find(self._closing, self._looked)
        unseen = max(self._at, len(self._text) - len(self._closing) + 1)
        self._looked = found if found >= 0 else unseen
        return found

    def _cut(self) -> int:
        """Where the part may be cut, so that it is as long as it should be; -1: nowhere yet."""
        if self._between is None:
            found = _BETWEEN.search(self._text, self._at)
            self._between = found and found[0]
        return -1 if self._between is None else self._text.find(self._between, self._at + PART)

    def _more(self) -> bool:
        """Let the next block come, and what was had already go; False at the end."""
        block = next(self._blocks, b"")
        self._text = self._text[self._at :] + block
        self._at, self._looked = 0, max(0, self._looked - self._at)
        return bool(block)


def _object(raw: bytes, lightly: bool) -> dict[str, object]:
    try:
        parsed = Parsed(orjson.loads(raw)) if lightly else parse(raw)
    except (ParseFailure, orjson.JSONDecodeError):
        raise NotInParts from None
    if not isinstance(parsed.value, dict) or parsed != Parsed(parsed.value):
        raise NotInParts
    return parsed.value
