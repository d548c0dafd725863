"""Rows out of two matrices, as a matrix that nobody needs to make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from synthstore.model.embedding import FloatMatrix

Order = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class ChosenRows:
    """Rows of ``first`` and ``second``, float32, in any order: they are gathered when asked for."""

    first: FloatMatrix
    second: FloatMatrix
    order: Order
    """Numbers of rows; those of ``second`` are counted on from the last of ``first``."""

    @property
    def shape(self) -> tuple[int, int]:
        """That of the matrix."""
        return len(self.order), int(self.first.shape[1])

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.order)

    def __getitem__(self, part: slice | int | Order) -> FloatMatrix:
        """These rows, or the one, as an array of its own or as a view."""
        if isinstance(part, int | np.integer):
            return np.asarray(self[np.array([part], dtype=np.intp)][0])
        order, count = self.order[part], len(self.first)
        late = order >= count
        if not late.any():
            return rows_of(self.first, order)
        if late.all():
            return rows_of(self.second, order - count)
        rows = np.empty((len(order), self.first.shape[1]), dtype=np.float32)
        rows[~late] = self.first[order[~late]]
        rows[late] = self.second[order[late] - count]
        return rows

    def are_of(self, matrix: FloatMatrix) -> bool:
        """Whether the rows of ``first`` stand in memory where those of a ``matrix`` do."""
        same = self.first.strides == matrix.strides and self.first.dtype == matrix.dtype
        return same and self.first.ctypes.data == matrix.ctypes.data


Vectors: TypeAlias = FloatMatrix | ChosenRows


def chosen(one: Vectors, other: Vectors, order: Order) -> ChosenRows:
    """Rows of ``one``, and behind them those of ``other``, in any order.

    Nothing is chosen twice: whatever the two are, the rows are gathered in one go.
    """
    both = _both(_as_chosen(one), _as_chosen(other))
    return ChosenRows(both.first, both.second, both.order[order])


def _as_chosen(vectors: Vectors) -> ChosenRows:
    if isinstance(vectors, ChosenRows):
        return vectors
    return ChosenRows(vectors, vectors[:0], np.arange(len(vectors), dtype=np.intp))


def _both(one: ChosenRows, other: ChosenRows) -> ChosenRows:
    """All rows of the one, then all of the other."""
    if not (len(one) and len(other)):
        return one if len(one) else other
    if not one.are_of(other.first):
        other = _as_chosen(other[:])
        other = ChosenRows(one.first[:0], other.first, other.order)
    first = max(one.first, other.first, key=len)
    early, late = len(first), len(first) + len(one.second)
    orders = (_renumbered(one, early), _renumbered(other, late))
    return ChosenRows(first, np.concatenate([one.second, other.second]), np.concatenate(orders))


def _renumbered(rows: ChosenRows, start: int) -> Order:
    """Their order, once the second matrix begins at ``start``."""
    count = len(rows.first)
    return np.where(rows.order < count, rows.order, rows.order - count + start)


def detached(vectors: Vectors, matrix: FloatMatrix, rows: Sequence[int]) -> Vectors:
    """The same vectors, though these ``rows`` of a ``matrix`` are about to change."""
    found = _as_chosen(vectors)
    if not found.are_of(matrix):
        return vectors
    at = np.flatnonzero(np.isin(found.order, rows) & (found.order < len(found.first)))
    order = found.order.copy()
    order[at] = np.arange(len(at)) + len(found.first) + len(found.second)
    second = np.concatenate([found.second, found.first[found.order[at]]])
    return ChosenRows(found.first, second, order)


def rows_of(matrix: FloatMatrix, order: Order) -> FloatMatrix:
    """Those rows; where they follow each other, as in most stores, no copy."""
    first = int(order[0]) if len(order) else 0
    if (order == np.arange(first, first + len(order))).all():
        return matrix[first : first + len(order)]
    return matrix[order]
