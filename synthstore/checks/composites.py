"""Composite embeddings held against those of their members, many at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from synthstore.model.embedding import Doubles, FloatMatrix, FloatVector, unit

LEAST_COSINE = 0.999
"""Between a composite embedding and the mean of its members."""

_SURELY = LEAST_COSINE + 1e-6
"""Beyond it, no other order of adding comes to less than the least."""

_AT_ONCE = 64
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
    for group in _groups(composites):
        alike = _alike(matrix, [composites[at] for at in group])
        for at, surely in zip(group, alike.tolist(), strict=True):
            if surely:
                continue
            cosine = _likeness(matrix[composites[at].row], matrix[composites[at].members])
            if cosine < LEAST_COSINE:
                yield Unlike(at, cosine)


def _groups(composites: Sequence[Composite]) -> Iterator[Sequence[int]]:
    """Which to look at together: always some with as many members."""
    by_size: dict[int, list[int]] = {}
    for at, composite in enumerate(composites):
        by_size.setdefault(len(composite.members), []).append(at)
    for group in by_size.values():
        for start in range(0, len(group), _AT_ONCE):
            yield group[start : start + _AT_ONCE]


def _alike(matrix: FloatMatrix, composites: Sequence[Composite]) -> npt.NDArray[np.bool_]:
    """Which of these, with as many members each, are without any doubt the mean of them."""
    members = np.array([composite.members for composite in composites], dtype=np.intp)
    sums = np.zeros((len(composites), matrix.shape[1]))
    for nth in members.T:
        sums += matrix[nth]
    own = matrix[[composite.row for composite in composites]].astype(np.float64)
    lengths = np.sqrt(_products(own, own) * _products(sums, sums))
    return np.asarray(_products(own, sums) > _SURELY * lengths)


def _products(one: Doubles, other: Doubles) -> Doubles:
    """The inner product of each two rows."""
    return np.asarray(np.einsum("ij,ij->i", one, other))


def _likeness(composite: FloatVector, members: FloatMatrix) -> float:
    cosine = _cosine(composite, members.mean(axis=0, dtype=np.float64))
    if cosine >= LEAST_COSINE:
        return cosine
    return max(cosine, _cosine(composite, unit(members).mean(axis=0, dtype=np.float64)))


def _cosine(one: npt.NDArray[np.floating], other: npt.NDArray[np.floating]) -> float:
    one, other = one.astype(np.float64), other.astype(np.float64)
    lengths = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return float(np.dot(one, other)) / lengths if lengths else 0.0
