"""How long runs are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from synthstore.files.durable import remove_tree
from synthstore.files.walk import list_folder
from synthstore.store.history import FOLD, RunInfo, list_runs
from synthstore.store.journal import COMMITTED, QUARANTINE, RunFolder, time_of

KEEP_LAST = 10
KEEP_WITHIN = timedelta(days=30)
KEEP_BYTES = 10 * 2**30
KEEP_FOLDS = 2
"""A library folds often, each time displacing a whole index; repairs must not go for that."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went, or would go."""

    removed: tuple[str, ...]
    """Runs, oldest first."""
    kept: int
    freed_bytes: int
    quarantines: tuple[str, ...] = ()
    """Runs whose quarantine went."""


def expendable(runs: Sequence[RunInfo], now: datetime) -> list[RunInfo]:
    """The finished runs that need not be kept, oldest first.

    Kept are the last 10 and all younger than 30 days, of those only the newest 10 GB; never is the
    newest run removed, or one that is not finished. Of folds the last two are kept.
    """
    newest_first = sorted(runs, key=lambda info: info.run, reverse=True)
    folds = [run for run in newest_first if run.command == FOLD and run.state == "done"]
    going = folds[KEEP_FOLDS:]
    others = [run for run in newest_first if run not in going]
    return sorted((*going, *_beyond(others, now)), key=lambda info: info.run)


def _beyond(newest_first: Sequence[RunInfo], now: datetime) -> list[RunInfo]:
    kept_bytes = 0
    going = []
    for rank, run in enumerate(newest_first):
        kept_bytes += run.bytes
        young = rank < KEEP_LAST or now - time_of(run.run) < KEEP_WITHIN
        if rank > 0 and run.state != "unfinished" and not (young and kept_bytes <= KEEP_BYTES):
            going.append(run)
    return going


def to_prune(root: Path, now: datetime | None = None) -> Pruned:
    """What pruning would remove: expendable runs, and the quarantine of runs that are gone."""
    runs = list_runs(root)
    going = expendable(runs, now or datetime.now(UTC))
    staying = {run.run for run in runs} - {run.run for run in going}
    orphaned = [name for name in _quarantines(root) if name not in staying]
    freed = sum(run.bytes for run in going)
    freed += sum(_bytes_below(root, f"{QUARANTINE}/{name}") for name in orphaned)
    return Pruned(tuple(run.run for run in going), len(staying), freed, tuple(orphaned))


def remove_runs(root: Path, runs: Sequence[str]) -> None:
    """Forget finished runs; cut short, it leaves only what the next session clears away."""
    for run in runs:
        remove_tree(RunFolder(root, run).path, first=COMMITTED)


def remove_quarantines(root: Path, runs: Sequence[str]) -> None:
    """Remove what these runs quarantined."""
    for run in runs:
        remove_tree(RunFolder(root, run).quarantine)


def _quarantines(root: Path) -> list[str]:
    entries = list_folder(root, QUARANTINE)
    return [entry.path.rpartition("/")[2] for entry in entries if entry.kind == "dir"]


def _bytes_below(root: Path, folder: str) -> int:
    return sum(
        _bytes_below(root, entry.path) if entry.kind == "dir" else entry.stat.size
        for entry in list_folder(root, folder)
    )
