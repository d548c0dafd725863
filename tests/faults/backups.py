"""Backup, prune and restore as scenarios: what stands as a snapshot gives back its bytes.

What counts of a repository is what ``packs``, a reader of the tests' own, can get out of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from synthstore.backup.check import CheckOptions, check_repository
from synthstore.backup.prune import prune_repository
from synthstore.backup.retention import Keep
from synthstore.testing.spelling import Doc
from synthstore.testing.stores import Built, build
from tests.faults import accidents, products
from tests.faults.checker import STORE, Judgement, at_once, photograph, states
from tests.faults.packs import Vault
from tests.faults.scenario import Scenario, State, Step
from tests.trees import Tree
from tests.vaults import back_up, give_back, place_at

REPO, NEW = "repo", "new"
_ASIDE = f".{STORE}.restoring"
_SNAPSHOTS, _KEPT = 4, 2
_ALL = Keep(last=99)


def repository(store: Path) -> Path:
    """The repository beside a store."""
    return store.with_name(REPO)


def back_up_new(store: Path) -> None:
    """Back the store up, tagged as new."""
    back_up(store, place_at(repository(store)), tags=(NEW,), jobs=1)


def restore(store: Path) -> None:
    """Restore the newest snapshot into a new directory."""
    give_back(store, place_at(repository(store)), jobs=1)


def restore_over(store: Path) -> None:
    """Restore the newest snapshot over a living store."""
    give_back(store, place_at(repository(store)), overwrite="always", jobs=1)


def prune(store: Path) -> None:
    """Let all but the newest snapshots go."""
    prune_repository(place_at(repository(store)), Keep(last=_KEPT))


def tidy(store: Path) -> list[str]:
    """Prune nothing but garbage, and say what garbage is left."""
    prune_repository(place_at(repository(store)), _ALL)
    return _garbage(store)


def prune_again(store: Path) -> list[str]:
    """Prune, and say what garbage is left."""
    prune(store)
    return _garbage(store)


def restore_again(store: Path) -> list[str]:
    """Restore, and say what is left beside it."""
    restore(store)
    return [f"left: {_ASIDE}"] if store.with_name(_ASIDE).exists() else []


def _garbage(store: Path) -> list[str]:
    root = repository(store)
    vault = Vault.read(root)
    needed = vault.needed()
    useless = [pack.name for pack in vault.packs if needed.isdisjoint(pack.blobs)]
    halves = [path.name for path in root.rglob(".tmp-*")]
    return [f"left: {name}" for name in (*useless, *vault.broken, *halves)]


def check(store: Path) -> list[str]:
    """What the product's own check says."""
    report = check_repository(place_at(repository(store)), CheckOptions(read_data=True))
    return [*report.problems, *map(str, report.lost)]


def gives_back(arena: Path) -> Tree:
    """The store's files, and every snapshot's, as its repository gives them back."""
    stored = {p: mark for p, mark in photograph(arena).items() if p.startswith(f"{STORE}/")}
    return stored | dict(_snapshots(Vault.read(arena / REPO)))


def _snapshots(vault: Vault) -> Iterator[tuple[str, tuple[str, int]]]:
    try:
        for snapshot in vault.snapshots():
            for row in vault.rows(snapshot):
                vault.file(bytes.fromhex(row.sha256))
                where = f"{REPO}/{snapshot['tags'][0]}/{row.path}"
                yield where, (f"{row.sha256} of {row.mtime_ns}", row.mode)
    except (ValueError, KeyError) as error:
        yield f"{REPO}/{error}", ("damaged", 0)


def laid_out(arena: Path) -> Tree:
    """The arena but for the folder in which a restore builds."""
    found = photograph(arena)
    return {path: mark for path, mark in found.items() if not path.startswith(f"{_ASIDE}/")}


BACKUP = Judgement((states, at_once), gives_back)
PRUNE = Judgement((states,), gives_back)
RESTORE = Judgement((states, at_once), laid_out)


def _small(store: Path) -> Built:
    return build("native", store, memories=5, assemblies=1, dim=32)


def _first(store: Path) -> None:
    _small(store)


def _second(store: Path) -> None:
    built = _small(store)
    back_up(store, place_at(repository(store)), tags=("old",))
    built.edit(built.memories[0], lambda doc: doc.update(content="new", embedding=[0.5] * 32))
    built.file(built.memories[1]).unlink()


def _many(store: Path) -> None:
    built = _small(store)
    for number in range(_SNAPSHOTS):
        # So much of it goes with each snapshot that its pack is rewritten.
        (store / "noise").write_bytes(os.urandom(4000))
        built.edit(built.memories[number], partial(_say, "x" * number))
        back_up(store, place_at(repository(store)), tags=(f"n{number}",))


def _say(text: str, doc: Doc) -> None:
    doc.update(content=text)


def _gone(store: Path) -> None:
    _many(store)
    store.rename(store.with_name("elsewhere"))


def _hurt(store: Path) -> None:
    accidents.healthy("native", store)
    back_up(store, place_at(repository(store)))
    accidents.bad_luck("native", store)


_LOCK = f"{REPO}/lock"
_CHECK = Step("check", check, State.SAME)
_AFTER_BACKUP = (
    Step("backup again", back_up_new, State.AFTER),
    Step("prune", tidy, State.AFTER),
    _CHECK,
)

SCENARIOS = (
    Scenario(
        command="backup",
        layout="native-first",
        build=_first,
        act=back_up_new,
        sequels=(_AFTER_BACKUP,),
        inspect=check,
        judgement=BACKUP,
        lock=_LOCK,
    ),
    Scenario(
        command="backup",
        layout="native",
        build=_second,
        act=back_up_new,
        sequels=(_AFTER_BACKUP,),
        inspect=check,
        judgement=BACKUP,
        lock=_LOCK,
    ),
    Scenario(
        command="prune",
        layout="native",
        build=_many,
        act=prune,
        sequels=((Step("prune again", prune_again, State.AFTER), _CHECK),),
        inspect=check,
        judgement=PRUNE,
        lock=_LOCK,
    ),
    Scenario(
        command="restore",
        layout="native-new",
        build=_gone,
        act=restore,
        sequels=((Step("restore again", restore_again, State.AFTER), products.VERIFY),),
        inspect=partial(products.sound, "native"),
        repeatable=False,
        judgement=RESTORE,
    ),
    Scenario(
        command="restore",
        layout="native",
        build=_hurt,
        act=restore_over,
        sequels=(
            (products.REPAIR, products.VERIFY),
            (Step("restore again", restore_over, State.AFTER), products.VERIFY, products.UNDO),
        ),
        inspect=partial(products.sound, "native"),
        lock=products.LOCK,
    ),
)
