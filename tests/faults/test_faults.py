"""The product under faults: every point of a kill, a part of the others; planted bugs are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthstore.testing.spelling import Name
from tests.faults import accidents, disk, products
from tests.faults.actions import CALL_FAULTS, CUTS, Action
from tests.faults.campaign import Crew, Task
from tests.faults.disk import FileSystem
from tests.faults.registry import PRODUCT_MUTANTS, SCENARIOS
from tests.faults.scenario import Act, Mutant

PRODUCT = sorted(n for n, s in SCENARIOS.items() if s.command != "toy" and not s.silent)
LOCKING = [name for name in PRODUCT if SCENARIOS[name].lock]
SAMPLE = 4
"""Points per scenario for faults that ``python -m tests.faults --all`` tries everywhere."""
KILLED = 16
CUT = ("session/native", "backup/native", "library batch/native")
CUT_POINTS = 4
"""Points at which the power goes in each of these."""
HUNTED = [
    (next(name for name in PRODUCT if mutant.shows_in(SCENARIOS[name])), mutant)
    for mutant in PRODUCT_MUTANTS
]
"""Each planted bug where it shows first; the command hunts it everywhere."""


@pytest.mark.parametrize("scenario", PRODUCT)
def test_killed_nearly_anywhere(crew: Crew, scenario: str) -> None:
    [tally] = crew.run([Task(scenario, Action.KILL, limit=KILLED)])
    assert tally.tried
    assert not tally.bad, tally.told()


@pytest.mark.parametrize("action", [a for a in CALL_FAULTS if a is not Action.KILL])
@pytest.mark.parametrize("scenario", PRODUCT)
def test_failing_here_and_there(crew: Crew, scenario: str, action: Action) -> None:
    [tally] = crew.run([Task(scenario, action, limit=SAMPLE)])
    assert tally.tried
    assert not tally.bad, tally.told()


@pytest.mark.parametrize("scenario", LOCKING)
def test_a_held_lock_is_respected(crew: Crew, scenario: str) -> None:
    [tally] = crew.run([Task(scenario, Action.HELD)])
    assert not tally.bad, tally.told()


def mountable(crew: Crew, kind: FileSystem) -> None:
    reason = crew.call(disk.unsupported, kind)
    if reason is not None:
        pytest.skip(reason)


@pytest.mark.root
@pytest.mark.parametrize("action", CUTS)
@pytest.mark.parametrize("kind", list(FileSystem))
@pytest.mark.parametrize("scenario", CUT)
def test_the_power_goes(crew: Crew, scenario: str, kind: FileSystem, action: Action) -> None:
    mountable(crew, kind)
    [tally] = crew.run([Task(scenario, action, limit=CUT_POINTS, disk=kind)])
    assert tally.tried
    assert not tally.bad, tally.told()


@pytest.mark.parametrize(("scenario", "mutant"), HUNTED, ids=[m.name for _, m in HUNTED])
def test_each_bug_planted_in_the_product_is_found(
    crew: Crew, scenario: str, mutant: Mutant
) -> None:
    kind = FileSystem.EXT4 if mutant.shown_by.cuts else None
    if kind is not None:
        mountable(crew, kind)
    [tally] = crew.run([Task(scenario, mutant.shown_by, mutant.name, disk=kind)])
    assert tally.bad


@pytest.mark.parametrize("layout", ["native", "core-4", "core-3"])
@pytest.mark.parametrize("act", products.READING, ids=lambda act: act.__name__)
def test_reading_commands_change_nothing(
    crew: Crew, tmp_path: Path, act: Act, layout: Name
) -> None:
    accidents.bad_day(layout, tmp_path / "store")
    outcome = crew.observe(act, tmp_path / "store")
    assert outcome.code == 0, outcome.error
    assert outcome.calls == ()


@pytest.mark.parametrize("layout", ["native", "core-4"])
@pytest.mark.parametrize("act", products.LOOKING_BACK, ids=lambda act: act.__name__)
def test_looking_at_runs_changes_nothing(
    crew: Crew, tmp_path: Path, act: Act, layout: Name
) -> None:
    store = tmp_path / "store"
    accidents.bad_day(layout, store)
    crew.observe(products.mend, store)
    outcome = crew.observe(act, store)
    assert outcome.code == 0, outcome.error
    assert outcome.calls == ()
