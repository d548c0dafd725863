"""Whether a store is as it may be at any moment; knows the promises and none of the product.

A *tree* is what counts of an *arena*, the folder around the store, by path. What counts and what is
promised of it is a ``Judgement``; ``RUN`` is that of every command that changes a store by a run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tests.trees import Tree, sha_tree

STORE = "store"
"""Name of the store in its arena."""
CATALOG = "memory_index.json"
_OWN = f"{STORE}/.synthstore/"
_BACKUPS = f"{STORE}/backups/index/"
_LOCKS = ("repo/lock",)
"""Only say who holds them; readers of a repository write that, too."""
_FOLDER = "d"


@dataclass(frozen=True, slots=True)
class Truth:
    """What a command meets, and what it makes of it when nothing disturbs it."""

    judgement: Judgement
    before: Tree
    after: Tree
    dangling: frozenset[str]
    """Paths that rows name and that do not exist, before or after (an undo brings them back)."""
    catalogs: frozenset[str]
    """sha256 of the catalogs before and after: what a backup of the catalog may hold."""
    open_runs: frozenset[str] = frozenset()
    """Runs that were committed and not done already before."""

    @classmethod
    def of(cls, before: Path, after: Path, judgement: Judgement | None = None) -> Truth:
        """Photograph the arenas ``before`` and ``after`` an undisturbed command."""
        by = judgement or RUN
        trees = by.photograph(before), by.photograph(after)
        name = f"{STORE}/{CATALOG}"
        catalogs = frozenset(tree[name][0] for tree in trees if name in tree)
        loose = dangling(before) | dangling(after)
        return cls(by, *trees, loose, catalogs, open_runs(before))


@dataclass(frozen=True, slots=True)
class Moment:
    """What a fault left, as the promises look at it."""

    truth: Truth
    arena: Path
    now: Tree


Promise = Callable[[Moment], Iterable[str]]
"""What must hold at every moment, killed or not; gives a line for each breach."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What counts of an arena, and what is promised of it."""

    promises: tuple[Promise, ...]
    photograph: Callable[[Path], Tree]
    lossless: bool = True
    """Whether every byte from before is still somewhere in the end, too."""


def photograph(arena: Path) -> Tree:
    """Every file of the arena, the product's own folder included."""
    return {path: mark for path, mark in sha_tree(arena, skip="").items() if mark[0] != _FOLDER}


def visible(tree: Tree) -> Tree:
    """A tree without the product's own folder, the catalog's backups and a repository's lock."""
    return {p: mark for p, mark in tree.items() if not p.startswith((_OWN, _BACKUPS, *_LOCKS))}


def moment(truth: Truth, arena: Path) -> list[str]:
    """What breaks a promise that holds at every moment, killed or not."""
    judgement = truth.judgement
    at = Moment(truth, arena, judgement.photograph(arena))
    return [problem for promise in judgement.promises for problem in promise(at)]


def same(wanted: Tree, now: Tree) -> list[str]:
    """Where a store is not exactly ``wanted``, modes included."""
    old, new = visible(wanted), visible(now)
    return [
        f"{path}: {_shown(new.get(path))} instead of {_shown(old.get(path))}"
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    ]


def lost(before: Tree, now: Tree) -> list[str]:
    """Which bytes of the store are nowhere any more, neither in place nor kept aside."""
    held = {mark for path, (mark, _) in now.items() if path.startswith(f"{STORE}/")}
    return [
        f"{path}: its bytes are lost"
        for path, (mark, _) in visible(before).items()
        if path.startswith(f"{STORE}/") and mark not in held
    ]


def committed(truth: Truth, arena: Path) -> bool:
    """Whether the command had gone past the point from which it is completed, not undone."""
    begun = open_runs(arena) - truth.open_runs
    return bool(begun) or visible(truth.judgement.photograph(arena)) != visible(truth.before)


def settled(truth: Truth, arena: Path) -> bool:
    """Whether the command is done and on record as done, though it may not have told so."""
    left = open_runs(arena) - truth.open_runs
    return not left and visible(truth.judgement.photograph(arena)) == visible(truth.after)


def open_runs(arena: Path) -> frozenset[str]:
    """The runs that are committed and not done."""
    runs = arena / STORE / ".synthstore" / "runs"
    return frozenset(
        record.parent.name
        for record in runs.glob("*/committed")
        if not (record.parent / "done").exists()
    )


def dangling(arena: Path) -> frozenset[str]:
    """The paths that rows of the catalog name and that do not exist."""
    store = arena / STORE
    return frozenset(path for path in _named(store) if not (store / path).exists())


def states(at: Moment) -> Iterator[str]:
    """Every file is old or new; what neither state knows is only a temporary file."""
    old, new, now = visible(at.truth.before), visible(at.truth.after), visible(at.now)
    for path in sorted(old.keys() | new.keys() | now.keys()):
        known = {old.get(path), new.get(path)}
        if now.get(path) not in known and not _temporary(path, known):
            yield f"{path}: neither old nor new, but {_shown(now.get(path))}"


def kept(at: Moment) -> Iterator[str]:
    """No bytes of the store are lost."""
    yield from lost(at.truth.before, at.now)


def at_once(at: Moment) -> Iterator[str]:
    """All is as before, or all is as after."""
    if not _steady(at):
        yield "between two states"


def accounted(at: Moment) -> Iterator[str]:
    """A store between two states belongs to a committed run that is not done."""
    if not _steady(at) and not open_runs(at.arena) - at.truth.open_runs:
        yield "between two states, and no committed run says so"


def _steady(at: Moment) -> bool:
    now = visible(at.now)
    steady = {path: mark for path, mark in now.items() if not _temporary(path, {None})}
    return steady in (visible(at.truth.before), visible(at.truth.after))


def _temporary(path: str, known: set[tuple[str, int] | None]) -> bool:
    return known == {None} and PurePosixPath(path).name.startswith(".tmp-")


def backups(at: Moment) -> Iterator[str]:
    """A backup of the catalog holds a catalog that there was."""
    truth = at.truth
    held = {mark for path, (mark, _) in truth.before.items() if path.startswith(_BACKUPS)}
    for path, (mark, _) in at.now.items():
        if path.startswith(_BACKUPS) and mark not in held | truth.catalogs:
            yield f"{path}: a copy of no catalog that there was"


def rows(at: Moment) -> Iterator[str]:
    """A row names a file that is there."""
    for path in sorted(dangling(at.arena) - at.truth.dangling):
        yield f"{path}: a row names it, and it is not there"


RUN = Judgement((states, kept, backups, accounted, rows), photograph)
"""Of a command that changes a store by a run."""


def _named(store: Path) -> Iterator[str]:
    try:
        document = json.loads((store / CATALOG).read_bytes())
    except (OSError, ValueError):
        # Whether an unreadable catalog is the old one, its hash has told.
        return
    for row in _rows_of(document):
        path = row.get("filepath", row.get("path")) if isinstance(row, dict) else None
        if isinstance(path, str):
            yield path


def _rows_of(document: object) -> Iterator[object]:
    if not isinstance(document, dict):
        return
    nested = [document[key] for key in ("memories", "assemblies") if key in document]
    for rows in nested or [document]:
        if isinstance(rows, Mapping):
            yield from rows.values()


def _shown(mark: tuple[str, int] | None) -> str:
    return "absent" if mark is None else f"{mark[0][:8]} mode {mark[1]:o}"
