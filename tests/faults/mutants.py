"""Bugs planted in the product itself: the protocol of a change, broken in one place each.

They are planted in the forked child alone, where they can under the product (in ``os``), else by
putting another function in place of one of its own. A name that is no longer there fails loudly,
so that a mutant cannot die unnoticed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from synthstore.store import applying, session, staging
from synthstore.store.admission import Custody
from synthstore.store.items import Copy, Item, Items
from synthstore.store.journal import COMMITTED, Done, RunFolder
from synthstore.store.plan import CATALOG, REMOVAL, Plan
from synthstore.store.preparing import Preparation
from synthstore.store.session import RolledForward
from synthstore.store.staging import Stage, Wish
from tests.faults.actions import Action
from tests.faults.scenario import Mutant

Rename = Callable[[Path, Path], None]

_apply = applying._apply
_fsync = os.fsync
_replace = os.replace
_plan = Preparation._plan
_write = os.write
_write_plan = RunFolder.write_plan


def write_in_place() -> None:
    """Write the new bytes over the old ones."""
    _rename_by(_overwrite, _in_store)


def unlink_before_rename() -> None:
    """Make room for the new file first."""

    def rename(source: Path, target: Path) -> None:
        target.unlink(missing_ok=True)
        _replace(source, target)

    _rename_by(rename, _in_store)


def commit_in_place() -> None:
    """Write the commit record under its own name, a piece at a time."""
    _rename_by(_overwrite, lambda target: target.name == COMMITTED)


def _overwrite(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes())


def _in_store(target: Path) -> bool:
    return ".synthstore" not in target.parts


def _rename_by(rename: Rename, where: Callable[[Path], bool]) -> None:
    def replace(
        source: Path | str,
        target: Path | str,
        *,
        src_dir_fd: int | None = None,
        dst_dir_fd: int | None = None,
    ) -> None:
        there = _full(target, dst_dir_fd)
        (rename if where(there) else _replace)(_full(source, src_dir_fd), there)

    put_in_place_of(os, "replace", replace)
    put_in_place_of(os, "rename", replace)


def _full(path: Path | str, folder: int | None) -> Path:
    return Path(path) if folder is None else Path(f"/proc/self/fd/{folder}").readlink() / path


def swallow_fsync() -> None:
    """Go on after an fsync that failed."""

    def fsync(fd: int) -> None:
        with contextlib.suppress(OSError):
            _fsync(fd)

    put_in_place_of(os, "fsync", fsync)


def swallow_short_writes() -> None:
    """Take every write for a whole one."""

    def write(fd: int, data: bytes | memoryview) -> int:
        _write(fd, data)
        return memoryview(data).nbytes

    put_in_place_of(os, "write", write)


def apply_before_commit() -> None:
    """Touch the store before the plan is on record."""

    def write_plan(folder: RunFolder, plan: Plan, custody: Custody) -> None:
        _write_plan(folder, plan, custody)
        _apply(folder, plan, custody, again=False)

    put_in_place_of(RunFolder, "write_plan", write_plan)


def done_before_apply() -> None:
    """Record that all is done, then do it."""

    def apply(folder: RunFolder, plan: Plan, custody: Custody, *, again: bool) -> Done:
        sizes = len(plan.items), plan.bytes, len(plan.items)
        folder.finish(Done(plan.run, plan.command, plan.started_at, *sizes, ()), custody)
        return _apply(folder, plan, custody, again=again)

    put_in_place_of(applying, "_apply", apply)


def delete_first() -> None:
    """Remove files that the catalog still lists."""
    _reorder(lambda item: item.order != REMOVAL)


def catalog_first() -> None:
    """List files before they are there."""
    _reorder(lambda item: item.order != CATALOG)


def _reorder(rank: Callable[[Item], bool]) -> None:
    def plan(self: Preparation, run: str, now: datetime, items: Items, made: Iterable[str]) -> Plan:
        right = _plan(self, run, now, items, made)
        return replace(right, items=Items(sorted(right.items, key=rank)))

    put_in_place_of(Preparation, "_plan", plan)


def forget_old_bytes() -> None:
    """Record the pre-images and keep none."""

    def keep_old(_: Stage, wishes: Sequence[Wish]) -> dict[int, Copy]:
        return {
            wish.slot: Copy.of(wish.change.old, wish.found.stat)
            for wish in wishes
            if wish.change.old is not None and wish.found.stat is not None
        }

    put_in_place_of(staging, "_keep_old", keep_old)


def never_roll_forward() -> None:
    """Leave a committed run as it was found."""

    def settle_runs(_: Path, __: Custody) -> Iterator[RolledForward]:
        return iter(())

    put_in_place_of(session, "_settle_runs", settle_runs)


def put_in_place_of(owner: object, name: str, value: object) -> None:
    """Plant ``value`` where ``name`` was; raises AttributeError where it is no more."""
    if not hasattr(owner, name):
        raise AttributeError(f"{owner} has no {name} to plant a bug in")
    setattr(owner, name, value)


LIBRARY = ("library save", "library batch", "library delete")
_ALL = ("session", "repair", "rebuild-index", "undo")
_EVERY = (*_ALL, "import", "migrate", "backup", "prune", "restore", *LIBRARY)
_REMOVING = ("session", "repair")
"""Commands whose scenarios remove entity files together with their rows."""
_ADDING = ("session",)
"""Commands whose scenarios add entity files together with their rows."""

MUTANTS = (
    Mutant("write in place", Action.TORN, (*_ALL, *LIBRARY), write_in_place),
    Mutant("unlink before rename", Action.KILL, _ALL, unlink_before_rename),
    Mutant("commit record in place", Action.TORN, _ALL, commit_in_place),
    Mutant("failed fsync swallowed", Action.EIO, _EVERY, swallow_fsync),
    Mutant("short write swallowed", Action.SHORT, _EVERY, swallow_short_writes),
    Mutant("applied before commit", Action.KILL, _ALL, apply_before_commit),
    Mutant("done before it is", Action.KILL, _ALL, done_before_apply),
    Mutant("deletions first", Action.KILL, _REMOVING, delete_first),
    Mutant("catalog first", Action.KILL, _ADDING, catalog_first),
    Mutant("old bytes not kept", Action.KILL, _ALL, forget_old_bytes),
    Mutant("no roll-forward", Action.KILL, _ALL, never_roll_forward),
)
