"""Every scenario and every planted bug, by name."""

from __future__ import annotations

from functools import partial

from tests.faults import (
    backups,
    library,
    mutants,
    mutants_of_storage,
    products,
    sessions,
    toy,
    transfers,
)
from tests.faults.actions import Action
from tests.faults.scenario import Mutant, Scenario, State, Step


def _toy(bug: toy.Bug, shown_by: Action) -> Mutant:
    return Mutant(f"toy: {bug}", shown_by, ("toy",), partial(toy.BUGS.add, bug))


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

TOY_MUTANTS = (
    _toy(toy.Bug.IN_PLACE, Action.TORN),
    _toy(toy.Bug.CATALOG_FIRST, Action.KILL),
    _toy(toy.Bug.UNLINK_FIRST, Action.KILL),
    _toy(toy.Bug.SHORT_WRITE, Action.SHORT),
    _toy(toy.Bug.FSYNC_IGNORED, Action.EIO),
    _toy(toy.Bug.JOURNAL_IGNORED, Action.KILL),
    _toy(toy.Bug.NOT_SYNCED, Action.CUT_COMMITTED),
)

PRODUCT_MUTANTS = (*mutants.MUTANTS, *mutants_of_storage.MUTANTS)

PRODUCTS = (products, transfers, backups, library)
"""The modules whose scenarios are the product's own."""

SCENARIOS = {
    each.name: each
    for each in (TOY, *sessions.SCENARIOS, *(s for module in PRODUCTS for s in module.SCENARIOS))
}
MUTANTS = {each.name: each for each in (*TOY_MUTANTS, *PRODUCT_MUTANTS)}
