"""The product's commands on a store as scenarios."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from synthstore.checks.finding import Severity
from synthstore.repair.operation import RepairOptions, repair
from synthstore.repair.rebuild import RebuildOptions, rebuild_index
from synthstore.repair.undoing import prune, runs, undo
from synthstore.store import retention
from synthstore.store.runs import to_prune
from synthstore.testing.spelling import Name
from synthstore.verify import LookOptions, verify
from tests import oracle
from tests.faults import accidents
from tests.faults.checker import STORE
from tests.faults.scenario import Scenario, State, Step

LAYOUTS: tuple[Name, ...] = ("native", "core-4")


def mend(store: Path) -> None:
    """Repair, and say yes."""
    asyncio.run(repair(store, RepairOptions(jobs=1), confirm=lambda _: True))


def rebuild(store: Path) -> None:
    """Rebuild catalog and vectors, and say yes."""
    asyncio.run(rebuild_index(store, RebuildOptions(jobs=1), confirm=lambda _: True))


def take_back(store: Path) -> None:
    """Undo the newest run, and say yes."""
    asyncio.run(undo(store, confirm=lambda _: True))


def look(store: Path) -> None:
    """Verify, with several workers as by default."""
    asyncio.run(verify(store, LookOptions(jobs=2)))


def look_quickly(store: Path) -> None:
    """Verify names, rows and ids only."""
    asyncio.run(verify(store, LookOptions(quick=True)))


def plan_mending(store: Path) -> None:
    """Repair, only planned."""
    asyncio.run(repair(store, RepairOptions(dry_run=True, jobs=1), confirm=lambda _: False))


def plan_rebuilding(store: Path) -> None:
    """Rebuild, only planned."""
    asyncio.run(rebuild_index(store, RebuildOptions(dry_run=True), confirm=lambda _: False))


def plan_taking_back(store: Path) -> None:
    """Undo, only planned."""
    asyncio.run(undo(store, dry_run=True, confirm=lambda _: False))


def list_runs(store: Path) -> None:
    """List what could be undone."""
    asyncio.run(runs(store))


def plan_pruning(store: Path) -> None:
    """Forget old runs, only planned."""
    asyncio.run(prune(store, dry_run=True))


READING = (look, look_quickly, plan_mending, plan_rebuilding)
"""Commands that must not change a byte of a store."""
LOOKING_BACK = (plan_taking_back, list_runs, plan_pruning, look)
"""The same, of a store that has runs."""


def errors(store: Path) -> list[str]:
    """What ``verify`` says at error level."""
    report = asyncio.run(verify(store, LookOptions(jobs=1)))
    return [f"{f.code} {f.path}" for f in report.findings if f.severity is Severity.ERROR]


def sound(layout: Name, store: Path) -> list[str]:
    """What is out of step, judged by the tests' own oracle."""
    return oracle.problems(store, layout)


LOCK = f"{STORE}/.synthstore/lock"

VERIFY = Step("verify", errors, State.SAME)
REPAIR = Step("repair", mend, State.SETTLED)
UNDO = Step("undo", take_back, State.BEFORE)


def forget(store: Path) -> list[str]:
    """Forget all runs but the newest, however young; what should have gone and is left."""
    retention.KEEP_LAST, retention.KEEP_WITHIN = 0, timedelta(0)
    asyncio.run(prune(store))
    left = to_prune(store)
    return [f"left: {name}" for name in (*left.removed, *left.quarantines)]


def verifying(layout: Name) -> Scenario:
    """Verify after a bad day: no call that changes anything, so no point to break."""
    return Scenario(
        command="verify",
        layout=layout,
        build=partial(accidents.bad_day, layout),
        act=look,
        sequels=(),
        inspect=lambda _: [],
        silent=True,
    )


def repairing(layout: Name) -> Scenario:
    """Repair after a bad day."""
    again = Step("repair again", mend, State.AFTER)
    return Scenario(
        command="repair",
        layout=layout,
        build=partial(accidents.bad_day, layout),
        act=mend,
        sequels=((again, VERIFY, UNDO),),
        inspect=partial(sound, layout),
        lock=LOCK,
    )


def rebuilding(layout: Name) -> Scenario:
    """Rebuild lost parts."""
    again = Step("rebuild-index again", rebuild, State.AFTER)
    return Scenario(
        command="rebuild-index",
        layout=layout,
        build=partial(accidents.lost_parts, layout),
        act=rebuild,
        sequels=((REPAIR, VERIFY), (again, VERIFY, UNDO)),
        inspect=partial(sound, layout),
        lock=LOCK,
    )


def undoing(layout: Name) -> Scenario:
    """Undo the second of two repairs."""
    again = Step("undo again", take_back, State.AFTER)
    return Scenario(
        command="undo",
        layout=layout,
        build=_then(partial(_twice_hurt, layout), mend),
        act=take_back,
        sequels=((REPAIR, VERIFY, again), (again,)),
        inspect=lambda _: [],
        origin=partial(_twice_hurt, layout),
        repeatable=False,
        lock=LOCK,
    )


def forgetting(layout: Name) -> Scenario:
    """Forget the first of two repairs."""
    return Scenario(
        command="undo --prune",
        layout=layout,
        build=_then(partial(_twice_hurt, layout), mend),
        act=forget,
        sequels=((Step("prune again", forget, State.AFTER), VERIFY), (REPAIR, VERIFY)),
        inspect=lambda _: [],
        lock=LOCK,
    )


def _twice_hurt(layout: Name, store: Path) -> None:
    """A store that was repaired once and is damaged again."""
    accidents.bad_day(layout, store)
    mend(store)
    accidents.bad_luck(layout, store)


def _then(*acts: Callable[[Path], object]) -> Callable[[Path], None]:
    def act(store: Path) -> None:
        for each in acts:
            each(store)

    return act


_MAKERS = (verifying, repairing, rebuilding, undoing)
SCENARIOS = (*(make(layout) for make in _MAKERS for layout in LAYOUTS), forgetting("native"))
