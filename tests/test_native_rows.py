"""Rows read by columns are those read one by one, whatever stands in them."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from synthstore.layout.native_rows import _row, _usual_rows, read_rows

HASH = "sha256:" + "0f" * 32
ODD_HASHES = (
    HASH.upper(),
    HASH[7:],
    HASH + "0",
    HASH[:-1],
    HASH[:-2] + "  ",
    HASH[:-1] + "g",
    "sha256:",
    None,
    7,
)
USUAL: dict[str, st.SearchStrategy[Any]] = {
    "filepath": st.text(max_size=5),
    "created_at": st.one_of(st.none(), st.text(max_size=5)),
    "updated_at": st.text(max_size=5),
    "quickrecal_score": st.one_of(st.none(), st.floats(allow_nan=False), st.integers()),
    "member_count": st.one_of(st.none(), st.integers(-1, 5)),
    "content_hash": st.just(HASH),
}
ODD = st.one_of(
    st.none(), st.booleans(), st.text(max_size=3), st.lists(st.none(), max_size=1), st.just(10**400)
)
usual = st.fixed_dictionaries(USUAL, optional={"deleted_at": st.none(), "more": st.integers()})


@st.composite
def odd_rows(draw: st.DrawFn) -> object:
    """A row with one value out of the ordinary, or no row at all."""
    row = draw(usual)
    key = draw(st.sampled_from([*USUAL, "deleted_at", "none"]))
    if key == "none":
        return draw(ODD)
    row[key] = draw(st.sampled_from(ODD_HASHES) if key == "content_hash" else ODD)
    return row


def section(row: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A section of the catalog."""
    return st.dictionaries(st.text(max_size=4), row, max_size=4)


@given(section=section(usual))
def test_usual_rows_are_read_by_columns(section: dict[str, Any]) -> None:
    counted = all(
        row["member_count"] is None or row["member_count"] >= 0 for row in section.values()
    )
    small = all(abs(row["quickrecal_score"] or 0) < 1e308 for row in section.values())
    one_by_one = [_row("memory", *item) for item in section.items()]
    assert _usual_rows("memory", section) == (one_by_one if counted and small else None)


@given(section=section(st.one_of(usual, odd_rows())))
def test_rows_are_the_same_either_way(section: dict[str, Any]) -> None:
    for kind in ("memory", "assembly"):
        one_by_one = [_row(kind, *item) for item in section.items()]
        assert read_rows(kind, section) == one_by_one
