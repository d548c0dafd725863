"""Tables of embeddings that are put together bit by bit."""

from __future__ import annotations

from collections.abc import Container, Sequence

import numpy as np

from synthstore.model.embedding import FloatMatrix, FloatVector
from synthstore.scan.inventory import EmbeddingTable

_FIRST_ROWS = 256

_BLOCK = 512
"""Rows that are moved at a time."""


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


def joined(tables: Sequence[EmbeddingTable]) -> EmbeddingTable:
    """All rows of one or more ``tables``, in the room of the first if it has as much.

    That one may be used on; but its room is given away.
    """
    first, *rest = tables
    if not rest:
        return first
    paths = tuple(path for table in tables for path in table.paths)
    room, end = first.room, len(first.paths)
    if room is None or len(room) < len(paths):
        return EmbeddingTable(paths, np.concatenate([table.matrix for table in tables]))
    for table in rest:
        room[end : end + len(table.paths)] = table.matrix
        end += len(table.paths)
    return EmbeddingTable(paths, room[:end], room)


def closed_up(table: EmbeddingTable, kept: Container[str]) -> EmbeddingTable:
    """The rows of the paths ``kept``, moved to where others were: ``table`` is used up by it."""
    if all(map(kept.__contains__, table.paths)):
        return table
    rows = np.array([r for r, path in enumerate(table.paths) if path in kept], dtype=np.intp)
    matrix = table.matrix
    start = int((rows == np.arange(len(rows))).sum())
    for at in range(start, len(rows), _BLOCK):
        block = rows[at : at + _BLOCK]
        matrix[at : at + len(block)] = matrix[block]
    paths = tuple(table.paths[row] for row in rows.tolist())
    return EmbeddingTable(paths, matrix[: len(rows)], table.room)
