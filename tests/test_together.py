"""Few files at a time."""

from __future__ import annotations

from itertools import chain, pairwise

from hypothesis import given
from hypothesis import strategies as st

from synthstore.files.together import BYTES, together

SIZES = st.lists(st.integers(0, 2 * BYTES) | st.integers(0, BYTES // 8))


@given(SIZES)
def test_runs_are_as_long_as_they_may_be(sizes: list[int]) -> None:
    runs = list(together(sizes, size=int))
    assert [*chain.from_iterable(runs)] == sizes
    assert all(runs)
    assert all(len(run) == 1 or sum(run) <= BYTES for run in runs)
    assert all(sum(run) + after[0] > BYTES for run, after in pairwise(runs))


def test_only_one_more_is_asked_for() -> None:
    items = iter([BYTES // 2] * 5)
    assert len(next(together(items, size=int))) == 2
    assert len(list(items)) == 2
