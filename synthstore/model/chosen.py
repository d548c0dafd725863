"""Rows out of two matrices, as a matrix that nobody needs to make."""

from __future__ import annotations

from dataclasses import dataclass

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

    def __getitem__(self, part: slice) -> FloatMatrix:
        """These rows, as a matrix of its own or as a view."""
        order, count = self.order[part], len(self.first)
        late = order >= count
        if not late.any():
            return _rows(self.first, order)
        if late.all():
            return _rows(self.second, order - count)
        rows = np.empty((len(order), self.first.shape[1]), dtype=np.float32)
        rows[~late] = self.first[order[~late]]
        rows[late] = self.second[order[late] - count]
        return rows


Vectors = FloatMatrix | ChosenRows


def _rows(matrix: FloatMatrix, order: Order) -> FloatMatrix:
    """Those rows; where they follow each other, no copy."""
    first = int(order[0]) if len(order) else 0
    if (order == np.arange(first, first + len(order))).all():
        return matrix[first : first + len(order)]
    return matrix[order]
