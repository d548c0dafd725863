"""Entries that are kept as columns are the mapping that they were made of."""

from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from synthstore.model.entries import Entries, columns_of

entries = st.dictionaries(st.text(max_size=3), st.integers(-(2**63) + 1, 2**63 - 1), max_size=6)


@given(given_entries=entries, other=entries)
def test_entries_are_the_mapping(given_entries: dict[str, int], other: dict[str, int]) -> None:
    found = Entries(given_entries)
    assert len(found) == len(given_entries)
    assert list(found) == list(given_entries)
    names, numbers = columns_of(found)
    assert (list(names), numbers.tolist()) == (list(given_entries), list(given_entries.values()))
    assert found == given_entries
    assert given_entries == found
    assert found == Entries(given_entries)
    assert (found == other) is (given_entries == other)
    assert (found == Entries(other)) is (given_entries == other)
    assert list(found.items()) == list(given_entries.items())
    assert [found.get(name) for name in other] == [given_entries.get(name) for name in other]
    assert all((name in found) is (name in given_entries) for name in other)
    assert pickle.loads(pickle.dumps(found)) == given_entries  # noqa: S301 - our own


def test_names_are_the_very_texts_that_others_have() -> None:
    own, name = (str(b"ab", "ascii") for _ in range(2))
    found = Entries({"x": 1, name: 2})
    assert list(found)[1] is not own
    found.share([own])
    assert list(found.items()) == [("x", 1), ("ab", 2)]
    assert list(found)[1] is own
