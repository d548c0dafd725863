"""Every scenario and every planted bug, by name."""

from __future__ import annotations

from pathlib import Path

from tests.faults import toy
from tests.faults.scenario import Mutant, Scenario, State, Step

TOY = Scenario(
    command="toy",
    layout="plain",
    build=toy.build,
    act=toy.update,
    sequels=(
        (Step("recover", toy.recover, State.SETTLED), Step("again", toy.update, State.AFTER)),
        (Step("again", toy.update, State.AFTER),),
    ),
    inspect=lambda _: [],
)

SCENARIOS = {s.name: s for s in (TOY,)}
MUTANTS = {f"toy: {b}": Mutant(f"toy: {b}", ("toy",), lambda b=b: toy.BUGS.add(b)) for b in toy.Bug}
