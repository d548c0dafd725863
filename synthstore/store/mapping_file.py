"""Mapping files about to be written, spelt as those that stand there; long ones bit by bit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import BinaryIO, Final

from synthstore.files.memory import MANY
from synthstore.files.pieces import OnlyWhole
from synthstore.files.spelling import Looks, Style, by_orjson, dump, first_proven
from synthstore.model.entries import Entries
from synthstore.model.facts import MappingFacts
from synthstore.store.mapping import STYLES, MappingStyle, mapping_content

_AT_ONCE: Final = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class MappingContent:
    """A long mapping file about to be written: call it with an open binary file."""

    entries: Mapping[str, int]
    style: Style
    size: int
    """How many bytes it writes."""

    def __call__(self, out: BinaryIO) -> None:
        """Write the whole file to ``out``."""
        out.writelines(_pieces(self.entries, self.style))


def mapping_file(
    entries: Mapping[str, int], like: MappingFacts | None, *, default: MappingStyle
) -> bytes | MappingContent:
    """A mapping file of ``entries``, spelt as ``like`` is; else in the ``default`` way."""
    if like is not None and like.raw is not None:
        return mapping_content(entries, like.raw, default=default, known=like.entries)
    style = Style() if like is None else _style(like)
    return _spelt(entries, style if style.proven else STYLES[default])


def _style(like: MappingFacts) -> Style:
    """How a file is spelt whose bytes are gone; not proven where nothing tells."""
    if like.looks is None:
        return Style()
    head, newline, is_ascii, known = like.looks
    looks = Looks(head, newline, lambda: is_ascii)
    return first_proven(looks, lambda style: _sha256(known, style) == like.sha256)


def _spelt(entries: Mapping[str, int], style: Style) -> bytes | MappingContent:
    if len(entries) >= MANY:
        with suppress(OnlyWhole):
            return MappingContent(entries, style, sum(map(len, _pieces(entries, style))))
    return _dumped(entries, style)


def _dumped(entries: Mapping[str, int], style: Style) -> bytes:
    return dump(dict(zip(*_columns(entries), strict=True)), style)


def _sha256(entries: Mapping[str, int], style: Style) -> str:
    digest = hashlib.sha256()
    try:
        for piece in _pieces(entries, style):
            digest.update(piece)
    except OnlyWhole:
        return hashlib.sha256(_dumped(entries, style)).hexdigest()
    return digest.hexdigest()


def _columns(entries: Mapping[str, int]) -> tuple[Sequence[str], Iterable[int]]:
    if isinstance(entries, Entries):
        return entries.columns
    return list(entries), entries.values()


def _pieces(entries: Mapping[str, int], style: Style) -> Iterator[bytes]:
    """The file's bytes; raises OnlyWhole where a part may be spelt as the whole is not."""
    if style.writer == "json" and not style.ascii_only:
        raise OnlyWhole
    inside = replace(style, newline=False)
    head, _, tail = _whole({"": 0}, inside).partition(f'""{style.separators[1]}0'.encode())
    between = style.separators[0].encode() + head[1:]
    each = iter(zip(*_columns(entries), strict=True))
    lead = head
    while part := dict(islice(each, _AT_ONCE)):
        yield lead
        yield _whole(part, inside)[len(head) : -len(tail)]
        lead = between
    yield tail + (b"\n" if style.newline else b"")


def _whole(part: Mapping[str, int], style: Style) -> bytes:
    text = by_orjson(part, style, finite=True) if style.writer == "orjson" else dump(part, style)
    if text is None:
        raise OnlyWhole
    return text
