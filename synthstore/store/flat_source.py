"""A Flat file as a stream of bytes, read in order and, if wanted, hashed on the way."""

from __future__ import annotations

import hashlib
import os
from typing import Final

import numpy as np

from synthstore.model.embedding import FloatMatrix, IdArray

BLOCK: Final = 1 << 19
"""Small enough that a block is still in the processor's cache when it is hashed."""


class FlatDamageError(Exception):
    """The bytes are no Flat index as FAISS writes them; the text says why."""


class Source:
    """Reads a file in order, straight into arrays, hashing what it reads if it is ``hashed``."""

    def __init__(self, fd: int, *, hashed: bool = True) -> None:
        self._fd = fd
        self.offset = 0
        self.sha256 = hashlib.sha256() if hashed else None

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        taken = bytearray(count)
        self._fill(memoryview(taken))
        return bytes(taken)

    def fill(self, array: FloatMatrix | IdArray) -> None:
        """Fill a contiguous ``array`` with the next bytes."""
        if array.size:
            self._fill(array.data.cast("B"))

    def gives(self, matrix: FloatMatrix) -> bool:
        """Whether the next bytes are those of a ``matrix``; if not, only some of them are taken."""
        whole = matrix.view(np.uint8).reshape(-1)
        room = np.empty(min(BLOCK, len(whole)), np.uint8)
        for at in range(0, len(whole), BLOCK):
            wanted = whole[at : at + BLOCK]
            found = room[: len(wanted)]
            self._fill(found.data)
            if not np.array_equal(found, wanted):
                return False
        return True

    def _fill(self, view: memoryview) -> None:
        at = 0
        while at < len(view):
            block = view[at : at + BLOCK]
            count = os.preadv(self._fd, [block], self.offset)
            if not count:
                raise FlatDamageError("it shrank while it was read")
            if self.sha256 is not None:
                self.sha256.update(block[:count])
            self.offset += count
            at += count
