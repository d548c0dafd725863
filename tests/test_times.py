"""Times: what counts as one, and when two spellings are the same instant."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthstore.model.times import instant_us, iso_text, same_time, seconds

NOON = 1_742_049_121_123_456
MICROSECONDS = st.integers(0, 7_258_118_400_000_000)


@pytest.mark.parametrize(
    ("value", "us"),
    [
        ("2025-03-15T14:32:01.123456", NOON),
        ("2025-03-15T14:32:01.123456Z", NOON),
        ("2025-03-15T14:32:01.123456+00:00", NOON),
        ("2025-03-15T15:32:01.123456+01:00", NOON),
        (1742049121.123456, NOON),
        (1742049121, NOON - 123_456),
        (0, 0),
        ("2025-03-15", 1_741_996_800_000_000),
    ],
)
def test_spellings_of_an_instant(value: object, us: int) -> None:
    assert instant_us(value) == us


@pytest.mark.parametrize(
    "value",
    [
        *("yesterday", "", "2025-02-30T00:00:00", "1742049121.5", "\ud800"),
        *(None, True, False, [], {}, math.nan, math.inf, -math.inf),
        *(1742049121123, 10**400, -(10**400), 253_402_300_800),
    ],
)
def test_no_time(value: object) -> None:
    assert instant_us(value) is None


def test_the_ends_of_the_calendar_do_not_raise() -> None:
    assert instant_us("0001-01-01T00:00:00+14:00") is not None
    assert instant_us("9999-12-31T23:59:59-14:00") is not None
    last = instant_us(253_402_300_799)
    assert last is not None
    assert iso_text(last) == "9999-12-31T23:59:59.000000+00:00"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2025-03-15T14:32:01.123456", "2025-03-15T14:32:01.123456Z", True),
        ("2025-03-15T14:32:01.123456", 1742049121.123456, True),
        ("2025-03-15T14:32:01.123456", "2025-03-15T14:32:01.123457", False),
        ("2025-03-15T14:32:01.123456", 1742049121.1, False),
        ("yesterday", "yesterday", True),
        ("yesterday", "Yesterday", False),
        ("yesterday", 1742049121, False),
        (None, 1742049121, False),
        (0, "0", False),
    ],
)
def test_same_time(one: str | float | None, other: str | float | None, same: bool) -> None:
    assert same_time(one, other) is same
    assert same_time(other, one) is same


@given(MICROSECONDS)
def test_floats_and_text_name_the_same_instants(us: int) -> None:
    assert instant_us(iso_text(us)) == us
    assert same_time(seconds(us), iso_text(us))
