"""Restore: a snapshot into a new directory, or entities of one into a living store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from synthstore.backup.choosing import LATEST, choose
from synthstore.backup.laying import LaidOut, is_new, lay_out
from synthstore.backup.merging import Merge, Overwrite, Wanted, merge, wanted_rows
from synthstore.checks.finding import Finding, Severity
from synthstore.checks.report import Action
from synthstore.errors import InterruptedByUserError, OperationError, UsageError
from synthstore.layout.base import Layout
from synthstore.layout.detect import SUPPORTED
from synthstore.progress import Progress, SilentProgress
from synthstore.repair.holding import held
from synthstore.repository.manifest import Snapshot, Tree
from synthstore.repository.place import Place
from synthstore.repository.vault import Repository
from synthstore.scan.known import NOTHING, Known
from synthstore.store.backups import DEFAULT_COPIES, Copies, keep_own_copy
from synthstore.store.evidence import recognise
from synthstore.store.opening import Clock, find_root
from synthstore.store.runs import CATALOG, FilesChanged
from synthstore.store.session import RunResult, Session
from synthstore.verify import LookOptions, look

TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOptions:
    """What to restore, and over what."""

    name: str | None = None
    snapshot: str = LATEST
    ids: frozenset[str] = frozenset()
    """Entities to restore; empty: all."""
    overwrite: Overwrite = "never"
    dry_run: bool = False
    lock_wait: float = 0.0
    jobs: int | None = None
    layout: str | None = None
    copies: Copies = DEFAULT_COPIES
    """Of the catalog, taken before a living store's is replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """What a restore did, or would do."""

    store: str
    repository: str
    snapshot: Snapshot
    dry_run: bool
    into: str
    """``new directory`` or ``living store``."""
    files: int
    """Files written."""
    bytes: int
    run: str | None = None
    actions: tuple[Action, ...] = ()
    lost: Mapping[str, str] = field(default_factory=dict)
    """Files that the repository could not give back, and why."""
    findings: tuple[Finding, ...] = ()
    """What the verification found that the restore is to answer for."""
    started_at: str
    elapsed_seconds: float

    @property
    def exit_code(self) -> int:
        """3 for what is lost, 1 for errors that were not in the snapshot, else 0."""
        if self.lost:
            return 3
        return 1 if any(one.severity is Severity.ERROR for one in self.findings) else 0


Confirm = Callable[[RestoreReport], bool]


async def restore(
    target: Path,
    place: Place,
    options: RestoreOptions,
    *,
    confirm: Confirm,
    progress: Progress | None = None,
) -> RestoreReport:
    """Restore into ``target``; ``confirm`` is shown what happens to a living store.

    Raises UsageError, NotAStoreError, RefusedError, LockedError, OperationError.
    """
    clock = Clock()
    with ExitStack() as held:
        reading = Repository.reading(place, options.lock_wait)
        repository = await asyncio.to_thread(held.enter_context, reading)
        snapshots = await asyncio.to_thread(repository.snapshots)
        whole = await asyncio.to_thread(target.resolve)
        snapshot = choose(snapshots, options.snapshot, options.name, whole.name)
        tree = await asyncio.to_thread(repository.tree, snapshot)
        job = _Job(target, repository, snapshot, tree, options, progress or SilentProgress(), clock)
        if not is_new(target):
            return await job.into_store(confirm)
        if options.ids:
            raise UsageError(
                f"{target} is no store to put single entities into",
                hint="leave --id out to restore the whole snapshot there",
            )
        return await job.into_new()


@dataclass(frozen=True, slots=True)
class _Job:
    target: Path
    repository: Repository
    snapshot: Snapshot
    tree: Tree
    options: RestoreOptions
    progress: Progress
    clock: Clock

    async def into_new(self) -> RestoreReport:
        report = self._report("new directory", len(self.tree.files), self.snapshot.bytes)
        if self.options.dry_run:
            return report
        target = await asyncio.to_thread(self.target.resolve)
        kind = SUPPORTED.get(self.snapshot.layout)
        # No need to recognise it: the same bytes had this layout when the snapshot was taken.
        layout = kind() if kind is not None else None
        laid = await asyncio.to_thread(
            lay_out,
            self.repository,
            self.tree,
            target,
            layout,
            jobs=self.options.jobs,
            progress=self.progress,
        )
        try:
            findings = await self._settled(laid, target, layout)
        finally:
            await asyncio.to_thread(laid.close)
        return replace(
            report,
            files=len(self.tree.files) - len(laid.lost),
            lost=laid.lost,
            findings=findings,
            elapsed_seconds=self.clock.elapsed(),
        )

    async def _settled(
        self, laid: LaidOut, target: Path, layout: Layout | None
    ) -> tuple[Finding, ...]:
        """Verify the new store while the disk takes it in, and give it its name."""
        syncing = asyncio.create_task(asyncio.to_thread(laid.sync))
        try:
            findings = await self._verified(laid.aside, layout, laid.known) if layout else ()
        finally:
            await syncing
        await asyncio.to_thread(laid.place)
        # What is told of a store names it by the place that it has in the end.
        return await self._verified(target, layout) if layout and findings else findings

    async def _verified(
        self, where: Path, layout: Layout, known: Known = NOTHING
    ) -> tuple[Finding, ...]:
        """What is wrong with the new store though nothing of the kind was in the source."""
        # What a library had not folded when the snapshot was taken, whoever opens it settles.
        seen = await look(where, layout, replace(self._look, held=True), self.progress, known)
        there = self.snapshot.findings
        return tuple(one for one in seen.findings if one.code not in there)

    @property
    def _look(self) -> LookOptions:
        return LookOptions(jobs=self.options.jobs, layout=self.options.layout)

    async def into_store(self, confirm: Confirm) -> RestoreReport:
        root = find_root(self.target)
        layout = await asyncio.to_thread(recognise, root, self.options.layout)
        if layout.name != self.snapshot.layout:
            raise UsageError(
                f"the snapshot is of a {self.snapshot.layout} store, {self.target} is"
                f" {layout.name}",
                hint="restore it into a new directory, and migrate that",
            )
        wanted = wanted_rows(layout, self.tree.files, self.options.ids, self.snapshot)
        if self.options.dry_run:
            outcome, _ = await self._plan(root, layout, wanted)
            return self._of(outcome)
        async with held(root, wait=self.options.lock_wait, command="restore") as session:
            return await self._under_lock(session, root, layout, wanted, confirm)

    async def _plan(self, root: Path, layout: Layout, wanted: list[Wanted]) -> tuple[Merge, Known]:
        """What to do, and what the look before it learned of the files that stay."""
        seen = await look(root, layout, self._look, self.progress)
        outcome = await asyncio.to_thread(
            merge, root, seen.inventory, self.repository, wanted, self.options.overwrite
        )
        return outcome, Known.of(seen.inventory)

    async def _under_lock(
        self,
        session: Session,
        root: Path,
        layout: Layout,
        wanted: list[Wanted],
        confirm: Confirm,
    ) -> RestoreReport:
        confirmed = False
        for _ in range(TRIES):
            outcome, known = await self._plan(root, layout, wanted)
            report = self._of(outcome)
            if not outcome.changes:
                return report
            if not confirmed and not confirm(report):
                raise InterruptedByUserError("declined; nothing was changed")
            confirmed = True
            try:
                result = await asyncio.to_thread(self._run, session, layout, outcome)
            except FilesChanged:
                continue
            ids = {(ref.kind, ref.id) for ref in outcome.refs}
            # The new catalog and vectors go before their like is read again.
            del outcome
            after = await look(root, layout, self._look, self.progress, known)
            about = [f for f in after.findings if (f.subject.kind, f.subject.id) in ids]
            return replace(
                report,
                run=result.run,
                actions=_done(report.actions, frozenset(result.conflicts)),
                findings=tuple(about),
                elapsed_seconds=self.clock.elapsed(),
            )
        raise OperationError(
            "the store kept changing while it was restored into",
            hint="stop the Memory Core that writes to it, then run the command again",
        )

    def _run(self, session: Session, layout: Layout, outcome: Merge) -> RunResult:
        if any(change.order == CATALOG for change in outcome.changes):
            keep_own_copy(session, layout, self.options.copies)
        note = {"snapshot": self.snapshot.id}
        return session.run("restore", outcome.changes, note=note, progress=self.progress)

    def _of(self, outcome: Merge) -> RestoreReport:
        files = sum(action.kind in _WRITES for action in _open(outcome.actions))
        report = self._report("living store", files, outcome.bytes_needed)
        return replace(report, actions=tuple(outcome.actions), lost=outcome.lost)

    def _report(self, into: str, files: int, size: int) -> RestoreReport:
        return RestoreReport(
            store=str(self.target),
            repository=self.repository.place.where,
            snapshot=self.snapshot,
            dry_run=self.options.dry_run,
            into=into,
            files=files,
            bytes=size,
            started_at=self.clock.started_at,
            elapsed_seconds=self.clock.elapsed(),
        )


_WRITES = ("restore-file", "replace-file")


def _open(actions: list[Action]) -> list[Action]:
    return [action for action in actions if action.status == "planned"]


def _done(actions: tuple[Action, ...], conflicts: frozenset[str]) -> tuple[Action, ...]:
    return tuple(
        replace(action, status="skipped", because="it changed while the restore ran")
        if action.path in conflicts
        else replace(action, status="done" if action.status == "planned" else action.status)
        for action in actions
    )
