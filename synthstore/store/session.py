"""One writer's hold on a store: the lock, the recovery, and runs by the one protocol.

The store is untouched until a plan is committed, and from then on it ends in the planned state,
whoever is killed on the way: what a session finds committed it completes, what it finds begun it
removes. Nothing is ever rolled back; undo is a run like any other.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Self

from synthstore.errors import OperationError, SynthstoreError
from synthstore.files.lock import Lock
from synthstore.layout.base import OWN_FOLDER
from synthstore.progress import Progress, SilentProgress
from synthstore.store.admission import Custody, admit
from synthstore.store.applying import completable, complete
from synthstore.store.changes import has_pending
from synthstore.store.history import list_runs
from synthstore.store.journal import (
    COMMITTED,
    DONE,
    LOCK,
    RUNS,
    WRITE_LOCK,
    Done,
    RunFolder,
    run_folders,
)
from synthstore.store.plan import Change, Plan
from synthstore.store.preparing import Intent, Preparation, abandon, remove_run
from synthstore.store.retention import (
    Pruned,
    expendable,
    remove_quarantines,
    remove_runs,
    to_prune,
)

_log = logging.getLogger("synthstore")

CHANGE_WAIT = 60.0
"""Seconds that one library waits for the change of another: a full repair may take that long."""

_CHANGE_PAUSE = 0.001


@dataclass(frozen=True, slots=True)
class RolledForward:
    """A run of an earlier session that this one completed."""

    run: str
    command: str
    conflicts: tuple[str, ...] = ()
    undoes: str | None = None
    """The run that it took back."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """What became of one run."""

    run: str | None
    """None where nothing was to be changed; nothing is recorded then."""
    applied: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    """Paths that changed between commit and apply, and were left."""


class Session:
    """An open store, as a context manager; the constructor touches nothing.

    A command's is exclusive. Libraries share a store, and change it in turn within ``changing``.
    """

    def __init__(
        self, root: Path, *, wait: float = 0.0, command: str | None = None, shared: bool = False
    ) -> None:
        self.root = root
        self.recovered: tuple[RolledForward, ...] = ()
        self._wait = wait
        self._command = command
        self._shared = shared
        self._held: tuple[Lock, Custody] | None = None
        self._changing: Lock | None = None
        self._running = RLock()
        """Ctrl-C leaves a thread at work; the lock must not be let go before it has ended."""
        self._preparing: Preparation | None = None

    @classmethod
    def open(
        cls, root: Path, *, wait: float = 0.0, command: str | None = None, shared: bool = False
    ) -> Self:
        """Make ``.synthstore``, take the lock, and settle what earlier sessions left.

        Raises LockedError after ``wait`` seconds, PermissionDeniedError for a store that is not
        safely ours to write, OperationError where the system fails.
        """
        return cls(root, wait=wait, command=command, shared=shared).__enter__()

    def __enter__(self) -> Self:
        if self._held is not None:
            return self
        custody = admit(self.root)
        custody.make_private(self.root / OWN_FOLDER)
        lock = self._lock(LOCK, custody, shared=self._shared)
        lock.acquire(self._wait)
        with ExitStack() as undo:
            self._held = lock, custody
            undo.callback(self.close)
            custody.make_private(self.root / RUNS)
            if self._shared:
                with self.changing():
                    self._settle(custody)
            else:
                self._settle(custody)
                self._settle_changes()
            undo.pop_all()
        return self

    def _lock(self, path: str, custody: Custody, *, shared: bool = False) -> Lock:
        return Lock(
            self.root / path,
            shared=shared,
            command=self._command,
            uid=custody.uid,
            gid=custody.gid,
            pause=_CHANGE_PAUSE,
            # Signing costs as much as a small save: some file systems flush what was truncated.
            signed=path != WRITE_LOCK,
        )

    @contextmanager
    def changing(self, wait: float = CHANGE_WAIT) -> Iterator[Custody]:
        """Be the only library that changes the store, for as long as the body lasts."""
        custody = self.custody
        lock = self._lock(WRITE_LOCK, custody)
        lock.acquire(wait)
        self._changing = lock
        try:
            yield custody
        finally:
            self._changing = None
            lock.release()

    def _settle(self, custody: Custody) -> None:
        self.recovered += tuple(_settle_runs(self.root, custody))

    def _settle_changes(self) -> None:
        """Fold what a library left in its log when it died; failing at that stops no command."""
        if not has_pending(self.root):
            return
        # Only where there is something to fold is numpy worth importing.
        from synthstore.store.folding import fold_left_over  # noqa: PLC0415

        try:
            fold_left_over(self)
        except SynthstoreError as error:
            _log.warning("pending changes could not be folded: %s", error.message)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the store go, once a run that another thread is in has ended; twice is fine."""
        with self._running:
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
        emptied: Sequence[str] = (),
        progress: Progress = SilentProgress(),  # noqa: B008 - it has no state
    ) -> RunResult:
        """Carry out ``changes`` as one undoable run; ``undoes`` names the run that they take back.

        Folders that they leave empty go if they are among the ``emptied``. Raises FilesChanged,
        DiskFullError, what ``progress`` raises to stop it, and the like with the store untouched;
        an OperationError that comes later leaves a committed run, which the next session completes.
        """
        progress.start("staging", len(changes))
        intent = Intent(command, dict(note or {}), undoes, tuple(emptied))
        with self._running:
            return self._run(intent, (changes,), progress)

    def run_batches(
        self,
        command: str,
        batches: Iterable[Sequence[Change]],
        *,
        note: Mapping[str, object] | None = None,
        undoes: str | None = None,
        progress: Progress = SilentProgress(),  # noqa: B008 - it has no state
    ) -> RunResult:
        """As ``run``, for changes that come batch by batch, so that never all of them are held.

        Each batch is staged before the next one is asked for, which may look at it, and stage files
        of its own, by ``making``; the store is untouched until all are. What ``batches`` raises
        ends the run without a trace.
        """
        with self._running:
            return self._run(Intent(command, dict(note or {}), undoes, ()), batches, progress)

    def _run(
        self, intent: Intent, batches: Iterable[Sequence[Change]], progress: Progress
    ) -> RunResult:
        custody = self.custody
        if self._shared:
            if self._changing is None:
                raise ValueError("a shared session changes a store only within changing()")
            # What another library left when it died comes first.
            self._settle(custody)
        self._preparing = Preparation(self.root, custody, intent, progress)
        try:
            prepared = self._preparing.prepare(batches)
        finally:
            self._preparing = None
        if prepared is None:
            return RunResult(None)
        folder, plan = prepared
        _commit(folder)
        done = complete(folder, plan, custody)
        self._retire()
        return _result(plan, done)

    @property
    def making(self) -> Preparation:
        """The run in the making, for whoever makes its batches; ValueError where none is."""
        if self._preparing is None:
            raise ValueError("no run is in the making")
        return self._preparing

    @property
    def custody(self) -> Custody:
        """Who owns what is made here; raises ValueError where the session is not open."""
        if self._held is None:
            raise ValueError("the session is not open")
        return self._held[1]

    def _retire(self) -> None:
        """Forget runs beyond what is kept; failing at that is no failure of the run."""
        try:
            going = expendable(list_runs(self.root), datetime.now(UTC))
            remove_runs(self.root, [run.run for run in going])
        except OperationError as error:
            _log.warning("old runs could not be removed: %s", error.message)

    def prune(self) -> Pruned:
        """Remove the runs that need not be kept, and the quarantine of runs that are gone."""
        _ = self.custody
        going = to_prune(self.root)
        remove_runs(self.root, going.removed)
        remove_quarantines(self.root, going.quarantines)
        return going


def _commit(folder: RunFolder) -> None:
    try:
        folder.seal()
    except OperationError:
        with completable(folder.root):
            if folder.has(COMMITTED):
                raise
        # Nobody would complete it, and where room is short what is staged must not keep any.
        abandon(folder)
        raise


def _settle_runs(root: Path, custody: Custody) -> Iterator[RolledForward]:
    """Remove what was never committed, complete what was."""
    for folder in run_folders(root):
        if not folder.has(COMMITTED):
            remove_run(folder)
        elif not folder.has(DONE):
            done = complete(folder, folder.plan(), custody, again=True)
            yield RolledForward(folder.run, done.command, done.conflicts, done.undoes)


def _result(plan: Plan, done: Done) -> RunResult:
    left = frozenset(done.conflicts)
    applied = tuple(path for path in plan.items.paths if path not in left)
    return RunResult(done.run, applied, done.conflicts)
