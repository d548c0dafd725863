"""Tables of embeddings that are put together bit by bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synthstore.model.embedding import FloatMatrix, FloatVector
from synthstore.scan.inventory import EmbeddingTable

_FIRST_ROWS = 256


class GrowingTable:
    """A table that grows in place: copies of many vectors are what memory runs out on."""

    def __init__(self, dim: int) -> None:
        self._paths: list[str] = []
        self._matrix: FloatMatrix = np.zeros((_FIRST_ROWS, dim), dtype=np.float32)

    def add(self, path: str, vector: FloatVector) -> None:
        """Append one row."""
        self.extend((path,), vector[np.newaxis])

    def extend(self, paths: Sequence[str], rows: FloatMatrix) -> None:
        """Append ``rows`` (len(paths), dim)."""
        count = len(self._paths)
        self._make_room(count + len(paths))
        self._matrix[count : count + len(paths)] = rows
        self._paths += paths

    def _make_room(self, needed: int) -> None:
        have, dim = self._matrix.shape
        if needed > have:
            # No view of it is out yet, and so large an array is moved by the kernel, not copied:
            # it may grow in small steps, for what it has too much is memory all the same.
            step = max(have // 8, _FIRST_ROWS)
            self._matrix.resize((max(needed, have + step), dim), refcheck=False)

    def table(self) -> EmbeddingTable:
        """The table; nothing may be added after this."""
        return EmbeddingTable(tuple(self._paths), self._matrix[: len(self._paths)])
