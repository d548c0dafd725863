"""Packs: append-only files of compressed blocks with an index at their end, named by their sha256.

A block holds many blobs of one coding, compressed together; ``repository`` tells the format. What
a pack says of itself is believed only as far as it adds up.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import zstandard

MAGIC = b"SYNPACK\x01"
VERSION = 1
NO_ENVELOPE = 0

HEADER = struct.Struct("<8sBB6s")
TRAILER = struct.Struct("<QB32s8s")
COUNTS = struct.Struct("<II")
_MOST_SHRUNK = 64
_DIGEST = 32

PACK_BYTES = 16 << 20
"""A pack is closed once it holds as much."""

TAIL_BYTES = 1 << 16
"""A first guess at how much of a pack's end its index takes."""

Table = npt.NDArray[np.void]

BLOCK_ROW = np.dtype(
    [("at", "<u8"), ("stored", "<u4"), ("plain", "<u4"), ("coding", "u1"), ("digest", "V32")]
)
BLOB_ROW = np.dtype(
    [("id", "V32"), ("block", "<u4"), ("at", "<u4"), ("size", "<u4"), ("kind", "u1"),
     ("whole", "<u8")]
)  # fmt: skip

BLOB = struct.Struct("<32sIIIBQ")
"""A row of BLOB_ROW."""


class PackDamageError(ValueError):
    """A pack, or a block of it, is not what was written."""


class Kind(IntEnum):
    """What a blob is."""

    PLAIN = 0
    """The bytes themselves."""
    RECIPE = 1
    """What a file is put together from."""


_KINDS = tuple(Kind)


class Coding(IntEnum):
    """How the blobs of a block are laid out before zstd."""

    TEXT = 0
    """One after the other."""
    SINGLES = 1
    """As TEXT, then the first bytes of all float32, then their second, third, fourth bytes."""
    DOUBLES = 2
    """Likewise with float64."""
    LISTS = 3
    """As TEXT, of snapshots' lists of files alone."""


WIDTHS = {Coding.TEXT: 1, Coding.SINGLES: 4, Coding.DOUBLES: 8, Coding.LISTS: 1}


def _unplanes(data: bytes, width: int) -> bytes:
    if width == 1:
        return data
    if len(data) % width:
        raise PackDamageError("a block of numbers is not of whole numbers")
    planes: npt.NDArray[np.unsignedinteger] = np.frombuffer(data, np.uint8).reshape(width, -1)
    # To transpose moves byte by byte; half as many planes, twice as wide, take a quarter of it.
    while len(planes) > 1:
        wide = planes.astype(f"<u{2 * planes.itemsize}")
        wide[1::2] <<= 8 * planes.itemsize
        wide[::2] |= wide[1::2]
        planes = wide[::2]
    return planes.tobytes()


class Blob(NamedTuple):
    """Where one blob is, inside its block."""

    id: bytes
    kind: Kind
    at: int
    size: int
    whole: int
    """Size of the file or piece that it stands for."""


@dataclass(frozen=True, slots=True)
class PackIndex:
    """The index at the end of a pack."""

    name: str
    blocks: Table
    blobs: Table

    def blob(self, row: int) -> Blob:
        """The blob of one row."""
        return self.entry(row)[1]

    def entry(self, row: int) -> tuple[int, Blob]:
        """The block that the blob of one row is in, and the blob."""
        return entry_at(self.packed(), row)

    def packed(self) -> memoryview:
        """The rows of its blobs as bytes."""
        return self.blobs.view(np.uint8).data

    def block_of(self, row: int) -> int:
        """The block that the blob of one row is in."""
        return self.entry(row)[0]

    def ids(self) -> list[bytes]:
        """The id of every blob."""
        packed = self.blobs["id"].tobytes()
        return [packed[at : at + _DIGEST] for at in range(0, len(packed), _DIGEST)]

    def by_block(self) -> Mapping[int, Sequence[Blob]]:
        """The blobs of each block."""
        found: dict[int, list[Blob]] = {block: [] for block in range(len(self.blocks))}
        for block, blob in map(partial(entry_at, self.packed()), range(len(self.blobs))):
            found[block].append(blob)
        return found

    def span(self, block: int) -> tuple[int, int]:
        """Where a block's stored bytes are: offset and size."""
        row = self.blocks[block]
        return int(row["at"]), int(row["stored"])

    def coding(self, block: int) -> Coding:
        """How a block is laid out."""
        return Coding(int(self.blocks["coding"][block]))

    def open_block(self, block: int, stored: bytes) -> bytes:
        """The blobs of a block, one after the other; raises PackDamageError."""
        row = self.blocks[block]
        if hashlib.sha256(stored).digest() != bytes(row["digest"]):
            raise PackDamageError(f"block {block} of pack {self.name} is damaged")
        plain = _decompressed(stored, int(row["plain"]), f"block {block} of pack {self.name}")
        return _unplanes(plain, WIDTHS[self.coding(block)])


def entry_at(packed: memoryview, row: int) -> tuple[int, Blob]:
    """As ``PackIndex.entry``, of the bytes of all its rows: far faster than to take one there."""
    name, block, at, size, kind, whole = BLOB.unpack_from(packed, row * BLOB.size)
    return block, Blob(name, _KINDS[kind], at, size, whole)


def _decompressed(stored: bytes, size: int, what: str) -> bytes:
    """The ``size`` bytes of a zstd frame; a frame that claims another size is not even begun."""
    if _claimed_size(stored, what) != size:
        raise PackDamageError(f"{what} has another size than its index says")
    try:
        return zstandard.ZstdDecompressor().decompress(stored)
    except zstandard.ZstdError as error:
        raise PackDamageError(f"{what}: {error}") from error


def _claimed_size(stored: bytes, what: str) -> int:
    try:
        return zstandard.frame_content_size(stored)
    except zstandard.ZstdError as error:
        raise PackDamageError(f"{what}: {error}") from error


def index_size(tail: bytes) -> int:
    """How many bytes at the end of a pack its index and trailer take, told by its last bytes."""
    if len(tail) < TRAILER.size:
        raise PackDamageError("cut short")
    size, version, _, magic = TRAILER.unpack(tail[-TRAILER.size :])
    if magic != MAGIC or version != VERSION:
        raise PackDamageError("does not end as a pack does")
    return int(size) + TRAILER.size


def read_index(name: str, tail: bytes) -> PackIndex:
    """The index out of the last bytes of a pack; raises PackDamageError."""
    length = index_size(tail)
    if len(tail) < length:
        raise PackDamageError("cut short")
    stored = tail[-length : -TRAILER.size]
    if hashlib.sha256(stored).digest() != TRAILER.unpack(tail[-TRAILER.size :])[2]:
        raise PackDamageError("its index is damaged")
    plain = _unpacked_index(stored)
    blocks, blobs = COUNTS.unpack_from(plain)
    at = COUNTS.size + blocks * BLOCK_ROW.itemsize
    if at + blobs * BLOB_ROW.itemsize != len(plain):
        raise PackDamageError("its index has another length than it says")
    pack = PackIndex(
        name,
        np.frombuffer(plain, BLOCK_ROW, blocks, COUNTS.size),
        np.frombuffer(plain, BLOB_ROW, blobs, at),
    )
    _require_consistent(pack)
    return pack


def _unpacked_index(stored: bytes) -> bytes:
    size = _claimed_size(stored, "its index")
    # Digests do not shrink, so an index that claims to is a bomb.
    if not COUNTS.size <= size <= _MOST_SHRUNK * len(stored):
        raise PackDamageError("its index is not plausible")
    return _decompressed(stored, size, "its index")


def _require_consistent(pack: PackIndex) -> None:
    """Every blob lies within a block, and every kind and coding is known."""
    blocks, blobs = pack.blocks, pack.blobs
    fit = bool((blobs["block"] < len(blocks)).all())
    if fit and len(blobs):
        ends = blobs["at"].astype("u8") + blobs["size"]
        fit = bool((ends <= blocks["plain"][blobs["block"]]).all())
    known = (blobs["kind"] < len(Kind)).all() and (blocks["coding"] < len(Coding)).all()
    if not (fit and known):
        raise PackDamageError("its index contradicts itself")
