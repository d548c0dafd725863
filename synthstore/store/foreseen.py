"""A store as the next session is going to find it, once it has completed what others left.

For whoever only plans: that session's first act is to roll each committed run forward, and what
comes then starts from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from synthstore.files.inside import Tree, split
from synthstore.store.history import RunInfo, list_runs, mark_undone
from synthstore.store.items import Copy, Item
from synthstore.store.journal import RunFolder

Hashes = Mapping[str, str | None]
"""sha256 by path; None: no file."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """The runs and the files that there will be."""

    runs: Sequence[RunInfo]
    """All of them, oldest first, none of them unfinished."""
    completed: tuple[RunInfo, ...] = ()
    """Those of them that are unfinished now."""
    hashes: Hashes = field(default_factory=dict)
    """Of the paths that these settle; all others are as they stand."""


def foresee(root: Path) -> Foreseen:
    """What completing the unfinished runs leads to; raises OperationError for a torn plan."""
    listed = list_runs(root)
    hashes: dict[str, str | None] = {}
    with Tree(root) as tree:
        completed = tuple(
            _completed(RunFolder(root, run.run), run, tree, hashes)
            for run in listed
            if run.state == "unfinished"
        )
    after = {run.run: run for run in completed}
    return Foreseen(mark_undone(after.get(run.run, run) for run in listed), completed, hashes)


def _completed(
    folder: RunFolder, run: RunInfo, tree: Tree, hashes: dict[str, str | None]
) -> RunInfo:
    plan = folder.plan()
    made = frozenset(plan.made)
    conflicts = tuple(item.path for item in plan.items if not _settled(item, made, tree, hashes))
    return replace(run, state="done", conflicts=conflicts)


def _settled(item: Item, made: frozenset[str], tree: Tree, hashes: dict[str, str | None]) -> bool:
    """Note what one path will hold; False for a conflict, which is left as it is."""
    found, folder = tree.find(item.path), split(item.path)[0]
    if found.irregular or not (item.new is None or folder in made or tree.has_folder(folder)):
        return False
    old, new = sha256_of(item.old), sha256_of(item.new)
    if hashes.get(item.path, found.sha256) not in (old, new):
        return False
    hashes[item.path] = new
    return True


def sha256_of(copy: Copy | None) -> str | None:
    """The bytes of a version of a file; None where there is no file."""
    return None if copy is None else copy.sha256
