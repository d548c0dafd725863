"""Embeddings as numbers: dimension, finiteness, norm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from synthstore.model.states import EmbeddingState

__all__ = [
    "NUMBERS",
    "Doubles",
    "EmbeddingState",
    "FloatMatrix",
    "FloatVector",
    "IdArray",
    "Judged",
    "Places",
    "bits",
    "judge",
    "unit",
]

FloatVector = npt.NDArray[np.float32]
FloatMatrix = npt.NDArray[np.float32]
IdArray = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]
"""Which of some things are meant, as integers."""


def bits(rows: FloatMatrix) -> npt.NDArray[np.signedinteger]:
    """The same bits of ``rows`` (n, dim), as few and large integers as there can be."""
    return rows.view(np.int32 if rows.shape[1] % 2 else np.int64)


class Judged(NamedTuple):
    """The verdict on one embedding; ``vector`` has shape (dim,) unless there is none."""

    state: EmbeddingState
    dim: int
    norm: float
    vector: FloatVector | None


NUMBERS = frozenset({float, int})

_SMALL, _LARGE = 1e-30, 1e30
"""Between these norms no part overflows float32, and not all of them vanish in it."""


def forgiving() -> np.errstate:
    """Numpy, without warnings of what is a verdict here: numbers that overflow, or are none."""
    return np.errstate(over="ignore", invalid="ignore")


def judge(value: object) -> Judged:
    """Judge a parsed ``embedding`` value: a list, or an array of float64 and shape (dim,).

    Values that overflow float32 count as not finite, since no index can hold them.
    """
    with forgiving():
        return judge_forgiven(value)


def judge_each(values: Sequence[object]) -> list[Judged]:
    """As ``judge_forgiven``, for a few values together; their vectors may share their memory."""
    arrays = [value for value in values if isinstance(value, np.ndarray)]
    if len({len(array) for array in arrays}) != 1:
        return [judge_forgiven(value) for value in values]
    of_arrays = iter(_judge_alike(np.concatenate(arrays).reshape(len(arrays), -1)))
    return [
        next(of_arrays) if isinstance(value, np.ndarray) else judge_forgiven(value)
        for value in values
    ]


def judge_forgiven(value: object) -> Judged:
    """As ``judge``, for who judges many within one ``forgiving``."""
    if isinstance(value, np.ndarray):
        return _judge_numbers(value)
    if not value or not isinstance(value, list):
        missing = value is None or value == []
        state = EmbeddingState.MISSING if missing else EmbeddingState.MISTYPED
        return Judged(state, 0, 0.0, None)
    # Strings are no numbers, though numpy would read them; true is one to it.
    if not NUMBERS.issuperset(map(type, value)):
        return Judged(EmbeddingState.MISTYPED, len(value), 0.0, None)
    try:
        numbers = np.array(value, dtype=np.float64)
    except OverflowError:
        return Judged(EmbeddingState.NOT_FINITE, len(value), 0.0, None)
    return _judge_numbers(numbers)


def _judge_numbers(numbers: Doubles) -> Judged:
    return next(_judge_alike(numbers.reshape(1, -1)))


def _judge_alike(rows: Doubles) -> Iterator[Judged]:
    """Judge embeddings of one dimension, of shape (n, dim); n > 0."""
    vectors = rows.astype(np.float32)
    # Summed in pairs, so that every machine comes to the same digits; BLAS would not.
    norms = np.sqrt(np.add.reduce(rows * rows, axis=1)).tolist()
    dim = rows.shape[1]
    for vector, norm in zip(vectors, norms, strict=True):
        yield Judged(_state(vector, norm), dim, norm, vector)


def _state(vector: FloatVector, norm: float) -> EmbeddingState:
    if _SMALL < norm < _LARGE:
        return EmbeddingState.VALID
    if not np.isfinite(vector).all():
        return EmbeddingState.NOT_FINITE
    return EmbeddingState.VALID if vector.any() else EmbeddingState.ZERO


def unit(vectors: FloatMatrix) -> FloatMatrix:
    """The vectors, of shape (dim,) or (n, dim), scaled to length 1; zero vectors as they are.

    Squares of float32 vanish or overflow long before the numbers do, so that the lengths are
    float64.
    """
    wide = vectors.astype(np.float64)
    norms = np.linalg.norm(wide, axis=-1, keepdims=True)
    return np.asarray(wide / np.where(norms > 0, norms, 1.0), dtype=np.float32)
