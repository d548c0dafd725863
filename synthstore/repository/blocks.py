"""Blocks written: blobs in, sorted by coding, and compressed blocks out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import zstandard

from synthstore.repository.codec import Number
from synthstore.repository.packs import (
    BLOB,
    BLOB_ROW,
    BLOCK_ROW,
    WIDTHS,
    Blob,
    Coding,
    Kind,
    PackIndex,
)
from synthstore.repository.recipes import Encoded, Piece

BLOCK_BYTES = 1 << 18
"""A block holds no more, or a single blob: the unit that is lost by one bad byte."""

_CODINGS = {Number.BYTES: Coding.TEXT, Number.DOUBLE: Coding.DOUBLES}
_LEVEL = 1
"""Of text full of ids and digests, higher levels make more, not less, in twice the time."""

_LEAST_HASH_LOG = 6


class Block(NamedTuple):
    """A block ready to stand in any pack."""

    coding: Coding
    plain: int
    """Size of its blobs together."""
    stored: bytes
    digest: bytes
    """sha256 of the stored bytes."""
    rows: bytes
    """A row of BLOB_ROW for each blob, as of block 0."""

    def names(self) -> Sequence[bytes]:
        """The ids of its blobs."""
        return self._index().ids()

    def blobs(self) -> Iterator[tuple[Blob, bytes]]:
        """Its blobs, and the bytes of each."""
        index = self._index()
        plain = index.open_block(0, self.stored)
        for blob in map(index.blob, range(len(index.blobs))):
            yield blob, plain[blob.at : blob.at + blob.size]

    def _index(self) -> PackIndex:
        row = (0, len(self.stored), self.plain, int(self.coding), self.digest)
        blobs = np.frombuffer(self.rows, BLOB_ROW)
        return PackIndex("on its way", np.array([row], BLOCK_ROW), blobs)


@dataclass(slots=True)
class _Open:
    """A block that is being filled."""

    rows: list[bytes] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, name: bytes, body: bytes, kind: Kind, whole: int) -> None:
        self.rows.append(BLOB.pack(name, 0, self.size, len(body), kind, whole))
        self.data.append(body)
        self.size += len(body)


class BlockBuilder:
    """Takes blobs, and gives each block to ``take`` once it is full."""

    def __init__(self, take: Callable[[Block], None]) -> None:
        self._take = take
        self._open = {coding: _Open() for coding in Coding}
        self._zstd = {coding: _compressor(width) for coding, width in WIDTHS.items()}

    @property
    def size(self) -> int:
        """Bytes that wait in open blocks."""
        return sum(block.size for block in self._open.values())

    @property
    def empty(self) -> bool:
        """Whether no blob waits."""
        return not any(block.rows for block in self._open.values())

    def add_piece(self, piece: Piece, *, of_list: bool = False) -> None:
        """Add a piece under its id."""
        coding = Coding.LISTS if of_list else _CODINGS.get(piece.number, Coding.SINGLES)
        self.add(coding, piece.id, piece.data, Kind.PLAIN, len(piece.data))

    def add_file(self, encoded: Encoded) -> None:
        """Add a file's recipe, or the file itself; its pieces go separately."""
        kind = Kind.RECIPE if encoded.is_recipe else Kind.PLAIN
        coding = Coding.LISTS if encoded.is_list else Coding.TEXT
        self.add(coding, encoded.id, encoded.body, kind, encoded.size)

    def add(self, coding: Coding, name: bytes, body: bytes, kind: Kind, whole: int) -> None:
        """Add a blob; ``whole`` is the size of what it stands for."""
        block = self._open[coding]
        if block.size + len(body) > BLOCK_BYTES:
            block = self._close(coding)
        block.add(name, body, kind, whole)

    def _close(self, coding: Coding) -> _Open:
        """Give an open block away, if it holds anything; the one that is open then."""
        block = self._open[coding]
        if not block.rows:
            return block
        stored = self._zstd[coding].compress(_planes(b"".join(block.data), WIDTHS[coding]))
        digest = hashlib.sha256(stored).digest()
        self._take(Block(coding, block.size, stored, digest, b"".join(block.rows)))
        self._open[coding] = fresh = _Open()
        return fresh

    def finish(self) -> None:
        """Give away the open blocks, too."""
        for coding in Coding:
            self._close(coding)


def _compressor(width: int) -> zstandard.ZstdCompressor:
    if width == 1:
        return zstandard.ZstdCompressor(level=_LEVEL)
    # Zstd codes at most a window at a time, each with a table of its own: one plane of a block, of
    # which some are noise and others are not. Bytes of numbers hardly ever repeat, so looking for
    # where they do costs time, and spoils the coding.
    parameters = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL,
        strategy=zstandard.STRATEGY_FAST,
        window_log=(BLOCK_BYTES // width).bit_length() - 1,
        hash_log=_LEAST_HASH_LOG,
    )
    return zstandard.ZstdCompressor(compression_params=parameters)


def _planes(data: bytes, width: int) -> bytes:
    if width == 1:
        return data
    return np.frombuffer(data, np.uint8).reshape(-1, width).T.tobytes()
