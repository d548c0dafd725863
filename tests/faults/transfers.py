"""Import and migrate as scenarios."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from synthstore.errors import UsageError
from synthstore.migrate.operation import MigrateOptions, migrate
from synthstore.testing.spelling import Name
from synthstore.testing.stores import build, unit_vectors
from tests.faults import accidents, products
from tests.faults.checker import STORE, Judgement, at_once, photograph, states
from tests.faults.scenario import Scenario, State, Step
from tests.transfers import make_sample, put_rows, rows_of, take_in, write_out
from tests.trees import Tree

_NEW = 6
_ASIDE = f".{STORE}.migrating"
_MARK = f"{STORE}/.tmp-migration"


def _with_rows(layout: Name, store: Path) -> None:
    """A healthy store, and beside it a file of changed rows and of new ones."""
    accidents.healthy(layout, store)
    changed = [{**row, "content": "changed"} for row in rows_of(store)[:2]]
    vectors = unit_vectors(_NEW, accidents.DIM, seed=5).tolist()
    fresh = [
        {"id": f"new-{n}", "kind": "memory", "content": f"row {n}", "embedding": vector}
        for n, vector in enumerate(vectors)
    ]
    put_rows(_rows(store), [*changed, *fresh])


def _rows(store: Path) -> Path:
    return store.with_name("rows.jsonl")


def take(store: Path) -> None:
    """Import, new rows over old ones."""
    take_in(store, _rows(store), on_conflict="replace")


def _source(store: Path) -> Path:
    return store.with_name("source")


def bring(layout: Name, store: Path) -> None:
    """Migrate the store beside it to its place."""
    options = MigrateOptions(target=store, layout=layout, jobs=1)
    asyncio.run(migrate(_source(store), options, confirm=lambda _: True))


def bring_again(layout: Name, store: Path) -> list[str]:
    """Migrate, unless that is refused since it is done; say what is left beside it."""
    try:
        bring(layout, store)
    except UsageError:
        if not store.exists() or (store.parent / _MARK).exists():
            raise
    known = {STORE, "source", "neighbour.txt"}
    return [f"left: {path.name}" for path in store.parent.iterdir() if path.name not in known]


def brought(arena: Path) -> Tree:
    """The arena but for what a migration builds in."""
    found = photograph(arena)
    return {p: m for p, m in found.items() if p != _MARK and not p.startswith(f"{_ASIDE}/")}


MIGRATION = Judgement((states, at_once), brought)


def importing(layout: Name) -> Scenario:
    """Import into a living store."""
    again = Step("import again", take, State.AFTER)
    return Scenario(
        command="import",
        layout=layout,
        build=partial(_with_rows, layout),
        act=take,
        sequels=((products.REPAIR, products.VERIFY), (again, products.VERIFY, products.UNDO)),
        inspect=partial(products.sound, layout),
        lock=products.LOCK,
    )


def _rows_alone(store: Path) -> None:
    """An empty folder, and beside it the rows of a store."""
    store.mkdir(parents=True)
    make_sample(store.with_name("sample"), n=_NEW)
    write_out(store.with_name("sample"), _rows(store))


def begin(store: Path) -> None:
    """Import into a store that is begun with it."""
    take_in(store, _rows(store), create=True)


BEGINNING = Scenario(
    command="import",
    layout="begun",
    build=_rows_alone,
    act=begin,
    sequels=((Step("import again", begin, State.AFTER), products.VERIFY, products.UNDO),),
    inspect=partial(products.sound, "native"),
)


def migrating(layout: Name) -> Scenario:
    """Migrate a native store to a new place, into ``layout``."""
    again = Step("migrate again", partial(bring_again, layout), State.AFTER)
    return Scenario(
        command="migrate",
        layout=layout,
        build=lambda store: build("native", _source(store), memories=5, assemblies=1, dim=8),
        act=partial(bring, layout),
        sequels=((again, products.VERIFY),),
        inspect=partial(products.sound, layout),
        judgement=MIGRATION,
    )


def turn(store: Path) -> None:
    """Give a native store another layout where it stands."""
    options = MigrateOptions(layout="core-4", jobs=1)
    asyncio.run(migrate(store, options, confirm=lambda _: True))


def turn_again(store: Path) -> None:
    """The same, unless that is refused since it is done."""
    try:
        turn(store)
    except UsageError:
        if products.errors(store):
            raise


TURNING = Scenario(
    command="migrate",
    layout="in-place",
    build=partial(accidents.healthy, "native"),
    act=turn,
    sequels=(
        (products.REPAIR, products.VERIFY),
        (Step("migrate again", turn_again, State.AFTER), products.VERIFY, products.UNDO),
    ),
    inspect=partial(products.sound, "core-4"),
    lock=products.LOCK,
)

_MAKERS = (importing, migrating)
SCENARIOS = (*(make(layout) for make in _MAKERS for layout in products.LAYOUTS), BEGINNING, TURNING)
