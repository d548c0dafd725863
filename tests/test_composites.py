"""Composites looked at together are found unlike as each alone would be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthstore.checks import composites
from synthstore.checks.composites import LEAST_COSINE, Composite, _likeness, unlike

DIM = 6


@given(seed=st.integers(0, 2**32 - 1), noise=st.sampled_from([0.0, 1e-3, 0.02, 0.0447, 0.05, 1.0]))
def test_unlike_as_one_by_one(seed: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((40, DIM)).astype(np.float32)
    found = []
    for row in range(30, 40):
        members = rng.integers(0, 30, rng.integers(1, 5)).tolist()
        mean = matrix[members].mean(axis=0)
        matrix[row] = mean + noise * np.linalg.norm(mean) * rng.standard_normal(DIM)
        found.append(Composite(row, members))
    alone = [_likeness(matrix[one.row], matrix[one.members]) for one in found]
    wanted = [(at, cosine) for at, cosine in enumerate(alone) if cosine < LEAST_COSINE]
    assert sorted(unlike(matrix, found)) == wanted


def test_more_than_are_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composites, "_AT_ONCE", 2)
    matrix = np.eye(4, dtype=np.float32)
    found = [Composite(0, [0]), Composite(1, [1]), Composite(2, [3]), Composite(3, [3])]
    found.append(Composite(0, [1, 1]))
    assert sorted(one.at for one in unlike(matrix, found)) == [2, 4]
