"""Vectors compared with embeddings by the block, so that no loop runs per vector."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from synthstore.model.chosen import ChosenRows, Vectors, rows_of
from synthstore.model.embedding import FloatMatrix, bits, unit

Positions = npt.NDArray[np.intp]
Verdicts = npt.NDArray[np.bool_]

BLOCK = 512
"""Rows at a time: two blocks of 768 floats fit into a second-level cache."""

UNIT_TOLERANCE = 1e-5
"""How far a component may be from that of the normalised embedding, relative to the largest."""

LIKENESS = 0.9
"""The cosine that a vector which is stored lossily must reach."""


def equal(vectors: Vectors, at: Positions, matrix: FloatMatrix, rows: Positions) -> Verdicts:
    """Whether ``vectors[at]`` and ``matrix[rows]`` are the same bits, row by row."""
    same = _same_rows(vectors, at, matrix, rows)
    left = np.flatnonzero(~same)
    # In the vectors' own order, so that at least these need not be gathered.
    order = left[np.argsort(at[left])]
    for block in _parts(len(order)):
        part = order[block]
        one, other = _gathered(vectors, at[part]), rows_of(matrix, rows[part])
        same[part] = (bits(one) == bits(other)).all(axis=1)
    return same


def _same_rows(vectors: Vectors, at: Positions, matrix: FloatMatrix, rows: Positions) -> Verdicts:
    """Where ``vectors[at]`` are the very ``rows`` of the matrix, as far as places tell."""
    same: Verdicts = np.zeros(len(at), dtype=np.bool_)
    if isinstance(vectors, ChosenRows) and vectors.are_of(matrix):
        # What stands behind the first rows there and here are two things.
        same = (vectors.order[at] == rows) & (rows < len(vectors.first))
    elif vectors is matrix:
        same = at == rows
    return same


def _gathered(vectors: Vectors, at: Positions) -> FloatMatrix:
    return vectors[at] if isinstance(vectors, ChosenRows) else rows_of(vectors, at)


def unit_equal(vectors: Vectors, at: Positions, matrix: FloatMatrix, rows: Positions) -> Verdicts:
    """Whether ``vectors[at]`` are the rows of ``matrix`` scaled to length 1, up to rounding."""
    same = np.empty(len(at), dtype=np.bool_)
    for part in _parts(len(at)):
        scaled = unit(matrix[rows[part]])
        allowed = UNIT_TOLERANCE * np.abs(scaled).max(axis=1, initial=0.0)
        same[part] = np.abs(vectors[at[part]] - scaled).max(axis=1, initial=0.0) <= allowed
    return same


def alike(vectors: Vectors, at: Positions, matrix: FloatMatrix, rows: Positions) -> Verdicts:
    """Whether the cosines of ``vectors[at]`` and ``matrix[rows]`` reach ``LIKENESS``."""
    like = np.empty(len(at), dtype=np.bool_)
    for part in _parts(len(at)):
        one, other = unit(vectors[at[part]]), unit(matrix[rows[part]])
        like[part] = np.einsum("ij,ij->i", one, other) >= LIKENESS
    return like


def not_finite(vectors: Vectors) -> Positions:
    """Positions of the vectors that hold NaN or infinity."""
    sums = np.empty(len(vectors), dtype=np.float32)
    with np.errstate(all="ignore"):
        # A product runs at the speed of memory; what overflows in it is looked at for itself.
        for part in _parts(len(vectors)):
            sums[part] = vectors[part] @ np.ones(vectors.shape[1], dtype=np.float32)
    suspects = np.flatnonzero(~np.isfinite(sums))
    return suspects[~np.isfinite(vectors[suspects]).all(axis=1)]


def _parts(count: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, count, BLOCK))
