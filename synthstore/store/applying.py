"""The second half of a run: its committed plan brought about, by hash, as often as it takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from synthstore.errors import OperationError
from synthstore.files.durable import hash_file, remove_tree
from synthstore.files.inside import Tree, split
from synthstore.shell import cited, path_word
from synthstore.store.admission import Custody
from synthstore.store.items import Item
from synthstore.store.journal import Done, RunFolder
from synthstore.store.plan import Plan


def complete(folder: RunFolder, plan: Plan, custody: Custody, *, again: bool = False) -> Done:
    """Bring about what ``plan`` says and record that it is done.

    ``again``: another process staged it, so the staged files are proved once more.
    Raises OperationError where the system fails; the next session then goes on from there.
    """
    with completable(folder.root):
        done = _apply(folder, plan, custody, again=again)
        folder.finish(done, custody)
    _tidy(folder, plan, done)
    return done


@contextmanager
def completable(root: Path) -> Iterator[None]:
    """Say of an error met from the commit on that the next session completes the run."""
    try:
        yield
    except OperationError as error:
        then = f"then {cited(f'synthstore repair {path_word(root)}')} completes it"
        error.hint = f"{error.hint or 'look at the disk'}; {then}"
        raise


def _tidy(folder: RunFolder, plan: Plan, done: Done) -> None:
    """Remove what conflicts left staged; the run is done, so failing at that changes nothing."""
    left = frozenset(done.conflicts)
    with suppress(OperationError):
        for item in plan.items if left else ():
            if item.path in left:
                folder.forget(item.slot)
        remove_tree(folder.new)


def _apply(folder: RunFolder, plan: Plan, custody: Custody, *, again: bool) -> Done:
    with Tree(folder.root) as tree:
        for path in plan.made:
            _make(tree, path, custody)
        new, unproved = folder.new, folder if again else None
        conflicts = tuple(
            item.path
            for item in plan.items
            if not _settle(tree, item, f"{new}/{item.slot}", unproved)
        )
        # All of them, for a process that was killed may have changed them without any fsync.
        for touched in sorted({split(path)[0] for path in _paths(plan)}):
            tree.sync(touched)
        for path in plan.dropped:
            tree.drop_folder(path)
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


def _paths(plan: Plan) -> Iterator[str]:
    yield from plan.made
    yield from plan.items.paths


def _make(tree: Tree, path: str, custody: Custody) -> None:
    # Where a link or a file has taken the parent's place, the items below it become conflicts.
    if tree.has_folder(split(path)[0]):
        tree.make_folder(path, custody.folder_mode, custody.uid, custody.gid)


def _settle(tree: Tree, item: Item, staged: str, unproved: RunFolder | None) -> bool:
    """Give one path its new state; False for a conflict, which is left as it is.

    ``unproved`` is the run whose staged files another process wrote.
    """
    found = tree.find(item.path)
    if found.irregular or (item.new is not None and not tree.has_folder(split(item.path)[0])):
        return False
    if found.sha256 == (item.new.sha256 if item.new else None):
        return True
    if found.sha256 != (item.old.sha256 if item.old else None):
        return False
    if item.new is None:
        tree.take(item.path)
        return True
    if unproved is not None and hash_file(staged) != item.new.sha256:
        raise OperationError(
            f"{staged} is damaged; the run {unproved.run} cannot be completed",
            hint=f"move {unproved.path} out of the store",
        )
    tree.put(item.path, staged)
    return True
