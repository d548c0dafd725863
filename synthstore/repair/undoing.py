"""Undo: give back every byte that a run displaced, as a run of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from synthstore.errors import InterruptedByUserError, RefusedError
from synthstore.progress import Progress, SilentProgress
from synthstore.repair.holding import held
from synthstore.store.journal import RunFolder
from synthstore.store.opening import find_root
from synthstore.store.runs import (
    Change,
    FilesChanged,
    Foreseen,
    Reversal,
    RunInfo,
    foresee,
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
    damaged: tuple[str, ...] = ()
    """Files that were left, since what was kept of them is damaged."""
    recovered_runs: tuple[str, ...] = ()
    """Runs that were committed and not done, and are completed first."""


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
    OperationError, also where a kept copy is damaged; InterruptedByUserError when ``confirm``
    declines.
    """
    root = find_root(store)
    if dry_run:
        return await asyncio.to_thread(_foreseen, store, root, run, force)
    async with held(root, wait=lock_wait, command="undo") as session:
        finished = _finished(store, root, session.recovered, run)
        if finished is not None:
            return finished
        planned = await asyncio.to_thread(_plan, store, root, run, force)
        recovered = _names(session.recovered)
        report = replace(planned.report, dry_run=False, recovered_runs=recovered)
        # Asked in the thread of the event loop, where Ctrl-C arrives.
        if not confirm(report):
            left = "taken back" if recovered else "changed"
            raise InterruptedByUserError(f"declined; nothing was {left}")
        result = await asyncio.to_thread(_apply, session, planned, progress)
    return replace(report, run=result.run, conflicts=result.conflicts)


def _foreseen(store: Path, root: Path, run: str | None, force: bool) -> UndoReport:
    """What an undo would do, whose session first completes what others left."""
    ahead = foresee(root)
    finished = _finished(store, root, ahead.completed, run)
    if finished is not None:
        return replace(finished, run=None, dry_run=True)
    report = _plan(store, root, run, force, ahead).report
    return replace(report, recovered_runs=_names(ahead.completed))


def _finished(
    store: Path, root: Path, completed: Sequence[RolledForward | RunInfo], run: str | None
) -> UndoReport | None:
    """What an undo did that was cut off and is complete now, if it is the one that is asked for.

    It was asked for before; taking back one more would be a surprise.
    """
    for one in reversed(completed):
        if one.undoes is not None and run in (None, one.undoes):
            return UndoReport(
                str(store),
                one.undoes,
                one.run,
                dry_run=False,
                files=tuple(_done_by(root, one)),
                conflicts=one.conflicts,
                recovered_runs=_names(completed),
            )
    return None


def _done_by(root: Path, undo: RolledForward | RunInfo) -> Iterator[UndoneFile]:
    for item in RunFolder(root, undo.run).plan().items:
        if item.path not in undo.conflicts:
            yield UndoneFile(item.path, _kind(item.old, item.new))


def _names(completed: Sequence[RolledForward | RunInfo]) -> tuple[str, ...]:
    return tuple(one.run for one in completed)


@dataclass(frozen=True, slots=True)
class _Planned:
    changes: Sequence[Change]
    report: UndoReport


def _plan(
    store: Path, root: Path, run: str | None, force: bool, ahead: Foreseen | None = None
) -> _Planned:
    target = run or newest_undoable(root, ahead)
    back = undo_changes(root, target, force=force, ahead=ahead)
    return _Planned(back.changes, _report(store, target, back))


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


def _report(store: Path, target: str, back: Reversal) -> UndoReport:
    files = tuple(UndoneFile(c.path, _kind(c.old, c.content)) for c in back.changes)
    return UndoReport(str(store), target, None, dry_run=True, files=files, damaged=back.damaged)


def _kind(old: object | None, new: object | None) -> Literal["restored", "removed", "rewritten"]:
    if new is None:
        return "removed"
    return "restored" if old is None else "rewritten"


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
