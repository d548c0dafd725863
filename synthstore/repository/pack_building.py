"""Packs written: blobs or whole blocks in, the bytes of a pack out."""

from __future__ import annotations

import hashlib
import secrets

import numpy as np
import zstandard

from synthstore.repository.blocks import Block, BlockBuilder
from synthstore.repository.packs import (
    BLOB_ROW,
    BLOCK_ROW,
    COUNTS,
    HEADER,
    MAGIC,
    NO_ENVELOPE,
    TRAILER,
    VERSION,
    Blob,
    Coding,
)
from synthstore.repository.recipes import Encoded, Piece

_LEVEL = 1


class PackBuilder:
    """Takes blobs and blocks, and gives the bytes of a pack."""

    def __init__(self) -> None:
        self._open = BlockBuilder(self.add_block)
        # With chance in it, a pack stored again never has the name of one that was damaged.
        chance = secrets.token_bytes(6)
        self._stored: list[bytes] = [HEADER.pack(MAGIC, VERSION, NO_ENVELOPE, chance)]
        self._at = HEADER.size
        self._blocks: list[tuple[int, int, int, int, bytes]] = []
        self._rows: list[bytes] = []

    @property
    def size(self) -> int:
        """Bytes so far, those of open blocks uncompressed."""
        return self._at + self._open.size

    @property
    def empty(self) -> bool:
        """Whether nothing was added."""
        return not self._blocks and self._open.empty

    def add_piece(self, piece: Piece, *, of_list: bool = False) -> None:
        """Add a piece under its id."""
        self._open.add_piece(piece, of_list=of_list)

    def add_file(self, encoded: Encoded) -> None:
        """Add a file's recipe, or the file itself; its pieces go separately."""
        self._open.add_file(encoded)

    def add_blob(self, coding: Coding, blob: Blob, body: bytes) -> None:
        """Add what another block held."""
        self._open.add(coding, blob.id, body, blob.kind, blob.whole)

    def add_block(self, block: Block) -> None:
        """Add a whole block as it is."""
        rows = np.frombuffer(block.rows, BLOB_ROW).copy()
        rows["block"] = len(self._blocks)
        size = len(block.stored)
        self._blocks.append((self._at, size, block.plain, int(block.coding), block.digest))
        self._rows.append(rows.tobytes())
        self._stored.append(block.stored)
        self._at += size

    def finish(self) -> tuple[str, bytes]:
        """The pack's name and its bytes; the builder is of no more use."""
        self._open.finish()
        blobs = b"".join(self._rows)
        index = zstandard.ZstdCompressor(_LEVEL).compress(
            COUNTS.pack(len(self._blocks), len(blobs) // BLOB_ROW.itemsize)
            + np.array(self._blocks, BLOCK_ROW).tobytes()
            + blobs
        )
        digest = hashlib.sha256(index).digest()
        trailer = TRAILER.pack(len(index), VERSION, digest, MAGIC)
        content = b"".join((*self._stored, index, trailer))
        # Nobody holds the data twice while they write it.
        self._stored.clear()
        return hashlib.sha256(content).hexdigest(), content
