"""Every scenario and every planted bug, by name."""

from __future__ import annotations

from functools import partial

from tests.faults import mutants, products, sessions, toy
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

TOY_MUTANTS = tuple(
    Mutant(f"toy: {bug}", ("toy",), partial(toy.BUGS.add, bug)) for bug in toy.Bug
)

SCENARIOS = {each.name: each for each in (TOY, *sessions.SCENARIOS, *products.SCENARIOS)}
MUTANTS = {each.name: each for each in (*TOY_MUTANTS, *mutants.MUTANTS)}
