"""Which snapshots of one name are kept: borg's rules, and never without a good one. Pure.

As borg has it: the rules go from ``last`` to ``yearly``. Each walks from the newest snapshot to the
oldest and keeps one of each period, in local time, until it kept as many as it may. What an earlier
rule kept does not count, though it stands for its period. A rule that keeps fewer than it may keeps
the oldest besides. ``within`` keeps all that are young enough, and these count for no rule.

Nor do those of a time that is yet to come, which stay: the clock was wrong then, or is now, and
what was taken since would be let go as older than they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

from synthstore.repository.manifest import Snapshot

PERIODS: dict[str, str] = {
    "last": "%Y%m%d%H%M%S%f",
    "hourly": "%Y%m%d%H",
    "daily": "%Y%m%d",
    "weekly": "%G%V",
    "monthly": "%Y%m",
    "yearly": "%Y",
}
"""Rules in their order, each with what two times of one period have in common."""

UNLIMITED = -1
"""As a count: no limit."""

NEWEST_GOOD = "newest undamaged"

YET_TO_COME = "of a time yet to come"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """How many periods of each kind keep a snapshot; None or 0: no such rule."""

    last: int | None = None
    hourly: int | None = None
    daily: int | None = None
    weekly: int | None = None
    monthly: int | None = None
    yearly: int | None = None
    within: float | None = None
    """Seconds."""

    @property
    def any(self) -> bool:
        """Whether there is a rule at all."""
        return self.within is not None or any(getattr(self, rule) for rule in PERIODS)


def kept(snapshots: Sequence[Snapshot], keep: Keep, now: datetime) -> dict[str, str]:
    """The files of the snapshots of one name to keep, each with the rule that keeps it.

    Of a period a good snapshot, whole and undamaged, stays rather than another; the newest good one
    stays in any case.
    """
    reasons = {one.file: YET_TO_COME for one in snapshots if one.time > now}
    newest_first = sorted(
        (one for one in snapshots if one.time <= now),
        key=lambda one: (one.time, one.file),
        reverse=True,
    )
    if keep.within is not None:
        since = now - timedelta(seconds=keep.within)
        reasons |= {one.file: "within" for one in newest_first if one.time >= since}
    for rule, pattern in PERIODS.items():
        count = getattr(keep, rule)
        if count:
            _apply(rule, pattern, count, newest_first, reasons)
    good = next((one.file for one in newest_first if one.good), None)
    if good is not None:
        reasons.setdefault(good, NEWEST_GOOD)
    return reasons


def _apply(
    rule: str, pattern: str, count: int, newest_first: Sequence[Snapshot], reasons: dict[str, str]
) -> None:
    number = 0
    periods = groupby(newest_first, key=lambda one: one.time.astimezone().strftime(pattern))
    for _, group in periods:
        members = list(group)
        chosen = next((one for one in members if one.good), members[0])
        if chosen.file in reasons:
            continue
        number += 1
        reasons[chosen.file] = f"{rule} #{number}"
        if number == count:
            return
    if count != UNLIMITED and newest_first and newest_first[-1].file not in reasons:
        reasons[newest_first[-1].file] = f"{rule}[oldest] #{number + 1}"
