"""Composite embeddings held against those of their members, many at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from synthstore.model.embedding import FloatMatrix, FloatVector

LEAST_COSINE = 0.999
"""Between a composite embedding and the mean of its members."""

_SURELY = LEAST_COSINE + 1e-6
"""Beyond it, no other order of adding comes to less than the least."""

_AT_ONCE = 256
"""Assemblies whose members are gathered at a time."""


class Composite(NamedTuple):
    """An assembly's composite embedding and those of all its members, as rows of one matrix."""

    row: int
    members: Sequence[int]
    """At least one."""


class Unlike(NamedTuple):
    """A composite that is not the mean of its members."""

    at: int
    """Which of those that were given."""
    cosine: float


def unlike(matrix: FloatMatrix, composites: Sequence[Composite]) -> Iterator[Unlike]:
    """Those unlike both the mean of their members and that of the members' directions."""
    for start in range(0, len(composites), _AT_ONCE):
        doubtful = ~_alike(matrix, composites[start : start + _AT_ONCE])
        for at in (start + np.flatnonzero(doubtful)).tolist():
            cosine = _likeness(matrix[composites[at].row], matrix[composites[at].members])
            if cosine < LEAST_COSINE:
                yield Unlike(at, cosine)


def _alike(matrix: FloatMatrix, composites: Sequence[Composite]) -> npt.NDArray[np.bool_]:
    """Which composites are, without any doubt, the mean of their members."""
    lengths = [len(composite.members) for composite in composites]
    members = matrix[[row for composite in composites for row in composite.members]]
    sums = np.add.reduceat(members, np.cumsum([0, *lengths[:-1]]), axis=0, dtype=np.float64)
    own = matrix[[composite.row for composite in composites]].astype(np.float64)
    lengths_of_both = np.linalg.norm(own, axis=1) * np.linalg.norm(sums, axis=1)
    return np.asarray(np.einsum("ij,ij->i", own, sums) > _SURELY * lengths_of_both)


def _likeness(composite: FloatVector, members: FloatMatrix) -> float:
    cosine = _cosine(composite, members.mean(axis=0, dtype=np.float64))
    if cosine >= LEAST_COSINE:
        return cosine
    directions = members / np.linalg.norm(members, axis=1, keepdims=True)
    return max(cosine, _cosine(composite, directions.mean(axis=0, dtype=np.float64)))


def _cosine(one: npt.NDArray[np.floating], other: npt.NDArray[np.floating]) -> float:
    lengths = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return float(np.dot(one, other)) / lengths if lengths else 0.0
