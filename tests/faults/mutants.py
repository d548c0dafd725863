"""Bugs planted in the product itself: the protocol of a change, broken in one place each.

They are planted in the forked child alone, by putting another function in place of one of ours. A
name that is no longer there fails loudly, so that a mutant cannot die unnoticed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from synthstore.files import durable
from synthstore.store import applying, session, staging
from synthstore.store.admission import Custody
from synthstore.store.journal import COMMITTED, Done, RunFolder
from synthstore.store.plan import CATALOG, REMOVAL, Copy, Item, Plan
from synthstore.store.session import RolledForward
from synthstore.store.staging import Stage, Wish
from tests.faults.scenario import Mutant

_put = applying.put
_stage = session.stage
_apply = applying._apply
_fsync = os.fsync
_write_plan = RunFolder.write_plan


def _set(owner: object, name: str, value: object) -> None:
    if not hasattr(owner, name):
        raise AttributeError(f"{owner} has no {name} to plant a bug in")
    setattr(owner, name, value)


def write_in_place() -> None:
    """Write the new bytes over the old ones."""

    def put(root: Path, path: str, staged: Path) -> None:
        (root / path).write_bytes(staged.read_bytes())

    _set(applying, "put", put)


def unlink_before_rename() -> None:
    """Make room for the new file first."""

    def put(root: Path, path: str, staged: Path) -> None:
        (root / path).unlink(missing_ok=True)
        _put(root, path, staged)

    _set(applying, "put", put)


def swallow_fsync() -> None:
    """Go on after an fsync that failed."""

    def fsync(fd: int) -> None:
        with contextlib.suppress(OSError):
            _fsync(fd)

    _set(os, "fsync", fsync)


def ignore_short_writes() -> None:
    """Take every write for a whole one."""

    def write(sink: durable._Sink, data: bytes) -> int:
        os.write(sink._fd, data)
        sink._hash.update(data)
        return len(data)

    _set(durable._Sink, "write", write)


def apply_before_commit() -> None:
    """Touch the store before the plan is on record."""

    def write_plan(folder: RunFolder, plan: Plan, custody: Custody) -> None:
        _write_plan(folder, plan, custody)
        _apply(folder, plan, custody)

    _set(RunFolder, "write_plan", write_plan)


def commit_in_place() -> None:
    """Write the commit record under its own name, a piece at a time."""

    def seal(folder: RunFolder) -> None:
        (folder.path / COMMITTED).write_bytes((folder.path / "plan.json").read_bytes())

    _set(RunFolder, "seal", seal)


def delete_first() -> None:
    """Remove files that the catalog still lists."""
    _reorder(lambda item: item.order != REMOVAL)


def catalog_first() -> None:
    """List files before they are there."""
    _reorder(lambda item: item.order != CATALOG)


def _reorder(rank: Callable[[Item], bool]) -> None:
    def stage(at: Stage, wishes: list[Wish]) -> tuple[Item, ...]:
        return tuple(sorted(_stage(at, wishes), key=rank))

    _set(session, "stage", stage)


def forget_old_bytes() -> None:
    """Record the pre-images and keep none."""

    def keep_old(_: Stage, wishes: list[Wish]) -> dict[int, Copy]:
        return {
            wish.slot: Copy.of(wish.change.old, wish.found.stat)
            for wish in wishes
            if wish.change.old is not None and wish.found.stat is not None
        }

    _set(staging, "_keep_old", keep_old)


def never_roll_forward() -> None:
    """Leave a committed run as it was found."""

    def settle_runs(_: Path, __: Custody) -> Iterator[RolledForward]:
        return iter(())

    _set(session, "_settle_runs", settle_runs)


def done_before_apply() -> None:
    """Record that all is done, then do it."""

    def apply(folder: RunFolder, plan: Plan, custody: Custody) -> Done:
        sizes = len(plan.items), plan.bytes, len(plan.items)
        folder.finish(Done(plan.run, plan.command, plan.started_at, *sizes, ()), custody)
        return _apply(folder, plan, custody)

    _set(applying, "_apply", apply)


_COMMANDS = ("session", "repair", "rebuild-index", "undo")
_WITH_REMOVALS = ("session", "repair")

MUTANTS = (
    Mutant("write in place", _COMMANDS, write_in_place),
    Mutant("unlink before rename", _COMMANDS, unlink_before_rename),
    Mutant("failed fsync swallowed", _COMMANDS, swallow_fsync),
    Mutant("short write swallowed", _COMMANDS, ignore_short_writes),
    Mutant("applied before commit", _COMMANDS, apply_before_commit),
    Mutant("commit record in place", _COMMANDS, commit_in_place),
    Mutant("deletions first", _WITH_REMOVALS, delete_first),
    Mutant("catalog first", _WITH_REMOVALS, catalog_first),
    Mutant("old bytes not kept", _COMMANDS, forget_old_bytes),
    Mutant("no roll-forward", _COMMANDS, never_roll_forward),
    Mutant("done before it is", _COMMANDS, done_before_apply),
)
