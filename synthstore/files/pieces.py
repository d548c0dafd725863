"""A long document spelt piece by piece, without a text of it all that grows by being copied.

Members that stand in a file already, spelt as they are to be, need not even be spelt: they are
copied from there, a piece at a time, when the new file is written.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import BinaryIO, Final, NamedTuple

from synthstore.files.spelling import Style, by_orjson, dump
from synthstore.model.relisting import Section

MEMBERS = 2000
"""Members of the long object that go into a piece."""

_STAND_IN: Final = secrets.token_hex(16)
"""A key that no document has: it shows where the members stood."""

Opened = Callable[[], AbstractContextManager[BinaryIO]]
"""Opens a file that can seek."""


class OtherBytes(Exception):  # noqa: N818 - no failure: the caller spells them, or plans anew
    """A file does not hold any more what was to be copied from it."""


class OnlyWhole(Exception):  # noqa: N818 - not an error: the document is spelt as a whole
    """The document cannot be spelt in pieces."""


class Span(NamedTuple):
    """Bytes of a file."""

    start: int
    size: int
    sha256: bytes

    def read(self, file: BinaryIO) -> bytes:
        """The very bytes; raises OtherBytes."""
        file.seek(self.start)
        raw = file.read(self.size)
        if hashlib.sha256(raw).digest() != self.sha256:
            raise OtherBytes
        return raw


@dataclass(frozen=True, slots=True)
class Original:
    """The file that a document was read from: how it is spelt, and what can be copied from it."""

    style: Style
    rows: object = None
    """The rows whose members the spans are."""
    spans: Mapping[int, Span] = field(default_factory=dict)
    """Where pieces of members stand, by the place of the first of them among the rows."""
    opened: Opened | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """A file's content in pieces: call it with an open binary file."""

    pieces: tuple[bytes | Span, ...]
    opened: Opened | None = None
    """Opens the file that the spans are of."""

    @property
    def size(self) -> int:
        """How many bytes it writes."""
        return sum(piece.size if isinstance(piece, Span) else len(piece) for piece in self.pieces)

    def __call__(self, out: BinaryIO) -> None:
        """Write the whole file to ``out``; raises OtherBytes, and what opening raises."""
        out.writelines(self._bytes())

    def _bytes(self) -> Iterator[bytes]:
        if self.opened is None:
            yield from (piece for piece in self.pieces if isinstance(piece, bytes))
            return
        with self.opened() as file:
            for piece in self.pieces:
                yield piece.read(file) if isinstance(piece, Span) else piece


def dump_in_pieces(value: Mapping[str, object], original: Original, key: str) -> bytes | Pieces:
    """What ``dump`` gives, in pieces if the object under ``key`` is long.

    That may be any mapping, whose members are made as they are gone through. Of rows that are kept
    as they stand in the ``original`` no text is made.
    """
    section, style = value.get(key), original.style
    # Places mean something only among the very rows that they were noted of.
    same = isinstance(section, Section) and section.old is original.rows
    known = original if same and original.opened is not None else Original(style)
    try:
        return Pieces(tuple(_pieces(Speller(value, style, key), known.spans)), known.opened)
    except OnlyWhole:
        return dump(plain(value, key), style)


def plain(value: Mapping[str, object], key: str) -> dict[str, object]:
    """The document as what any writer takes."""
    section = value.get(key)
    return {**value, key: dict(section)} if isinstance(section, Mapping) else dict(value)


class Speller:
    """Spells a document in a style of orjson's, its long object some members at a time.

    All of it raises OnlyWhole.
    """

    def __init__(self, value: Mapping[str, object], style: Style, key: str) -> None:
        section = value.get(key)
        if style.writer != "orjson" or not isinstance(section, Mapping) or len(section) <= MEMBERS:
            raise OnlyWhole
        self._section, self._key = section, key
        self.head, self.tail = _around({**value, key: {_STAND_IN: 0}}, style)
        self._inside = replace(style, newline=False)
        before, behind = _around({key: {_STAND_IN: 0}}, self._inside)
        self._frame = slice(len(before), -len(behind))
        self.between = b"," + before[before.rindex(b"{") + 1 :]
        """What stands between two members."""

    def groups(self) -> Iterator[tuple[int | None, Iterator[bytes]]]:
        """Members spelt as they are gone through, and of old rows the place, as in Original."""
        section = self._section
        groups = section.cut(MEMBERS) if isinstance(section, Section) else _uncut(section)
        return ((place, self._texts(members)) for place, members in groups)

    def _texts(self, members: Iterator[tuple[str, object]]) -> Iterator[bytes]:
        while part := dict(islice(members, MEMBERS)):
            yield _whole({self._key: part}, self._inside)[self._frame]


def _uncut(section: Mapping[str, object]) -> Iterator[tuple[None, Iterator[tuple[str, object]]]]:
    yield None, iter(section.items())


def _pieces(speller: Speller, spans: Mapping[int, Span]) -> Iterator[bytes | Span]:
    yield speller.head
    lead = b""
    for place, texts in speller.groups():
        span = None if place is None else spans.get(place)
        for piece in texts if span is None else (span,):
            if lead:
                yield lead
            yield piece
            lead = speller.between
    yield speller.tail


def _around(value: Mapping[str, object], style: Style) -> tuple[bytes, bytes]:
    """What stands before and behind the stand-in."""
    member = f'"{_STAND_IN}"{style.separators[1]}0'
    head, _, tail = _whole(value, style).partition(member.encode())
    return head, tail


def _whole(value: Mapping[str, object], style: Style) -> bytes:
    text = by_orjson(value, style, finite=False)
    if text is None:
        raise OnlyWhole
    return text
