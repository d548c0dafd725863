"""One writer's hold on a store: the lock, the recovery, and runs by the one protocol.

The store is untouched until a plan is committed, and from then on it ends in the planned state,
whoever is killed on the way: what a session finds committed it completes, what it finds begun it
removes. Nothing is ever rolled back; undo is a run like any other.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from synthstore.errors import OperationError
from synthstore.files.durable import remove_tree
from synthstore.files.inside import Tree
from synthstore.files.lock import Lock
from synthstore.layout.base import OWN_FOLDER
from synthstore.store.admission import Custody, admit
from synthstore.store.applying import completable, complete
from synthstore.store.history import list_runs
from synthstore.store.journal import (
    COMMITTED,
    DONE,
    LOCK,
    RUNS,
    Done,
    RunFolder,
    next_run,
    run_folders,
)
from synthstore.store.plan import Change, Item, Plan, require_sound
from synthstore.store.retention import (
    Pruned,
    expendable,
    remove_quarantines,
    remove_runs,
    to_prune,
)
from synthstore.store.staging import (
    Stage,
    check_room,
    missing_folders,
    require_access,
    stage,
    survey,
)
from synthstore.store.undoing import made_folders

_log = logging.getLogger("synthstore")


@dataclass(frozen=True, slots=True)
class RolledForward:
    """A run of an earlier session that this one completed."""

    run: str
    command: str
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunResult:
    """What became of one run."""

    run: str | None
    """None where nothing was to be changed; nothing is recorded then."""
    applied: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    """Paths that changed between commit and apply, and were left."""


@dataclass(frozen=True, slots=True)
class _Intent:
    """What a run is for, beside its changes."""

    command: str
    note: Mapping[str, object]
    undoes: str | None


class Session:
    """An open store, as a context manager; the constructor touches nothing."""

    def __init__(self, root: Path, *, wait: float = 0.0, command: str | None = None) -> None:
        self.root = root
        self.recovered: tuple[RolledForward, ...] = ()
        self._wait = wait
        self._command = command
        self._held: tuple[Lock, Custody] | None = None

    @classmethod
    def open(cls, root: Path, *, wait: float = 0.0, command: str | None = None) -> Self:
        """Make ``.synthstore``, take the lock, and settle what earlier sessions left.

        Raises LockedError after ``wait`` seconds, PermissionDeniedError for a store that is not
        safely ours to write, OperationError where the system fails.
        """
        return cls(root, wait=wait, command=command).__enter__()

    def __enter__(self) -> Self:
        custody = admit(self.root)
        custody.make_private(self.root / OWN_FOLDER)
        lock = Lock(self.root / LOCK, command=self._command, uid=custody.uid, gid=custody.gid)
        lock.acquire(self._wait)
        with ExitStack() as undo:
            undo.callback(lock.release)
            custody.make_private(self.root / RUNS)
            self.recovered = tuple(_settle_runs(self.root, custody))
            undo.pop_all()
        self._held = lock, custody
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the store go; closing twice is fine."""
        if self._held is not None:
            self._held[0].release()
            self._held = None

    def run(
        self,
        command: str,
        changes: Sequence[Change],
        *,
        note: Mapping[str, object] | None = None,
        undoes: str | None = None,
    ) -> RunResult:
        """Carry out ``changes`` as one undoable run; ``undoes`` names the run that they take back.

        Raises FilesChanged, DiskFullError and the like with the store untouched; an OperationError
        that comes later leaves a committed run, which the next session completes.
        """
        custody = self._custody()
        require_sound(changes)
        intent = _Intent(command, dict(note or {}), undoes)
        with Tree(self.root) as tree:
            prepared = self._prepare(tree, intent, [c for c in changes if not c.idle], custody)
        if prepared is None:
            return RunResult(None)
        folder, plan = prepared
        with completable():
            folder.seal()
        done = complete(folder, plan, custody)
        self._retire()
        return _result(plan.items, done)

    def _custody(self) -> Custody:
        if self._held is None:
            raise ValueError("the session is not open")
        return self._held[1]

    def _prepare(
        self, tree: Tree, intent: _Intent, changes: Sequence[Change], custody: Custody
    ) -> tuple[RunFolder, Plan] | None:
        """Stage a run up to its commit; None, and no trace, where no byte would change."""
        wishes = survey(tree, changes)
        require_access(tree, wishes)
        check_room(self.root, wishes)
        if not wishes:
            return None
        now = datetime.now(UTC)
        names = [folder.run for folder in run_folders(self.root)]
        folder = RunFolder(self.root, next_run(names, now))
        with ExitStack() as undo:
            undo.callback(_abandon, folder)
            items = stage(Stage(tree, folder, custody), wishes)
            if not items:
                return None
            plan = Plan(
                run=folder.run,
                command=intent.command,
                started_at=f"{now:%Y-%m-%dT%H:%M:%S.%fZ}",
                items=items,
                made=missing_folders(tree, wishes),
                dropped=made_folders(self.root, intent.undoes) if intent.undoes else (),
                undoes=intent.undoes,
                note=intent.note,
            )
            folder.write_plan(plan, custody)
            undo.pop_all()
        return folder, plan

    def _retire(self) -> None:
        """Forget runs beyond what is kept; failing at that is no failure of the run."""
        try:
            going = expendable(list_runs(self.root), datetime.now(UTC))
            remove_runs(self.root, [run.run for run in going])
        except OperationError as error:
            _log.warning("old runs could not be removed: %s", error.message)

    def prune(self) -> Pruned:
        """Remove the runs that need not be kept, and the quarantine of runs that are gone."""
        self._custody()
        going = to_prune(self.root)
        remove_runs(self.root, going.removed)
        remove_quarantines(self.root, going.quarantines)
        return going


def _settle_runs(root: Path, custody: Custody) -> Iterator[RolledForward]:
    """Remove what was never committed, complete what was."""
    for folder in run_folders(root):
        if not folder.has(COMMITTED):
            _remove(folder)
        elif not folder.has(DONE):
            done = complete(folder, folder.plan(), custody, again=True)
            yield RolledForward(folder.run, done.command, done.conflicts)


def _remove(folder: RunFolder) -> None:
    remove_tree(folder.quarantine)
    remove_tree(folder.path)


def _abandon(folder: RunFolder) -> None:
    # The next session removes what is left of it.
    with suppress(OperationError):
        _remove(folder)


def _result(items: Sequence[Item], done: Done) -> RunResult:
    left = frozenset(done.conflicts)
    applied = tuple(item.path for item in items if item.path not in left)
    return RunResult(done.run, applied, done.conflicts)
