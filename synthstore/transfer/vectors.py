"""The embeddings of the rows that an import takes, wherever they were put."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from synthstore.files.arena import MOST_DIMENSIONS, Arena, Run, Shelf, open_arena
from synthstore.model.embedding import FloatMatrix
from synthstore.scan.growing import GrowingTable


class Vectors:
    """Rows of one matrix in memory that workers write into, while that is ``shared``."""

    def __init__(self) -> None:
        self._arena: Arena | None = None
        self._given = 0
        """Rows of the arena that are somebody's."""
        self._end = 0
        """Behind the last row that was kept."""
        self._own: GrowingTable | None = None

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Have memory that others can reach, where the system has such."""
        with open_arena() as self._arena:
            yield
        self._arena = None

    def shelf(self, count: int) -> Shelf | None:
        """A place for so many."""
        return None if self._arena is None else Shelf(self._arena.address, self._take(count))

    def keep(self, dim: int, vector: bytes | int) -> int:
        """The row of an embedding, which is in the arena or was handed on; all of one ``dim``."""
        row = self._put(dim, vector) if isinstance(vector, bytes) else vector
        self._end = max(self._end, row + 1)
        return row

    def _put(self, dim: int, vector: bytes) -> int:
        numbers = np.frombuffer(vector, np.float32)
        if self._arena is not None and dim <= MOST_DIMENSIONS:
            row = self._take(1)
            self._arena.put(row, numbers)
            return row
        self._own = self._own or GrowingTable(dim)
        self._own.add("", numbers)
        return self._end

    def matrix(self, dim: int) -> FloatMatrix:
        """All rows, float32 of shape (rows, dim), those that were not kept among them.

        It can be had once.
        """
        if self._own is not None:
            own, self._own = self._own, None
            return own.table().matrix
        if self._arena is None:
            raise ValueError("no row was kept")
        return self._arena.matrix(dim, [Run(0, self._end)])

    def _take(self, count: int) -> int:
        first = self._given
        self._given += count
        return first
