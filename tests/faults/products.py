"""The product's commands as scenarios."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

from synthstore.checks.finding import Severity
from synthstore.repair.operation import RepairOptions, repair
from synthstore.repair.rebuild import RebuildOptions, rebuild_index
from synthstore.repair.undoing import prune, runs, undo
from synthstore.verify import LookOptions, verify
from tests import oracle
from tests.faults import accidents
from tests.faults.scenario import Scenario, State, Step
from tests.spelling import Name

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


VERIFY = Step("verify", errors, State.SAME)
UNDO = Step("undo", take_back, State.BEFORE)


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
    )


def rebuilding(layout: Name) -> Scenario:
    """Rebuild lost parts."""
    again = Step("rebuild-index again", rebuild, State.AFTER)
    return Scenario(
        command="rebuild-index",
        layout=layout,
        build=partial(accidents.lost_parts, layout),
        act=rebuild,
        sequels=((Step("repair", mend, State.SETTLED), VERIFY), (again, VERIFY, UNDO)),
        inspect=partial(sound, layout),
    )


def undoing(layout: Name) -> Scenario:
    """Undo the second of two repairs."""
    again = Step("undo again", take_back, State.AFTER)
    return Scenario(
        command="undo",
        layout=layout,
        build=_then(partial(_twice_hurt, layout), mend),
        act=take_back,
        sequels=((Step("repair", mend, State.SETTLED), VERIFY, again), (again,)),
        inspect=lambda _: [],
        origin=partial(_twice_hurt, layout),
        repeatable=False,
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


SCENARIOS = tuple(make(layout) for make in (repairing, rebuilding, undoing) for layout in LAYOUTS)
