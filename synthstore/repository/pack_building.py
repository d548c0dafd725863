"""Packs written: blobs in, the bytes of a pack out."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field

import numpy as np
import zstandard

from synthstore.repository.codec import Number
from synthstore.repository.packs import (
    BLOB_ROW,
    BLOCK_ROW,
    COUNTS,
    HEADER,
    MAGIC,
    NO_ENVELOPE,
    TRAILER,
    VERSION,
    WIDTHS,
    Blob,
    Coding,
    Kind,
)
from synthstore.repository.recipes import Encoded, Piece

BLOCK_BYTES = 1 << 18
"""A block is compressed once it holds as much: the unit that is lost by one bad byte."""

_LEVEL = 3
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
        self._stored: list[bytes] = [HEADER.pack(MAGIC, VERSION, NO_ENVELOPE, chance)]
        self._at = HEADER.size
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
        stored = self._zstd.compress(_planes(b"".join(block.data), WIDTHS[coding]))
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
            COUNTS.pack(len(self._blocks), len(self._blobs))
            + np.array(self._blocks, BLOCK_ROW).tobytes()
            + np.array(self._blobs, BLOB_ROW).tobytes()
        )
        digest = hashlib.sha256(index).digest()
        trailer = TRAILER.pack(len(index), VERSION, digest, MAGIC)
        content = b"".join((*self._stored, index, trailer))
        return hashlib.sha256(content).hexdigest(), content


def _planes(data: bytes, width: int) -> bytes:
    if width == 1:
        return data
    return np.frombuffer(data, np.uint8).reshape(-1, width).T.tobytes()
