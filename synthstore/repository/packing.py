"""Packing where the repository is not at hand: objects in, blocks out."""

from __future__ import annotations

from synthstore.repository.blocks import Block, BlockBuilder
from synthstore.repository.recipes import Encoded, Piece


class Packer:
    """Packs objects for a Writer elsewhere, which may have some of them already."""

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._builder = BlockBuilder(self._blocks.append)
        self._fresh: set[bytes] = set()

    def add(self, encoded: Encoded) -> None:
        """Pack a file and its pieces, each once."""
        for piece in encoded.pieces:
            self.add_piece(piece)
        if self._is_new(encoded.id):
            self._builder.add_file(encoded)

    def add_piece(self, piece: Piece) -> None:
        """Pack one piece."""
        if self._is_new(piece.id):
            self._builder.add_piece(piece)

    def _is_new(self, name: bytes) -> bool:
        new = name not in self._fresh
        self._fresh.add(name)
        return new

    def finish(self) -> list[Block]:
        """All blocks."""
        self._builder.finish()
        return self._blocks
