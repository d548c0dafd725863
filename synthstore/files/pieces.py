"""A long document spelt piece by piece, without a text of it all that grows by being copied."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import BinaryIO, Final

from synthstore.files.spelling import Looks, Style, by_orjson, dump, first_proven

MEMBERS = 2000
"""Members of the long object that go into a piece."""

_HEAD: Final = 1 << 12
_BLOCK: Final = 1 << 20

_STAND_IN: Final = secrets.token_hex(16)
"""A key that no document has: it shows where the members stood."""


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """A file's content in pieces: call it with an open binary file."""

    pieces: tuple[bytes, ...]

    @property
    def size(self) -> int:
        """How many bytes it writes."""
        return sum(map(len, self.pieces))

    def __call__(self, out: BinaryIO) -> None:
        """Write the whole file to ``out``."""
        out.writelines(self.pieces)


class _OnlyWhole(Exception):  # noqa: N818 - not an error: the document is spelt as a whole
    """The document cannot be spelt in pieces."""


def dump_in_pieces(value: Mapping[str, object], style: Style, key: str) -> bytes | Pieces:
    """What ``dump`` gives, in pieces if the object under ``key`` is long.

    That may be any mapping, whose members are made as they are gone through.
    """
    try:
        return Pieces(tuple(_spelt(value, style, key)))
    except _OnlyWhole:
        return dump(_plain(value, key), style)


def style_by_pieces(file: BinaryIO, value: Mapping[str, object], key: str) -> Style:
    """What ``style_of`` gives, without all bytes of the file, or a text of what is under ``key``.

    It is a file that can seek; where it then stands is no matter.
    """

    def gives_back(style: Style) -> bool:
        try:
            return _is(file, _spelt(value, style, key))
        except _OnlyWhole:
            return _is(file, (dump(_plain(value, key), style),))

    return first_proven(_looks(file), gives_back)


def _looks(file: BinaryIO) -> Looks:
    head = file.read(_HEAD)
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - 1))
    return Looks(head, file.read() == b"\n", lambda: _is_ascii(file))


def _is_ascii(file: BinaryIO) -> bool:
    file.seek(0)
    return all(block.isascii() for block in iter(lambda: file.read(_BLOCK), b""))


def _plain(value: Mapping[str, object], key: str) -> dict[str, object]:
    """The document as what any writer takes."""
    section = value.get(key)
    return {**value, key: dict(section)} if isinstance(section, Mapping) else dict(value)


def _is(file: BinaryIO, pieces: Iterable[bytes]) -> bool:
    """Whether the file has the bytes of the ``pieces``, and no more."""
    file.seek(0)
    return all(file.read(len(piece)) == piece for piece in pieces) and not file.read(1)


def _spelt(value: Mapping[str, object], style: Style, key: str) -> Iterator[bytes]:
    """The document in ``style``; raises _OnlyWhole."""
    section = value.get(key)
    if style.writer != "orjson" or not isinstance(section, Mapping) or len(section) <= MEMBERS:
        raise _OnlyWhole
    head, tail = _around({**value, key: {_STAND_IN: 0}}, style)
    inside = replace(style, newline=False)
    before, behind = _around({key: {_STAND_IN: 0}}, inside)
    between = b"," + before[before.rindex(b"{") + 1 :]
    yield head
    members = iter(section.items())
    first = True
    while part := dict(islice(members, MEMBERS)):
        text = _whole({key: part}, inside)[len(before) : -len(behind)]
        yield text if first else between + text
        first = False
    yield tail


def _around(value: Mapping[str, object], style: Style) -> tuple[bytes, bytes]:
    """What stands before and behind the stand-in."""
    member = f'"{_STAND_IN}"{style.separators[1]}0'
    head, _, tail = _whole(value, style).partition(member.encode())
    return head, tail


def _whole(value: Mapping[str, object], style: Style) -> bytes:
    text = by_orjson(value, style, finite=False)
    if text is None:
        raise _OnlyWhole
    return text
