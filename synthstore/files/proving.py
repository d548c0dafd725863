"""How a long file is spelt, proved against its bytes without having them all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import BinaryIO, Final

from synthstore.files.pieces import OnlyWhole, Original, Span, Speller, plain
from synthstore.files.spelling import Looks, Style, dump, first_proven
from synthstore.model.relisting import Section

_HEAD: Final = 1 << 12
_BLOCK: Final = 1 << 20


def original_of(file: BinaryIO, value: Mapping[str, object], key: str) -> Original:
    """How ``file``, of which ``value`` was read, is spelt, and where rows under ``key`` stand.

    The style is the one that ``style_of`` gives. It is a file that can seek; where it stands
    afterwards is no matter.
    """
    section, spans = value.get(key), dict[int, Span]()

    def gives_back(style: Style) -> bool:
        spans.clear()
        try:
            return _stands(Speller(value, style, key), file, spans)
        except OnlyWhole:
            return _Walk(file).ends_with(dump(plain(value, key), style))

    style = first_proven(_looks(file), gives_back)
    if not (style.proven and isinstance(section, Section)):
        return Original(style)
    return Original(style, section.old, spans)


def _looks(file: BinaryIO) -> Looks:
    file.seek(0)
    head = file.read(_HEAD)
    end = file.seek(0, os.SEEK_END)
    file.seek(max(0, end - 1))
    return Looks(head, file.read() == b"\n", lambda: _is_ascii(file))


def _is_ascii(file: BinaryIO) -> bool:
    file.seek(0)
    return all(block.isascii() for block in iter(lambda: file.read(_BLOCK), b""))


class _Walk:
    """Goes through a file from its start."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.at = 0
        file.seek(0)

    def meets(self, text: bytes) -> bool:
        """Whether these are the next bytes."""
        self.at += len(text)
        return self._file.read(len(text)) == text

    def ends_with(self, text: bytes) -> bool:
        """Whether these are all that are left."""
        return self.meets(text) and not self._file.read(1)


def _stands(speller: Speller, file: BinaryIO, spans: dict[int, Span]) -> bool:
    """Whether the file is what is spelt; notes where old rows stand in it."""
    walk, lead = _Walk(file), speller.head
    for place, texts in speller.groups():
        for text in texts:
            if not (walk.meets(lead) and walk.meets(text)):
                return False
            if place is not None:
                spans[place] = Span(walk.at - len(text), len(text), hashlib.sha256(text).digest())
            lead = speller.between
    return walk.ends_with(speller.tail)
