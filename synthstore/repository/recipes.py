"""How a file is stored: as it is, or as a recipe of a skeleton and the pieces that go into it."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from synthstore.repository.codec import ROW, Number, Part, Spelling, Style, cut, unpack
from synthstore.store.flat_index import HEAD_BYTES, FlatDamageError, FlatShape, measure

_HEAD = struct.Struct("<II")
_STYLE = struct.Struct("<BBBBB")
_ID = 32

Fetch = Callable[[bytes], bytes]
"""Gives the plain bytes of a piece by its id."""


class RecipeError(ValueError):
    """A recipe contradicts itself, or what it refers to."""


class Piece(NamedTuple):
    """Bytes that several files may share, under their sha256."""

    id: bytes
    number: Number
    data: bytes


class Encoded(NamedTuple):
    """One file ready to be stored."""

    id: bytes
    """sha256 of the file's bytes."""
    size: int
    """Of the file."""
    body: bytes
    """The recipe, or the file's own bytes where it has no pieces."""
    pieces: tuple[Piece, ...] = ()
    """What must be stored before it, unless it is there already."""
    is_recipe: bool = False
    is_list: bool = False
    """Whether it is a snapshot's list of files, which is kept apart from what it names."""


def encode(raw: bytes) -> Encoded:
    """Cut the numbers out of a file; a FAISS Flat file becomes its vectors."""
    return encode_apart(raw)[0]


def encode_apart(raw: bytes) -> tuple[Encoded, bytes]:
    """As ``encode``, and the file without what was cut out: JSON still where the file is JSON."""
    digest = hashlib.sha256(raw).digest()
    shape = flat_shape(raw)
    skeleton, parts = cut(raw) if shape is None else _rows(raw, shape)
    if not parts:
        return Encoded(digest, len(raw), raw), raw
    pieces = tuple(Piece(part.id, part.style.number, part.data) for part in parts)
    styles = [part.style for part in parts]
    body = write_recipe(skeleton, [part.gap for part in parts], styles, [p.id for p in pieces])
    return Encoded(digest, len(raw), body, pieces, is_recipe=True), skeleton


def flat_shape(raw: bytes) -> FlatShape | None:
    """What kind of Flat index the bytes are, if they are one with vectors in it."""
    return _shape(raw[:HEAD_BYTES], len(raw))


def flat_shape_of(fd: int, size: int) -> FlatShape | None:
    """As ``flat_shape``, of an open file of ``size`` bytes."""
    return _shape(os.pread(fd, HEAD_BYTES, 0), size)


def _shape(head: bytes, size: int) -> FlatShape | None:
    if not head.startswith(b"Ix"):
        return None
    try:
        shape = measure(head, size)
    except FlatDamageError:
        return None
    return shape if shape is not None and shape.ntotal and shape.size == size else None


def _rows(raw: bytes, shape: FlatShape) -> tuple[bytes, list[Part]]:
    start, width = shape.vectors_at, 4 * shape.dim
    data = (raw[at : at + width] for at in range(start, shape.ids_at, width))
    gaps = [start] + [0] * (shape.ntotal - 1)
    parts = [Part(gap, ROW, row) for gap, row in zip(gaps, data, strict=True)]
    return raw[:start] + raw[shape.ids_at :], parts


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe as read."""

    gaps: Sequence[int]
    styles: Sequence[Style]
    """One a part."""
    ids: Sequence[bytes]
    skeleton: bytes

    def rebuilt(self, fetch: Fetch) -> Iterator[bytes]:
        """The file, in pieces; raises RecipeError where numbers and style do not fit."""
        at = 0
        for gap, style, piece in zip(self.gaps, self.styles, self.ids, strict=True):
            if gap:
                yield self.skeleton[at : at + gap]
                at += gap
            try:
                yield unpack(style, fetch(piece))
            except ValueError as error:
                raise RecipeError(f"piece {piece.hex()} is no array of numbers") from error
        yield self.skeleton[at:]


def write_recipe(
    skeleton: bytes, gaps: Sequence[int], styles: Sequence[Style], ids: Sequence[bytes]
) -> bytes:
    """Spell a recipe: counts, styles, then gaps, style numbers and ids as columns, skeleton."""
    table = list(dict.fromkeys(styles))
    places = {style: place for place, style in enumerate(table)}
    return b"".join(
        (
            _HEAD.pack(len(gaps), len(table)),
            *map(_spell_style, table),
            struct.pack(f"<{len(gaps)}I", *gaps),
            struct.pack(f"<{len(styles)}H", *map(places.__getitem__, styles)),
            *ids,
            skeleton,
        )
    )


@lru_cache
def _spell_style(style: Style) -> bytes:
    spaces = style.before, style.between, style.after
    return _STYLE.pack(style.number, style.spelling, *map(len, spaces)) + b"".join(spaces)


def read_recipe(body: bytes) -> Recipe:
    """Read what ``write_recipe`` wrote; raises RecipeError for anything else."""
    try:
        count, styles = _HEAD.unpack_from(body)
        table, at = [], _HEAD.size
        for _ in range(styles):
            style, at = _read_style(body, at)
            table.append(style)
        gaps = np.frombuffer(body, "<u4", count, at).tolist()
        places = np.frombuffer(body, "<u2", count, at + 4 * count).tolist()
        at += 6 * count
        ids = [body[a:b] for a, b in pairwise(range(at, at + _ID * count + 1, _ID))]
        skeleton = body[at + _ID * count :]
        if sum(gaps) > len(skeleton):
            raise RecipeError("the gaps of a recipe are longer than its skeleton")
        return Recipe(gaps, [table[place] for place in places], ids, skeleton)
    except (struct.error, ValueError, IndexError) as error:
        raise RecipeError(f"a recipe is cut short or damaged: {error}") from error


def _read_style(body: bytes, at: int) -> tuple[Style, int]:
    number, spelling, *lengths = _STYLE.unpack_from(body, at)
    at += _STYLE.size
    spaces = []
    for length in lengths:
        spaces.append(body[at : at + length])
        at += length
    return Style(Number(number), Spelling(spelling), *spaces), at
