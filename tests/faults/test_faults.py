"""The product under faults: every point of a kill, a part of the others; planted bugs are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import accidents, products
from tests.faults.actions import Action
from tests.faults.campaign import Crew, Task
from tests.faults.mutants import MUTANTS
from tests.faults.registry import SCENARIOS
from tests.faults.scenario import Act, Mutant
from tests.spelling import Name

PRODUCT = sorted(name for name in SCENARIOS if not name.startswith("toy/"))
SAMPLE = 6
"""Points per scenario for faults that ``python -m tests.faults --all`` tries everywhere."""
HUNTED = [
    (scenario, mutant)
    for scenario in ("session/native", "repair/native")
    for mutant in MUTANTS
    if SCENARIOS[scenario].command in mutant.commands
]


@pytest.mark.parametrize("action", [Action.KILL, Action.TORN])
@pytest.mark.parametrize("scenario", PRODUCT)
def test_killed_anywhere(crew: Crew, scenario: str, action: Action) -> None:
    [tally] = crew.run([Task(scenario, action)])
    assert tally.tried
    assert not tally.bad, tally.told()


@pytest.mark.parametrize("action", [a for a in Action if not a.kills])
@pytest.mark.parametrize("scenario", PRODUCT)
def test_failing_here_and_there(crew: Crew, scenario: str, action: Action) -> None:
    [tally] = crew.run([Task(scenario, action, limit=SAMPLE)])
    assert tally.tried
    assert not tally.bad, tally.told()


@pytest.mark.parametrize(
    ("scenario", "mutant"), HUNTED, ids=[f"{scenario}-{m.name}" for scenario, m in HUNTED]
)
def test_each_bug_planted_in_the_product_is_found(
    crew: Crew, scenario: str, mutant: Mutant
) -> None:
    [tally] = crew.run([Task(scenario, mutant.shown_by, mutant.name)])
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
