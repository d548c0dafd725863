"""What state Ctrl-C left a store in, as its runs tell it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from synthstore.errors import InterruptedByUserError, SynthstoreError
from synthstore.shell import cited, path_word
from synthstore.store.history import RunInfo, list_runs


def standing(store: Path, before: Collection[str]) -> InterruptedByUserError:
    """The error to end with; ``before`` are the runs that the store had already."""
    named = path_word(store)
    try:
        runs = [run for run in list_runs(store) if run.run not in before or _open(run)]
    except SynthstoreError:
        return InterruptedByUserError(
            "interrupted: the store is as it was, or the next repair completes what had begun",
            hint=f"{cited(f'synthstore verify {named}')} says which",
        )
    if not runs:
        return InterruptedByUserError(f"interrupted; nothing was changed in {store}")
    if any(map(_open, runs)):
        return InterruptedByUserError(
            f"interrupted while {_named(run for run in runs if _open(run))} was applied to {store}",
            hint=f"{cited(f'synthstore repair {named}')} completes it, then"
            f" {cited(f'synthstore undo {named}')} can take it back",
        )
    return InterruptedByUserError(
        f"interrupted, but by then {_named(runs)} was done: {store} is whole",
        hint=f"{cited(f'synthstore undo {named}')} takes it back,"
        f" {cited(f'synthstore verify {named}')} looks at it",
    )


def untouched(store: Path, before: Collection[str], begun: Collection[str]) -> bool:
    """Whether no run came to the store since ``before``, and none of those ``begun`` was finished.

    False where that cannot be told.
    """
    try:
        runs = list_runs(store)
    except SynthstoreError:
        return False
    open_now = {run.run for run in runs if _open(run)}
    return all(run.run in before for run in runs) and open_now == set(begun)


def _open(run: RunInfo) -> bool:
    return run.state == "unfinished"


def _named(runs: Iterable[RunInfo]) -> str:
    return " and ".join(f"the run {run.run} ({run.command})" for run in runs)
