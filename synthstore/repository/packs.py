"""Packs: append-only files of compressed blocks with an index at their end, named by their sha256.

A block holds many blobs of one coding, compressed together; ``repository`` tells the format.
"""

from __future__ import annotations

import hashlib
import secrets
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import zstandard

from synthstore.repository.codec import Number
from synthstore.repository.recipes import Encoded, Piece

MAGIC = b"SYNPACK\x01"
VERSION = 1
NO_ENVELOPE = 0

_HEADER = struct.Struct("<8sBB6s")
_TRAILER = struct.Struct("<QB32s8s")
_COUNTS = struct.Struct("<II")
_LEVEL = 3
_MOST_SHRUNK = 64
_DIGEST = 32

PACK_BYTES = 16 << 20
"""A pack is closed once it holds as much."""

BLOCK_BYTES = 1 << 18
"""A block is compressed once it holds as much: the unit that is lost by one bad byte."""

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

_BLOB = struct.Struct("<32sIIIBQ")
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


_WIDTHS = {Coding.TEXT: 1, Coding.SINGLES: 4, Coding.DOUBLES: 8, Coding.LISTS: 1}
_CODINGS = {Number.BYTES: Coding.TEXT, Number.DOUBLE: Coding.DOUBLES}


@dataclass(slots=True)
class _Block:
    """A block that is being filled."""

    blobs: list[tuple[bytes, int, int, Kind, int]] = field(default_factory=list)
    """id, offset, size, kind, size of what it stands for."""
    data: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, name: bytes, body: bytes, kind: Kind, whole: int) -> None:
        self.blobs.append((name, self.size, len(body), kind, whole))
        self.data.append(body)
        self.size += len(body)


class PackBuilder:
    """Takes blobs, and gives the bytes of a pack."""

    def __init__(self) -> None:
        self._open = {coding: _Block() for coding in Coding}
        # With chance in it, a pack stored again never has the name of one that was damaged.
        chance = secrets.token_bytes(6)
        self._stored: list[bytes] = [_HEADER.pack(MAGIC, VERSION, NO_ENVELOPE, chance)]
        self._at = _HEADER.size
        self._blocks: list[tuple[int, int, int, int, bytes]] = []
        self._blobs: list[tuple[bytes, int, int, int, int, int]] = []
        self._zstd = zstandard.ZstdCompressor(level=_LEVEL)

    @property
    def size(self) -> int:
        """Bytes so far, those of open blocks uncompressed."""
        return self._at + sum(block.size for block in self._open.values())

    @property
    def empty(self) -> bool:
        """Whether nothing was added."""
        return not self._blocks and not any(block.blobs for block in self._open.values())

    def add_piece(self, piece: Piece, *, of_list: bool = False) -> None:
        """Add a piece under its id."""
        coding = Coding.LISTS if of_list else _CODINGS.get(piece.number, Coding.SINGLES)
        self._add(coding, piece.id, piece.data, Kind.PLAIN, len(piece.data))

    def add_file(self, encoded: Encoded) -> None:
        """Add a file's recipe, or the file itself; its pieces go separately."""
        kind = Kind.RECIPE if encoded.is_recipe else Kind.PLAIN
        coding = Coding.LISTS if encoded.is_list else Coding.TEXT
        self._add(coding, encoded.id, encoded.body, kind, encoded.size)

    def add_blob(self, coding: Coding, blob: Blob, body: bytes) -> None:
        """Add what another pack held."""
        self._add(coding, blob.id, body, blob.kind, blob.whole)

    def _add(self, coding: Coding, name: bytes, body: bytes, kind: Kind, whole: int) -> None:
        block = self._open[coding]
        block.add(name, body, kind, whole)
        if block.size >= BLOCK_BYTES:
            self._close(coding)

    def _close(self, coding: Coding) -> None:
        block = self._open[coding]
        if not block.blobs:
            return
        stored = self._zstd.compress(_planes(b"".join(block.data), _WIDTHS[coding]))
        number = len(self._blocks)
        digest = hashlib.sha256(stored).digest()
        self._blocks.append((self._at, len(stored), block.size, int(coding), digest))
        self._blobs += [(n, number, at, size, int(k), w) for n, at, size, k, w in block.blobs]
        self._stored.append(stored)
        self._at += len(stored)
        self._open[coding] = _Block()

    def finish(self) -> tuple[str, bytes]:
        """The pack's name and its bytes."""
        for coding in Coding:
            self._close(coding)
        index = self._zstd.compress(
            _COUNTS.pack(len(self._blocks), len(self._blobs))
            + np.array(self._blocks, BLOCK_ROW).tobytes()
            + np.array(self._blobs, BLOB_ROW).tobytes()
        )
        digest = hashlib.sha256(index).digest()
        trailer = _TRAILER.pack(len(index), VERSION, digest, MAGIC)
        content = b"".join((*self._stored, index, trailer))
        return hashlib.sha256(content).hexdigest(), content


def _planes(data: bytes, width: int) -> bytes:
    if width == 1:
        return data
    return np.frombuffer(data, np.uint8).reshape(-1, width).T.tobytes()


def _unplanes(data: bytes, width: int) -> bytes:
    if width == 1:
        return data
    if len(data) % width:
        raise PackDamageError("a block of numbers is not of whole numbers")
    return np.frombuffer(data, np.uint8).reshape(width, -1).T.tobytes()


@dataclass(frozen=True, slots=True)
class Blob:
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
        # Far faster than taking a row out of the array.
        name, block, at, size, kind, whole = _BLOB.unpack_from(self.blobs.data, row * _BLOB.size)
        return block, Blob(name, _KINDS[kind], at, size, whole)

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
        for row in range(len(self.blobs)):
            found[self.block_of(row)].append(self.blob(row))
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
        return _unplanes(plain, _WIDTHS[self.coding(block)])


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
    if len(tail) < _TRAILER.size:
        raise PackDamageError("cut short")
    size, version, _, magic = _TRAILER.unpack(tail[-_TRAILER.size :])
    if magic != MAGIC or version != VERSION:
        raise PackDamageError("does not end as a pack does")
    return int(size) + _TRAILER.size


def read_index(name: str, tail: bytes) -> PackIndex:
    """The index out of the last bytes of a pack; raises PackDamageError."""
    length = index_size(tail)
    if len(tail) < length:
        raise PackDamageError("cut short")
    stored = tail[-length : -_TRAILER.size]
    if hashlib.sha256(stored).digest() != _TRAILER.unpack(tail[-_TRAILER.size :])[2]:
        raise PackDamageError("its index is damaged")
    plain = _unpacked_index(stored)
    blocks, blobs = _COUNTS.unpack_from(plain)
    at = _COUNTS.size + blocks * BLOCK_ROW.itemsize
    if at + blobs * BLOB_ROW.itemsize != len(plain):
        raise PackDamageError("its index has another length than it says")
    pack = PackIndex(
        name,
        np.frombuffer(plain, BLOCK_ROW, blocks, _COUNTS.size),
        np.frombuffer(plain, BLOB_ROW, blobs, at),
    )
    _require_consistent(pack)
    return pack


def _unpacked_index(stored: bytes) -> bytes:
    size = _claimed_size(stored, "its index")
    # Digests do not shrink, so an index that claims to is a bomb.
    if not _COUNTS.size <= size <= _MOST_SHRUNK * len(stored):
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
