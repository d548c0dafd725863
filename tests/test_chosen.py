"""Rows that are gathered when asked for are those of the matrix that nobody makes."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthstore.model.chosen import ChosenRows
from synthstore.store.flat_index import flat_content

FIRST = np.arange(15, dtype=np.float32).reshape(5, 3)
SECOND = -np.arange(1, 13, dtype=np.float32).reshape(4, 3)


@given(order=st.lists(st.integers(0, 8)), start=st.integers(0, 9), stop=st.integers(0, 9))
def test_any_part_is_that_of_both_matrices(order: list[int], start: int, stop: int) -> None:
    rows = ChosenRows(FIRST, SECOND, np.array(order, dtype=np.intp))
    whole = np.concatenate([FIRST, SECOND])[order]
    assert rows.shape == whole.shape
    assert np.array_equal(rows[:], whole)
    assert np.array_equal(rows[start:stop], whole[start:stop])


@given(order=st.lists(st.integers(0, 8)))
def test_an_index_of_them_is_that_of_the_matrix(order: list[int]) -> None:
    rows = ChosenRows(FIRST, SECOND, np.array(order, dtype=np.intp))
    ids, gathered, whole = np.arange(len(order)), BytesIO(), BytesIO()
    flat_content("IDMap2,Flat", "ip", ids, rows)(gathered)
    flat_content("IDMap2,Flat", "ip", ids, rows[:])(whole)
    assert gathered.getvalue() == whole.getvalue()
