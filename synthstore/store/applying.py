"""The second half of a run: its committed plan brought about, by hash, as often as it takes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from synthstore.errors import OperationError
from synthstore.files.durable import hash_file, remove_tree
from synthstore.files.inside import drop_folder, find, make_folder, put, split, sync, take
from synthstore.files.walk import is_folder
from synthstore.store.admission import Custody
from synthstore.store.journal import Done, RunFolder
from synthstore.store.plan import Item, Plan


def complete(folder: RunFolder, plan: Plan, custody: Custody) -> Done:
    """Bring about what ``plan`` says and record that it is done.

    Raises OperationError where the system fails; the next session then goes on from there.
    """
    try:
        done = _apply(folder, plan, custody)
        folder.finish(done, custody)
    except OperationError as error:
        error.hint = f"{error.hint or 'look at the disk'}; then 'synthstore repair' completes it"
        raise
    _tidy(folder, plan, done)
    return done


def _tidy(folder: RunFolder, plan: Plan, done: Done) -> None:
    """Remove what conflicts left staged; the run is done, so failing at that changes nothing."""
    left = frozenset(done.conflicts)
    with suppress(OperationError):
        for item in plan.items:
            if item.path in left:
                folder.forget(item.slot)
        remove_tree(folder.new)


def _apply(folder: RunFolder, plan: Plan, custody: Custody) -> Done:
    root = folder.root
    for path in plan.made:
        _make(root, path, custody)
    conflicts = tuple(item.path for item in plan.items if not _settle(folder, item))
    for touched in sorted({split(item.path)[0] for item in plan.items}):
        sync(root, touched)
    for path in plan.dropped:
        drop_folder(root, path)
    return Done(
        run=plan.run,
        command=plan.command,
        started_at=plan.started_at,
        files=len(plan.items),
        bytes=plan.bytes,
        applied=len(plan.items) - len(conflicts),
        conflicts=conflicts,
        undoes=plan.undoes,
    )


def _make(root: Path, path: str, custody: Custody) -> None:
    # Where a link or a file has taken the parent's place, the items below it become conflicts.
    if is_folder(root, split(path)[0]):
        make_folder(root, path, custody.folder_mode, custody.uid, custody.gid)


def _settle(folder: RunFolder, item: Item) -> bool:
    """Give one path its new state; False for a conflict, which is left as it is."""
    root = folder.root
    found = find(root, item.path)
    if found.irregular or not _reachable(root, item):
        return False
    if found.sha256 == (item.new.sha256 if item.new else None):
        return True
    if found.sha256 != (item.old.sha256 if item.old else None):
        return False
    if item.new is None:
        take(root, item.path)
    else:
        put(root, item.path, _verified(folder, item.slot, item.new.sha256))
    return True


def _reachable(root: Path, item: Item) -> bool:
    return item.new is None or is_folder(root, split(item.path)[0])


def _verified(folder: RunFolder, slot: int, sha256: str) -> Path:
    """The staged file, once more proved to be what was committed to."""
    staged = folder.new / str(slot)
    if hash_file(staged) != sha256:
        raise OperationError(
            f"{staged} is damaged; the run {folder.run} cannot be completed",
            hint=f"move {folder.path} out of the store",
        )
    return staged
