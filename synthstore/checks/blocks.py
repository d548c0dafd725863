"""Vectors compared with embeddings by the block, so that no loop runs per vector."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from synthstore.model.embedding import FloatMatrix

Positions = npt.NDArray[np.intp]
Verdicts = npt.NDArray[np.bool_]

BLOCK = 512
"""Rows at a time: two blocks of 768 floats fit into a second-level cache."""

UNIT_TOLERANCE = 1e-5
"""How far a component may be from that of the normalised embedding, relative to the largest."""

LIKENESS = 0.9
"""The cosine that a vector which is stored lossily must reach."""


def equal(vectors: FloatMatrix, at: Positions, matrix: FloatMatrix, rows: Positions) -> Verdicts:
    """Whether ``vectors[at]`` and ``matrix[rows]`` are the same bits, row by row."""
    if vectors is matrix and np.array_equal(at, rows):
        return np.ones(len(at), dtype=np.bool_)
    same = np.empty(len(at), dtype=np.bool_)
    # In the vectors' own order, so that at least these need not be gathered.
    order = np.argsort(at)
    for block in _parts(len(at)):
        part = order[block]
        one, other = _rows(vectors, at[part]), _rows(matrix, rows[part])
        same[part] = (_bits(one) == _bits(other)).all(axis=1)
    return same


def _bits(rows: FloatMatrix) -> npt.NDArray[np.signedinteger]:
    """The same bits, as few and large integers as there can be."""
    return rows.view(np.int32 if rows.shape[1] % 2 else np.int64)


def _rows(matrix: FloatMatrix, rows: Positions) -> FloatMatrix:
    """The ``rows`` of a matrix; where they follow each other, as in most stores, no copy."""
    first, length = int(rows[0]), len(rows)
    if (rows == np.arange(first, first + length)).all():
        return matrix[first : first + length]
    return matrix[rows]


def unit_equal(
    vectors: FloatMatrix, at: Positions, matrix: FloatMatrix, rows: Positions
) -> Verdicts:
    """Whether ``vectors[at]`` are the rows of ``matrix`` scaled to length 1, up to rounding."""
    same = np.empty(len(at), dtype=np.bool_)
    for part in _parts(len(at)):
        unit = _unit(matrix[rows[part]])
        allowed = UNIT_TOLERANCE * np.abs(unit).max(axis=1, initial=0.0)
        same[part] = np.abs(vectors[at[part]] - unit).max(axis=1, initial=0.0) <= allowed
    return same


def alike(vectors: FloatMatrix, at: Positions, matrix: FloatMatrix, rows: Positions) -> Verdicts:
    """Whether the cosines of ``vectors[at]`` and ``matrix[rows]`` reach ``LIKENESS``."""
    like = np.empty(len(at), dtype=np.bool_)
    for part in _parts(len(at)):
        one, other = _unit(vectors[at[part]]), _unit(matrix[rows[part]])
        like[part] = np.einsum("ij,ij->i", one, other) >= LIKENESS
    return like


def not_finite(vectors: FloatMatrix) -> Positions:
    """Positions of the vectors that hold NaN or infinity."""
    with np.errstate(all="ignore"):
        # A product runs at the speed of memory; what overflows in it is looked at for itself.
        sums = vectors @ np.ones(vectors.shape[1], dtype=np.float32)
    suspects = np.flatnonzero(~np.isfinite(sums))
    return suspects[~np.isfinite(vectors[suspects]).all(axis=1)]


def _parts(count: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, count, BLOCK))


def _unit(matrix: FloatMatrix) -> FloatMatrix:
    wide = matrix.astype(np.float64)
    norms = np.linalg.norm(wide, axis=1, keepdims=True)
    unit: FloatMatrix = (wide / np.where(norms > 0, norms, 1.0)).astype(np.float32)
    return unit
