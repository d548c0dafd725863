"""How a file is stored: as it is, or as a recipe of a skeleton and the pieces that go into it."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from synthstore.repository.codec import ROW, Number, Part, Spelling, Spelt, Style, cut, spell
from synthstore.store.flat_index import HEAD_BYTES, FlatShape, measure
from synthstore.store.flat_source import FlatDamageError

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
    gaps, styles = [part.gap for part in parts], [part.style for part in parts]
    pieces = tuple([Piece(part.id, part.style.number, part.data) for part in parts])
    body = write_recipe(skeleton, gaps, styles, [piece.id for piece in pieces])
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


class Recipe(NamedTuple):
    """A recipe as read."""

    gaps: Sequence[int]
    styles: Sequence[Style]
    """One a part."""
    ids: Sequence[bytes]
    skeleton: bytes

    def rebuilt(self, fetch: Fetch) -> Iterator[bytes]:
        """The file, in pieces; raises RecipeError where numbers and style do not fit."""
        at = 0
        for gap, part in zip(self.gaps, self.spelt(fetch), strict=True):
            if gap:
                yield self.skeleton[at : at + gap]
                at += gap
            yield part.text
        yield self.skeleton[at:]

    def spelt(self, fetch: Fetch) -> Iterator[Spelt]:
        """What each part stands for; raises RecipeError where numbers and style do not fit."""
        for style, piece in zip(self.styles, self.ids, strict=True):
            try:
                yield spell(style, fetch(piece))
            except ValueError as error:
                raise RecipeError(f"piece {piece.hex()} is no array of numbers") from error

    def joined(self, texts: Sequence[bytes]) -> bytes:
        """The skeleton with ``texts`` where its parts were cut out."""
        pieces: list[bytes] = []
        at = 0
        for gap, text in zip(self.gaps, texts, strict=True):
            pieces += self.skeleton[at : at + gap], text
            at += gap
        return b"".join((*pieces, self.skeleton[at:]))


class Rebuilt(NamedTuple):
    """A whole file, and what it was put together from."""

    content: bytes
    recipe: Recipe | None
    """None where the file is stored as it is."""
    parts: Sequence[Spelt]
    """One a part of the recipe."""


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


def ids_in(body: bytes) -> bytes:
    """The ids of a recipe's pieces, one after the other; raises RecipeError."""
    try:
        count, _, at = _read_styles(body)
    except (struct.error, ValueError, IndexError) as error:
        raise RecipeError(f"a recipe is cut short or damaged: {error}") from error
    start = at + 6 * count
    return body[start : start + _ID * count]


def _read_styles(body: bytes) -> tuple[int, Sequence[Style], int]:
    """How many pieces a recipe has, its styles, and where they end."""
    count, styles = _HEAD.unpack_from(body)
    table, at = [], _HEAD.size
    for _ in range(styles):
        style, at = _read_style(body, at)
        table.append(style)
    return count, table, at


def read_recipe(body: bytes) -> Recipe:
    """Read what ``write_recipe`` wrote; raises RecipeError for anything else."""
    try:
        count, table, at = _read_styles(body)
        gaps = struct.unpack_from(f"<{count}I", body, at)
        places = struct.unpack_from(f"<{count}H", body, at + 4 * count)
        at += 6 * count
        ids = [body[a : a + _ID] for a in range(at, at + _ID * count, _ID)]
        skeleton = body[at + _ID * count :]
        if sum(gaps) > len(skeleton):
            raise RecipeError("the gaps of a recipe are longer than its skeleton")
        return Recipe(gaps, [table[place] for place in places], ids, skeleton)
    except (struct.error, ValueError, IndexError) as error:
        raise RecipeError(f"a recipe is cut short or damaged: {error}") from error


def _read_style(body: bytes, at: int) -> tuple[Style, int]:
    start = at + _STYLE.size
    end = start + sum(_STYLE.unpack_from(body, at)[2:])
    return _style(body[at:end]), end


@lru_cache(maxsize=256)
def _style(spelt: bytes) -> Style:
    """A style from its bytes: nearly all files of a store have the same one."""
    number, spelling, *lengths = _STYLE.unpack_from(spelt)
    at = _STYLE.size
    spaces = []
    for length in lengths:
        spaces.append(spelt[at : at + length])
        at += length
    return Style(Number(number), Spelling(spelling), *spaces)
