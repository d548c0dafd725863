"""Vectors of an index that are rows of a matrix at hand, found while the index is read.

The vectors of most stores are the embeddings of their files in another order: places take an eighth
or less of the room that the vectors would.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from synthstore.model.chosen import ChosenRows, Order, Vectors
from synthstore.model.embedding import FloatMatrix, bits
from synthstore.store.flat_source import BLOCK, Source

_MOST_OTHERS: Final = 1 / 8
"""The share of vectors that are no rows of it beyond which all are better read as they are."""

_Sums = npt.NDArray[np.int64]
_Found = npt.NDArray[np.bool_]


def known_rows(source: Source, count: int, matrix: FloatMatrix) -> Vectors | None:
    """The next ``count`` vectors of ``source``, bit by bit; most are the rows of a ``matrix``.

    None if too few are: then only some of the bytes are taken.
    """
    look, order = _Lookup(matrix), np.empty(count, dtype=np.intp)
    others: list[FloatMatrix] = []
    end, beyond = 0, len(matrix)
    for vectors in _blocks(source, count, matrix.shape[1]):
        rows, found = look.rows(vectors)
        missing = len(vectors) - int(found.sum())
        if missing:
            others.append(vectors[~found])
            rows[~found] = np.arange(beyond, beyond + missing)
        order[end : end + len(vectors)] = rows
        end, beyond = end + len(vectors), beyond + missing
        if beyond - len(matrix) > _MOST_OTHERS * count:
            return None
    if beyond == len(matrix) == count and np.array_equal(order, np.arange(count)):
        return matrix
    return ChosenRows(matrix, np.concatenate([matrix[:0], *others]), order)


def _blocks(source: Source, count: int, dim: int) -> Iterator[FloatMatrix]:
    """The vectors in turn; each block takes the place of the one before."""
    rows = max(1, BLOCK // (4 * dim))
    room = np.empty((rows, dim), dtype="<f4")
    for start in range(0, count, rows):
        block = room[: min(rows, count - start)]
        source.fill(block)
        yield block


class _Lookup:
    """Finds the row of a matrix that is a vector: of those with its sum, the first that comes."""

    def __init__(self, matrix: FloatMatrix) -> None:
        self._matrix = matrix
        sums = _sums(matrix)
        self._order: Order = np.argsort(sums)
        self._ascending = sums[self._order]

    def rows(self, vectors: FloatMatrix) -> tuple[Order, _Found]:
        """A row for each of the ``vectors`` (n, dim), and whether it really is the same bits."""
        if not len(self._ascending):
            return np.zeros(len(vectors), dtype=np.intp), np.zeros(len(vectors), dtype=np.bool_)
        at = np.searchsorted(self._ascending, _sums(vectors))
        rows = self._order[np.minimum(at, len(self._ascending) - 1)]
        return rows, (bits(self._matrix[rows]) == bits(vectors)).all(axis=1)


def _sums(vectors: FloatMatrix) -> _Sums:
    """A number that is the same for the same bits, and seldom for others."""
    sums: _Sums = bits(vectors).sum(axis=1, dtype=np.int64)
    return sums
