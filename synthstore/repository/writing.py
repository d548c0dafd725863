"""Adding to a repository: every object once, in packs."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from itertools import compress
from operator import not_
from types import TracebackType
from typing import Self

import numpy as np

from synthstore.repository.blocks import Block
from synthstore.repository.index import read_tail
from synthstore.repository.pack_building import PackBuilder
from synthstore.repository.packs import PACK_BYTES, PackIndex
from synthstore.repository.place import PACKS, Place
from synthstore.repository.prefixes import ID_BYTES
from synthstore.repository.recipes import Encoded, Piece
from synthstore.repository.vault import Repository


class Writer:
    """Adds objects to a repository, each once; ``close`` makes them durable.

    A pack is written while the next one is filled. As a context it waits for that on the way out,
    so that nothing is written to a repository that is held no longer.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="synthstore-pack")
        self._writing: Future[tuple[PackIndex, int]] | None = None
        self._builders = {of_list: PackBuilder() for of_list in (False, True)}
        self._fresh: set[bytes] = set()
        """Those that no pack of the index has yet."""
        self.bytes_added = 0
        """Of packs, as stored."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._thread.shutdown()

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
        names = block.names()
        held = self._repository.index.hold(names)
        known = [one or name in self._fresh for name, one in zip(names, held, strict=True)]
        self._fresh.update(compress(names, map(not_, known)))
        builder = self._builders[False]
        if not any(known):
            builder.add_block(block)
        elif not all(known):
            for (blob, body), skip in zip(block.blobs(), known, strict=True):
                if not skip:
                    builder.add_blob(block.coding, blob, body)
        self._fit(of_list=False)

    def has(self, name: bytes) -> bool:
        """Whether an object is stored, or waits to be."""
        return name in self._fresh or name in self._repository.index

    def has_all(self, ids: bytes) -> bool:
        """Whether that is so of each of ``ids``, which follow each other."""
        missing = np.flatnonzero(~self._repository.index.holds(ids)) * ID_BYTES
        return all(ids[at : at + ID_BYTES] in self._fresh for at in missing.tolist())

    def _wants(self, name: bytes) -> bool:
        if self.has(name):
            return False
        self._fresh.add(name)
        return True

    def _fit(self, *, of_list: bool) -> None:
        if self._builders[of_list].size >= PACK_BYTES:
            self._write(of_list=of_list)

    def flush(self) -> None:
        """Begin to write what is waiting, but for lists."""
        if not self._builders[False].empty:
            self._write(of_list=False)

    def close(self) -> None:
        """Write what is waiting, lists last; the index knows it from then on."""
        self.flush()
        if not self._builders[True].empty:
            self._write(of_list=True)
        self._settle()

    def _write(self, *, of_list: bool) -> None:
        self._settle()
        full, self._builders[of_list] = self._builders[of_list], PackBuilder()
        self._writing = self._thread.submit(_write, self._repository.place, full)

    def _settle(self) -> None:
        """Wait for the pack that is being written, and enter it in the index."""
        if self._writing is None:
            return
        writing, self._writing = self._writing, None
        pack, size = writing.result()
        self.bytes_added += size
        self._repository.index.sizes[pack.name] = size
        self._repository.index.add(pack)
        self._fresh.difference_update(pack.ids())


def _write(place: Place, builder: PackBuilder) -> tuple[PackIndex, int]:
    """Make a pack durable; its index as it is read back, and its size."""
    name, content = builder.finish()
    place.write(f"{PACKS}/{name}", content)
    return read_tail(place, name, len(content)), len(content)
