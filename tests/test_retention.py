"""Which snapshots stay, held against borg's own procedure written down a second time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthstore.backup.retention import NEWEST_GOOD, YET_TO_COME, Keep, kept
from synthstore.repository.manifest import Snapshot
from tests.vaults import snapshot_at

START = datetime(2024, 1, 1, 3, 0, tzinfo=UTC)
LATER = START + timedelta(days=365)
PATTERNS = {
    "last": "%Y-%m-%d %H:%M:%S.%f",
    "hourly": "%Y-%m-%d %H",
    "daily": "%Y-%m-%d",
    "weekly": "%G-%V",
    "monthly": "%Y-%m",
    "yearly": "%Y",
}


def borg(snapshots: Sequence[Snapshot], **rules: int) -> set[str]:
    """As borg 1.2 decides: newest first, one a period, the oldest where a rule is not filled."""
    because: set[str] = set()
    for rule, pattern in PATTERNS.items():
        wanted = rules.get(rule, 0)
        if not wanted:
            continue
        last, keep, archive = None, [], None
        for archive in sorted(snapshots, key=lambda one: one.time, reverse=True):
            period = archive.time.astimezone().strftime(pattern)
            if period != last:
                last = period
                if archive.file not in because:
                    keep.append(archive.file)
                    because.add(archive.file)
                    if len(keep) == wanted:
                        break
        if archive is not None and len(keep) < wanted:
            because.add(archive.file)
    return because


def daily(days: int, bad_from: int | None = None) -> list[Snapshot]:
    return [
        snapshot_at(START + timedelta(days=n), damaged=bad_from is not None and n >= bad_from)
        for n in range(days)
    ]


def test_400_days_as_cron_sees_them() -> None:
    keep = Keep(daily=7, weekly=5, monthly=12)
    standing: list[Snapshot] = []
    shadow: list[Snapshot] = []
    for one in daily(400):
        standing.append(one)
        shadow.append(one)
        files = kept(standing, keep, one.time)
        standing = [s for s in standing if s.file in files]
        expected = borg(shadow, daily=7, weekly=5, monthly=12)
        shadow = [s for s in shadow if s.file in expected]
        assert [s.file for s in standing] == [s.file for s in shadow]
    assert 20 <= len(standing) <= 25


def test_with_damage_from_day_200_on_the_newest_good_one_stays() -> None:
    keep = Keep(daily=7, weekly=5, monthly=2)
    good = START + timedelta(days=199)
    standing: list[Snapshot] = []
    for one in daily(400, bad_from=200):
        standing.append(one)
        files = kept(standing, keep, one.time)
        standing = [s for s in standing if s.file in files]
        newest = max(s.time for s in standing if not s.damaged)
        assert newest == min(one.time, good)
    assert kept(standing, keep, one.time)[_at(standing, good).file] == NEWEST_GOOD


def test_within_a_period_a_good_one_is_preferred() -> None:
    morning = snapshot_at(START)
    evening = snapshot_at(START + timedelta(hours=12), damaged=True)
    assert kept([morning, evening], Keep(daily=1), LATER) == {morning.file: "daily #1"}
    both = kept([morning, evening], Keep(last=1), LATER)
    assert both == {evening.file: "last #1", morning.file: NEWEST_GOOD}


@pytest.mark.parametrize("tag", ["damaged", "partial"])
def test_what_is_not_good_never_pushes_out_the_last_good_one(tag: str) -> None:
    good = snapshot_at(START, "by hand")
    others = [snapshot_at(START + timedelta(hours=n), tag) for n in range(1, 60)]
    found = kept([good, *others], Keep(last=3), others[-1].time)
    assert found[good.file] == NEWEST_GOOD
    same_day = kept([good, *others[:5]], Keep(daily=1), others[4].time)
    assert same_day == {good.file: "daily #1"}


def test_within_counts_for_no_rule() -> None:
    snapshots = daily(30)
    now = snapshots[-1].time
    found = kept(snapshots, Keep(within=3 * 86400.0, daily=2), now)
    assert [reason for reason in found.values() if reason == "within"] == ["within"] * 4
    assert sorted(reason for reason in found.values() if reason != "within") == [
        "daily #1",
        "daily #2",
    ]


@pytest.mark.parametrize("keep", [Keep(last=1), Keep(daily=1), Keep(within=60.0)])
def test_one_of_a_clock_that_was_ahead_never_pushes_out_what_was_taken_since(keep: Keep) -> None:
    ahead = snapshot_at(START + timedelta(days=900))
    before, since = snapshot_at(START), snapshot_at(START + timedelta(hours=1))
    found = kept([before, ahead, since], keep, since.time)
    assert found.keys() == {ahead.file, since.file}
    assert found[ahead.file] == YET_TO_COME


def test_a_rule_that_is_not_filled_keeps_the_oldest() -> None:
    snapshots = daily(10)
    found = kept(snapshots, Keep(monthly=3), snapshots[-1].time)
    assert found == {snapshots[-1].file: "monthly #1", snapshots[0].file: "monthly[oldest] #2"}


@pytest.mark.parametrize(("zone", "days"), [("UTC", 1), ("Pacific/Auckland", 2)])
def test_a_day_is_a_local_one(
    zone: str, days: int, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    request.addfinalizer(time.tzset)
    with monkeypatch.context() as patch:
        patch.setenv("TZ", zone)
        time.tzset()
        noon = datetime(2024, 1, 1, 12, 0, tzinfo=UTC)
        snapshots = [snapshot_at(noon + timedelta(hours=n)) for n in (-2, 2)]
        assert len(kept(snapshots, Keep(daily=-1), LATER)) == days


def test_no_rule_is_no_rule() -> None:
    assert not Keep().any
    assert not Keep(last=0, daily=0).any
    assert Keep(last=-1).any


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 3000), unique=True, max_size=60),
    st.fixed_dictionaries({}, optional={rule: st.integers(-1, 6) for rule in PATTERNS}),
)
def test_any_history_is_kept_as_borg_keeps_it(hours: list[int], rules: dict[str, int]) -> None:
    snapshots = [snapshot_at(START + timedelta(hours=hour)) for hour in hours]
    found = kept(snapshots, Keep(**rules), LATER)
    expected = borg(snapshots, **rules)
    if snapshots:
        expected.add(max(snapshots, key=lambda one: one.time).file)
    assert found.keys() == expected


@pytest.mark.parametrize("rule", PATTERNS)
def test_zero_keeps_none_by_that_rule(rule: str) -> None:
    assert set(kept(daily(5), Keep(**{rule: 0}), LATER).values()) == {NEWEST_GOOD}


def _at(snapshots: Sequence[Snapshot], time: datetime) -> Snapshot:
    return next(one for one in snapshots if one.time == time)
