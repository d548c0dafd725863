"""Adding to a repository: every object once, in packs."""

from __future__ import annotations

from synthstore.repository.blocks import Block
from synthstore.repository.index import read_tail
from synthstore.repository.pack_building import PackBuilder
from synthstore.repository.packs import PACK_BYTES
from synthstore.repository.place import PACKS
from synthstore.repository.recipes import Encoded, Piece
from synthstore.repository.vault import Repository


class Writer:
    """Adds objects to a repository, each once; ``close`` makes them durable."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._builders = {of_list: PackBuilder() for of_list in (False, True)}
        self._fresh: set[bytes] = set()
        self.bytes_added = 0
        """Of packs, as stored."""

    def add(self, encoded: Encoded) -> None:
        """Store a file and the pieces that are not there yet."""
        for piece in encoded.pieces:
            self.add_piece(piece, of_list=encoded.is_list)
        if self._wants(encoded.id):
            self._builders[encoded.is_list].add_file(encoded)
            self._fit(of_list=encoded.is_list)

    def add_piece(self, piece: Piece, *, of_list: bool = False) -> None:
        """Store one piece unless it is there."""
        if self._wants(piece.id):
            self._builders[of_list].add_piece(piece, of_list=of_list)
            self._fit(of_list=of_list)

    def add_block(self, block: Block) -> None:
        """Store what a Packer packed; of a block that is known in part, only what is not."""
        known = [not self._wants(name) for name in block.names()]
        builder = self._builders[False]
        if not any(known):
            builder.add_block(block)
        elif not all(known):
            for (blob, body), skip in zip(block.blobs(), known, strict=True):
                if not skip:
                    builder.add_blob(block.coding, blob, body)
        self._fit(of_list=False)

    def _wants(self, name: bytes) -> bool:
        if name in self._fresh or name in self._repository.index:
            return False
        self._fresh.add(name)
        return True

    def _fit(self, *, of_list: bool) -> None:
        if self._builders[of_list].size >= PACK_BYTES:
            self._write(of_list=of_list)

    def close(self) -> None:
        """Write what is waiting, lists last; the index knows it from then on."""
        for of_list in (False, True):
            if not self._builders[of_list].empty:
                self._write(of_list=of_list)
        self._fresh.clear()

    def _write(self, *, of_list: bool) -> None:
        name, content = self._builders[of_list].finish()
        self._builders[of_list] = PackBuilder()
        place, index = self._repository.place, self._repository.index
        place.write(f"{PACKS}/{name}", content)
        self.bytes_added += len(content)
        index.sizes[name] = len(content)
        index.add(read_tail(place, name, len(content)))
