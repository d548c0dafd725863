"""Undo: give back every byte that a run displaced, as a run of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from synthstore.errors import InterruptedByUserError, RefusedError
from synthstore.progress import Progress, SilentProgress
from synthstore.repair.holding import held
from synthstore.store.opening import find_root
from synthstore.store.runs import (
    Change,
    FilesChanged,
    RunInfo,
    list_runs,
    newest_undoable,
    to_prune,
    undo_changes,
)
from synthstore.store.session import RolledForward, RunResult, Session

__all__ = ["PruneReport", "RunInfo", "UndoReport", "UndoneFile", "prune", "runs", "undo"]


@dataclass(frozen=True, slots=True)
class UndoneFile:
    """One file that an undo gives back."""

    path: str
    change: Literal["restored", "removed", "rewritten"]
    """Restored: it is missing now. Removed: the run had made it. Rewritten: its old bytes."""


@dataclass(frozen=True, slots=True)
class UndoReport:
    """What an undo did, or would do."""

    store: str
    undone: str
    """The run that is taken back."""
    run: str | None
    """The run that the undo itself was; None for a dry run, or if nothing had to change."""
    dry_run: bool
    files: tuple[UndoneFile, ...]
    conflicts: tuple[str, ...] = ()
    """Files that changed while the undo ran, and were left."""


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What pruning removed, or would remove."""

    store: str
    removed: tuple[str, ...]
    """Runs that can no longer be undone."""
    kept: int
    freed_bytes: int


async def undo(
    store: Path,
    run: str | None = None,
    *,
    force: bool = False,
    dry_run: bool = False,
    lock_wait: float = 0.0,
    confirm: Callable[[UndoReport], bool],
    progress: Progress | None = None,
) -> UndoReport:
    """Take back ``run``, by default the newest that is not itself undone.

    Raises UsageError for an unknown run, RefusedError where a file changed since, LockedError,
    OperationError; InterruptedByUserError when ``confirm`` declines.
    """
    root = find_root(store)
    if dry_run:
        return (await asyncio.to_thread(_plan, store, root, run, force)).report
    async with held(root, wait=lock_wait, command="undo") as session:
        finished = _finished(session, run)
        if finished is not None:
            # It was asked for before and cut off; taking back one more would be a surprise.
            return UndoReport(
                str(store),
                finished.undoes or "",
                finished.run,
                dry_run=False,
                files=(),
                conflicts=finished.conflicts,
            )
        planned = await asyncio.to_thread(_plan, store, root, run, force)
        # Asked in the thread of the event loop, where Ctrl-C arrives.
        if not confirm(planned.report):
            raise InterruptedByUserError("declined; nothing was changed")
        result = await asyncio.to_thread(_apply, session, planned, progress)
    return replace(planned.report, run=result.run, dry_run=False, conflicts=result.conflicts)


def _finished(session: Session, run: str | None) -> RolledForward | None:
    """The undo that was cut off and is complete now, if it is the one that is asked for."""
    for recovered in reversed(session.recovered):
        if recovered.undoes is not None and run in (None, recovered.undoes):
            return recovered
    return None


@dataclass(frozen=True, slots=True)
class _Planned:
    changes: Sequence[Change]
    report: UndoReport


def _plan(store: Path, root: Path, run: str | None, force: bool) -> _Planned:
    target = run or newest_undoable(root)
    changes = undo_changes(root, target, force=force)
    return _Planned(changes, _report(store, target, changes))


def _apply(session: Session, planned: _Planned, progress: Progress | None) -> RunResult:
    progress = progress or SilentProgress()
    undone = planned.report.undone
    try:
        return session.run("undo", planned.changes, undoes=undone, progress=progress)
    except FilesChanged as changed:
        raise RefusedError(
            f"changed while it was to be undone: {', '.join(changed.paths)}",
            hint="stop the Memory Core that writes to it, then run the command again",
        ) from changed


def _report(store: Path, target: str, changes: Sequence[Change]) -> UndoReport:
    files = tuple(UndoneFile(change.path, _kind(change)) for change in changes)
    return UndoReport(str(store), target, None, dry_run=True, files=files)


def _kind(change: Change) -> Literal["restored", "removed", "rewritten"]:
    if change.content is None:
        return "removed"
    return "restored" if change.old is None else "rewritten"


async def runs(store: Path) -> tuple[RunInfo, ...]:
    """The recorded runs, oldest first; strictly read-only."""
    return tuple(await asyncio.to_thread(list_runs, find_root(store)))


async def prune(store: Path, *, lock_wait: float = 0.0, dry_run: bool = False) -> PruneReport:
    """Forget the runs that need not be kept, and the quarantine of runs that are gone."""
    root = find_root(store)
    if dry_run:
        pruned = await asyncio.to_thread(to_prune, root)
    else:
        async with held(root, wait=lock_wait, command="undo --prune") as session:
            pruned = await asyncio.to_thread(session.prune)
    return PruneReport(str(store), pruned.removed, pruned.kept, pruned.freed_bytes)
