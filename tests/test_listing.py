"""The rows of a store that is begun come back as they came, though they are kept as columns."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthstore.model.ids import EntityRef
from synthstore.model.texts import Texts
from synthstore.transfer import listing
from synthstore.transfer.listing import Listing

REFS = st.builds(EntityRef, st.sampled_from(["memory", "assembly"]), st.text(max_size=3))
VALUES = st.one_of(
    st.sampled_from(["2025-03-15T14:32:01.123456", "2025-03-15T14:32:02.654321", "", "\ud800é"]),
    st.floats(),
    st.sampled_from([-0.0, 1.0, 1, 2**70, True, None]),
)
ROWS = st.dictionaries(REFS, st.dictionaries(st.sampled_from("abc"), VALUES), max_size=12)


def listed(rows: Mapping[EntityRef, Mapping[str, Any]]) -> Listing:
    found = Listing()
    for ref, row in rows.items():
        found.add(ref, row)
    return found


@given(rows=ROWS, at_once=st.integers(1, 5))
def test_rows_come_back_in_the_order_of_their_entities(
    rows: dict[EntityRef, dict[str, Any]], at_once: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "_AT_ONCE", at_once)
        found = listed(rows)
        refs = list(rows)
        found.sort()
        assert [refs[place] for place in found.places] == sorted(refs)
        # As texts, for a row knows -0.0 from 0.0, 1 from 1.0 and True, and what is no number.
        told = {ref: repr(rows[ref]) for ref in sorted(refs)}
        assert {ref: repr(row) for ref, row in found.items()} == told
        assert list(found) == [ref for ref, _ in found.items()] == list(told)
        assert len(found) == len(told)
        assert all(repr(found[ref]) == row for ref, row in told.items())
        section = {ref.id: row for ref, row in told.items() if ref.kind == "memory"}
        assert [(i, repr(row)) for i, row in found.section("memory").items()] == [*section.items()]
        assert list(found.section("memory")) == list(section)
        assert all(repr(found.section("memory")[i]) == row for i, row in section.items())
        assert len(found.section("memory")) == len(section)


def test_usual_values_are_no_objects() -> None:
    rows = {EntityRef("memory", f"{n:03}"): {"time": f"{n:09}", "score": n / 7} for n in range(600)}
    found = listed(rows)
    found.sort()
    (alike,) = found._rows._alike.values()
    assert dict(found.items()) == rows
    assert [type(column) for column in alike._columns] == [Texts, array]


def test_an_order_in_which_entities_came_is_kept_until_they_are_sorted() -> None:
    refs = [EntityRef("memory", one) for one in ("b", "a")]
    found = listed({ref: {"id": ref.id} for ref in refs})
    assert list(found) == refs
    assert found.ref(0) == refs[0]
