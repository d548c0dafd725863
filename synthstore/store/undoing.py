"""What gives a run's files back: changes for a run of its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from synthstore.errors import (
    OperationError,
    PermissionDeniedError,
    RefusedError,
    SynthstoreError,
    UsageError,
)
from synthstore.files.durable import copier, hash_file
from synthstore.files.inside import Tree
from synthstore.layout.base import Place
from synthstore.shell import cited, path_word, word
from synthstore.store.evidence import recognise
from synthstore.store.foreseen import Foreseen, Hashes, sha256_of
from synthstore.store.history import FOLD, RunInfo, list_runs
from synthstore.store.items import Item
from synthstore.store.journal import DONE, RunFolder, run_folders
from synthstore.store.plan import ENTITY, REMOVAL, Change


def newest_undoable(root: Path, ahead: Foreseen | None = None) -> str:
    """The newest finished run that is neither undone nor an undo; UsageError if there is none.

    A fold is passed over: nobody asked for it, and without it the files are still as saved.
    """
    for run in reversed(_runs(root, ahead)):
        if run.state == "done" and run.undoes is None and run.command != FOLD:
            return run.run
    raise UsageError(
        f"no run to undo in {root}: none was recorded, or all are undone",
        hint=f"an undo itself is taken back by its run's id, from: {_listing(root)}",
    )


def _listing(root: Path) -> str:
    return f"synthstore undo {path_word(root)} --list"


def _runs(root: Path, ahead: Foreseen | None) -> Sequence[RunInfo]:
    return list_runs(root) if ahead is None else ahead.runs


def find_run(root: Path, run: str, ahead: Foreseen | None = None) -> RunInfo:
    """The run called ``run``; UsageError where it is unknown, unfinished or already undone."""
    known = {info.run: info for info in _runs(root, ahead)}
    if run not in known:
        raise UsageError(f"no run {run} in {root}", hint=f"list them with: {_listing(root)}")
    if known[run].state == "unfinished":
        raise UsageError(
            f"run {run} is not finished",
            hint=f"finish it with: synthstore repair {path_word(root)}",
        )
    if known[run].state == "undone":
        raise UsageError(f"run {run} is undone already", hint="undo the undo to redo it")
    return known[run]


@dataclass(frozen=True, slots=True)
class Reversal:
    """What gives a run's files back."""

    changes: list[Change]
    damaged: tuple[str, ...] = ()
    """Files that stay as they are: what was kept of them is not what it was."""


def undo_changes(
    root: Path, run: str, *, force: bool = False, ahead: Foreseen | None = None
) -> Reversal:
    """What gives back the state before ``run``, from the state ``ahead`` or else from that of now.

    Raises RefusedError naming the files that have changed since, OperationError those whose kept
    copy is damaged, neither if ``force``; what stands in a file's place without being a file is
    refused in any case. Raises UsageError for a run that cannot be undone.
    """
    info, folder = find_run(root, run, ahead), RunFolder(root, run)
    left = frozenset(folder.done().conflicts if folder.has(DONE) else info.conflicts)
    items = [item for item in folder.plan().items if item.path not in left]
    now = _hashes(root, items, {} if ahead is None else ahead.hashes)
    if not force:
        _refuse_changed(run, [i.path for i in items if not _untouched(i, now[i.path])])
    items = [item for item in items if now[item.path] != sha256_of(item.old)]
    damaged = [item for item in items if not _is_kept(folder, item)]
    if damaged and not force:
        raise _damaged(folder, damaged)
    left = frozenset(item.path for item in damaged)
    changes = [_back(folder, i, now[i.path]) for i in items if i.path not in left]
    return Reversal(changes, tuple(item.path for item in damaged))


def _hashes(root: Path, items: Sequence[Item], ahead: Hashes) -> Hashes:
    """What each path holds; RefusedError where that is no file."""
    with Tree(root) as tree:
        found = {item.path: tree.find(item.path) for item in items}
    _refuse_irregular([path for path, there in found.items() if there.irregular])
    return {path: ahead.get(path, there.sha256) for path, there in found.items()}


def _untouched(item: Item, now: str | None) -> bool:
    return now in (sha256_of(item.new), sha256_of(item.old))


def _refuse_changed(run: str, paths: Sequence[str]) -> None:
    if paths:
        raise RefusedError(
            f"changed since run {run}: {_some_of(paths)}",
            hint=(
                "undo all the same with --force; what they hold now is kept by the undo's own run"
            ),
        )


def _refuse_irregular(paths: Sequence[str]) -> None:
    if paths:
        raise RefusedError(
            f"no regular file any more: {_some_of(paths)}",
            hint="move them out of the way, then try again",
        )


def _some_of(paths: Sequence[str]) -> str:
    return ", ".join(paths[:10]) + (f" and {len(paths) - 10} more" if paths[10:] else "")


def _is_kept(folder: RunFolder, item: Item) -> bool:
    """Whether the bytes that are to be given back are still what was kept."""
    if item.old is None:
        return True
    try:
        return hash_file(_pre_image(folder, item)) == item.old.sha256
    except PermissionDeniedError:
        raise
    except OperationError:
        return False


def _pre_image(folder: RunFolder, item: Item) -> Path:
    return folder.old / str(item.slot)


def _damaged(folder: RunFolder, items: Sequence[Item]) -> OperationError:
    named = [f"{item.path} (kept as {_pre_image(folder, item)})" for item in items]
    lost = next(filter(None, (_entity_id(folder.root, item.path) for item in items)), None)
    search = cited(f"synthstore snapshots find {word(lost)} --repo REPO") if lost else ""
    find = f"; {search} tells who has it" if lost else ""
    return OperationError(
        f"the kept copies of these are damaged: {_some_of(named)}",
        hint=f"take back all the rest with --force{find}",
    )


def _entity_id(root: Path, path: str) -> str | None:
    """The id that the name of an entity's file stands for; None for other files."""
    with suppress(SynthstoreError):
        layout = recognise(root)
        if layout.place(path) in (Place.MEMORY, Place.ASSEMBLY):
            return layout.id_from_path(path)
    return None


def _back(folder: RunFolder, item: Item, now: str | None) -> Change:
    if item.old is None:
        return Change(item.path, now, None, REMOVAL)
    root_runs = os.geteuid() == 0
    return Change(
        item.path,
        now,
        copier(_pre_image(folder, item)),
        ENTITY if item.order == REMOVAL else item.order,
        mode=item.old.mode,
        uid=item.old.uid if root_runs else None,
        gid=item.old.gid if root_runs else None,
        mtime_ns=item.old.mtime_ns,
        size=item.old.size,
        sha256=item.old.sha256,
    )


def made_folders(root: Path, run: str) -> tuple[str, ...]:
    """The folders that ``run`` made, innermost first."""
    if not any(folder.run == run for folder in run_folders(root)):
        return ()
    return tuple(reversed(RunFolder(root, run).plan().made))
