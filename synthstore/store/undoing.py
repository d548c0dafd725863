"""What gives a run's files back: changes for a run of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from synthstore.errors import OperationError, RefusedError, UsageError
from synthstore.files.durable import copier, hash_file
from synthstore.files.inside import Found, Tree
from synthstore.shell import path_word
from synthstore.store.history import FOLD, RunInfo, list_runs
from synthstore.store.items import Copy, Item
from synthstore.store.journal import RunFolder, run_folders
from synthstore.store.plan import ENTITY, REMOVAL, Change


def newest_undoable(root: Path) -> str:
    """The newest finished run that is neither undone nor an undo; UsageError if there is none.

    A fold is passed over: nobody asked for it, and without it the files are still as saved.
    """
    for run in reversed(list_runs(root)):
        if run.state == "done" and run.undoes is None and run.command != FOLD:
            return run.run
    raise UsageError(
        f"no run to undo in {root}: none was recorded, or all are undone",
        hint=f"an undo itself is taken back by its run's id, from: {_listing(root)}",
    )


def _listing(root: Path) -> str:
    return f"synthstore undo {path_word(root)} --list"


def find_run(root: Path, run: str) -> RunInfo:
    """The run called ``run``; UsageError where it is unknown, unfinished or already undone."""
    known = {info.run: info for info in list_runs(root)}
    if run not in known:
        raise UsageError(f"no run {run} in {root}", hint=f"list them with: {_listing(root)}")
    if known[run].state == "unfinished":
        raise UsageError(f"run {run} is not finished", hint="finish it with: synthstore repair")
    if known[run].state == "undone":
        raise UsageError(f"run {run} is undone already", hint="undo the undo to redo it")
    return known[run]


def undo_changes(root: Path, run: str, *, force: bool = False) -> list[Change]:
    """What gives back the state before ``run``.

    Raises RefusedError naming the files that have changed since, unless ``force``; what stands in
    a file's place without being a file is refused in any case. Raises UsageError for a run that
    cannot be undone.
    """
    find_run(root, run)
    folder = RunFolder(root, run)
    left = frozenset(folder.done().conflicts)
    items = [item for item in folder.plan().items if item.path not in left]
    with Tree(root) as tree:
        found = {item.path: tree.find(item.path) for item in items}
    _refuse(run, [item.path for item in items if found[item.path].irregular], forcible=False)
    if not force:
        _refuse(run, [i.path for i in items if not _untouched(i, found[i.path])], forcible=True)
    return list(_changes(folder, items, found))


def _untouched(item: Item, found: Found) -> bool:
    return found.sha256 in (_sha256(item.new), _sha256(item.old))


def _sha256(copy: Copy | None) -> str | None:
    return None if copy is None else copy.sha256


def _refuse(run: str, paths: Sequence[str], *, forcible: bool) -> None:
    if not paths:
        return
    shown = ", ".join(paths[:10]) + (f" and {len(paths) - 10} more" if paths[10:] else "")
    if forcible:
        raise RefusedError(
            f"changed since run {run}: {shown}",
            hint="undo all the same with --force; what they hold now is kept by the undo's own run",
        )
    raise RefusedError(
        f"no regular file any more: {shown}", hint="move them out of the way, then try again"
    )


def _changes(folder: RunFolder, items: list[Item], found: dict[str, Found]) -> Iterator[Change]:
    for item in items:
        now = found[item.path].sha256
        if now != _sha256(item.old):
            yield _back(folder, item, now)


def _back(folder: RunFolder, item: Item, now: str | None) -> Change:
    if item.old is None:
        return Change(item.path, now, None, REMOVAL)
    root_runs = os.geteuid() == 0
    return Change(
        item.path,
        now,
        _proven(folder.old / str(item.slot), item.old.sha256),
        ENTITY if item.order == REMOVAL else item.order,
        mode=item.old.mode,
        uid=item.old.uid if root_runs else None,
        gid=item.old.gid if root_runs else None,
        mtime_ns=item.old.mtime_ns,
        size=item.old.size,
    )


def _proven(pre_image: Path, sha256: str) -> Callable[[BinaryIO], None]:
    """Content that streams a pre-image, provided that it is still what was kept."""

    def send(out: BinaryIO) -> None:
        if hash_file(pre_image) != sha256:
            raise OperationError(
                f"the kept copy {pre_image} is damaged", hint="take the file from a snapshot"
            )
        copier(pre_image)(out)

    return send


def made_folders(root: Path, run: str) -> tuple[str, ...]:
    """The folders that ``run`` made, innermost first."""
    if not any(folder.run == run for folder in run_folders(root)):
        return ()
    return tuple(reversed(RunFolder(root, run).plan().made))
