"""Embeddings as numbers: dimension, finiteness, norm."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatVector = npt.NDArray[np.float32]
FloatMatrix = npt.NDArray[np.float32]
IdArray = npt.NDArray[np.int64]


class EmbeddingState(IntEnum):
    """What one record's embedding is worth."""

    VALID = 0
    """Finite in float32, not all zero; its dimension may still be the wrong one for the store."""
    MISSING = 1
    NOT_FINITE = 2
    ZERO = 3
    MISTYPED = 4
    """Not a list of numbers (strings, booleans, nested lists, nulls)."""
    UNKNOWN = 5
    """The file was not parsed."""


class Judged(NamedTuple):
    """The verdict on one embedding; ``vector`` has shape (dim,) unless there is none."""

    state: EmbeddingState
    dim: int
    norm: float
    vector: FloatVector | None


NUMBERS = frozenset({float, int})


def judge(value: object) -> Judged:
    """Judge a parsed ``embedding`` value.

    Values that overflow float32 count as not finite, since no index can hold them.
    """
    if value is None or value == []:
        return Judged(EmbeddingState.MISSING, 0, 0.0, None)
    # numpy would take true for 1.0 and "1" for a number; the set of types is a cheap guard.
    if not isinstance(value, list) or not NUMBERS.issuperset(map(type, value)):
        length = len(value) if isinstance(value, list) else 0
        return Judged(EmbeddingState.MISTYPED, length, 0.0, None)
    try:
        with np.errstate(over="ignore"):
            vector = np.array(value, dtype=np.float64).astype(np.float32)
            norm = float(np.sqrt(np.dot(vector, vector)))
    except OverflowError:
        return Judged(EmbeddingState.NOT_FINITE, len(value), 0.0, None)
    return Judged(_state(vector, norm), len(value), norm, vector)


def _state(vector: FloatVector, norm: float) -> EmbeddingState:
    # A finite norm proves every part finite, and one above zero that some part is not zero.
    if not np.isfinite(norm) and not np.isfinite(vector).all():
        return EmbeddingState.NOT_FINITE
    if norm == 0.0 and not vector.any():
        return EmbeddingState.ZERO
    return EmbeddingState.VALID
