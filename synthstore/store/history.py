"""The runs that a store remembers; strictly read-only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from synthstore.errors import OperationError, PermissionDeniedError
from synthstore.files.lock import is_locked
from synthstore.store.journal import COMMITTED, DONE, LOCK, WRITE_LOCK, RunFolder, run_folders

FOLD = "fold"
"""The command of runs that only bring catalog and index up to what a library saved."""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One committed run."""

    run: str
    command: str
    started_at: str
    files: int
    bytes: int
    """Size of what it displaced and keeps."""
    state: Literal["done", "unfinished", "undone"]
    undoes: str | None = None
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A committed run that is not done (S001)."""

    run: str
    command: str
    owner_alive: bool


def list_runs(root: Path) -> list[RunInfo]:
    """Every committed run, oldest first; one whose record is unreadable shows as empty."""
    return mark_undone([_info(folder) for folder in run_folders(root) if folder.has(COMMITTED)])


def _info(folder: RunFolder) -> RunInfo:
    state: Literal["done", "unfinished"] = "done" if folder.has(DONE) else "unfinished"
    try:
        if state == "done":
            done = folder.done()
            return RunInfo(
                folder.run, done.command, done.started_at, done.files, done.bytes, state,
                done.undoes, done.conflicts,
            )  # fmt: skip
        plan = folder.plan()
    except OperationError:
        return RunInfo(folder.run, "", "", 0, 0, state)
    return RunInfo(
        folder.run, plan.command, plan.started_at, len(plan.items), plan.bytes, state, plan.undoes
    )


def mark_undone(runs: Iterable[RunInfo]) -> list[RunInfo]:
    """Mark what a later, standing undo took back; an undo that was itself undone does not count."""
    taken_back: set[str] = set()
    marked = []
    for run in sorted(runs, key=lambda info: info.run, reverse=True):
        if run.run in taken_back and run.state == "done":
            marked.append(replace(run, state="undone"))
            continue
        if run.undoes is not None and run.state == "done":
            taken_back.add(run.undoes)
        marked.append(run)
    return marked[::-1]


def unfinished_runs(root: Path) -> list[Unfinished]:
    """Committed runs that are not done, oldest first.

    Empty where our own folder is closed to this user: it is private, and reading a store needs
    only the store.
    """
    try:
        begun = [run for run in run_folders(root) if run.has(COMMITTED) and not run.has(DONE)]
    except PermissionDeniedError:
        return []
    alive = bool(begun) and any(is_locked(root / lock) for lock in (LOCK, WRITE_LOCK))
    return [Unfinished(folder.run, _info(folder).command, alive) for folder in begun]
