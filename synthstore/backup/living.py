"""Entities of a snapshot restored into a living store, as one undoable run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from synthstore.backup.listing import kind_at, list_tree
from synthstore.backup.merging import Merge, Wanted, merge, wanted_rows
from synthstore.backup.restoring import Confirm, Job, RestoreReport
from synthstore.checks.finding import Finding, Severity
from synthstore.checks.report import Action
from synthstore.checks.standing import lost_folders
from synthstore.errors import InterruptedByUserError, OperationError, UsageError
from synthstore.files.walk import statuses
from synthstore.layout.base import Layout
from synthstore.repair.holding import held
from synthstore.repair.refusals import require_folders
from synthstore.repository.file_rows import FileRow
from synthstore.scan.known import Known
from synthstore.scan.workers import dismiss
from synthstore.store.backups import keep_own_copy
from synthstore.store.evidence import recognise
from synthstore.store.opening import find_root
from synthstore.store.runs import CATALOG, FilesChanged
from synthstore.store.session import RunResult, Session
from synthstore.verify import look

TRIES = 3

_WRITES = ("restore-file", "replace-file")


async def into_store(job: Job, confirm: Confirm) -> RestoreReport:
    """Restore what is wanted into a living store, as one run."""
    root = find_root(job.target)
    layout = await asyncio.to_thread(recognise, root, job.options.layout)
    if layout.name != job.snapshot.layout:
        raise UsageError(
            f"the snapshot is of a {job.snapshot.layout} store, {job.target} is {layout.name}",
            hint="restore it into a new directory, and migrate that",
        )
    tree = await asyncio.to_thread(job.repository.tree, job.snapshot)
    wanted = wanted_rows(
        layout, tree.files, job.options.ids, job.snapshot, job.repository.place.where
    )
    unrelated = not job.options.vouched and await asyncio.to_thread(
        _is_unrelated, root, layout, tree.files
    )
    # A look needs the memory.
    del tree
    job.repository.forget()
    living = _Living(job, root, layout, wanted, unrelated)
    if job.options.dry_run:
        outcome, *_ = await living.plan()
        return living.told(outcome)
    async with held(root, wait=job.options.lock_wait, command="restore") as session:
        return await living.under_lock(session, confirm)


def _is_unrelated(root: Path, layout: Layout, rows: Iterable[FileRow]) -> bool:
    """Whether a store has memories, and a snapshot of ``rows`` others."""
    memories = [row.path for row in rows if kind_at(layout, row.path) == "memory"]
    # The first of them tells, as a rule; only a store that lacks all of them is listed.
    if not memories or next(statuses(root, memories), None) is not None:
        return False
    return any(kind_at(layout, path) == "memory" for path in list_tree(root).files)


@dataclass(frozen=True, slots=True)
class _Living:
    """A store that is restored into."""

    job: Job
    root: Path
    layout: Layout
    wanted: list[Wanted]
    unrelated: bool

    async def plan(self) -> tuple[Merge, Known, int]:
        """What to do, and what the look before it learned: of the files that stay, and errors."""
        job = self.job
        seen = await look(self.root, self.layout, job.look, job.progress)
        # What the rules remember is of the files that stand, and no plan for others wants it.
        inventory, lost = replace(seen.inventory), lost_folders(seen.inventory)
        errors = _errors(seen.findings)
        del seen
        # There is little to read after this, and to plan takes the most room.
        await asyncio.to_thread(dismiss)
        outcome = await asyncio.to_thread(
            merge, self.root, inventory, job.repository, self.wanted, job.options.overwrite
        )
        if outcome.changes:
            whole = "" if not job.options.ids else "restore all of it, without --id; "
            require_folders(job.target, lost, back=outcome.refs, otherwise=whole)
        return outcome, Known.of(inventory, outcome.paths), errors

    async def under_lock(self, session: Session, confirm: Confirm) -> RestoreReport:
        confirmed = False
        for _ in range(TRIES):
            outcome, known, errors = await self.plan()
            report = self.told(outcome)
            if not outcome.changes:
                return replace(report, elsewhere=errors)
            if not confirmed and not confirm(report):
                raise InterruptedByUserError("declined; nothing was changed")
            confirmed = True
            try:
                result = await asyncio.to_thread(self._run, session, outcome)
            except FilesChanged:
                continue
            ids = {(ref.kind, ref.id) for ref in outcome.refs}
            # The new catalog and vectors go before their like is read again.
            del outcome
            self.job.repository.forget(index=True)
            after = await look(self.root, self.layout, self.job.look, self.job.progress, known)
            about = [f for f in after.findings if (f.subject.kind, f.subject.id) in ids]
            return replace(
                report,
                run=result.run,
                actions=_done(report.actions, frozenset(result.conflicts)),
                findings=tuple(about),
                elsewhere=_errors(after.findings) - _errors(about),
                elapsed_seconds=self.job.clock.elapsed(),
            )
        raise OperationError(
            "the store kept changing while it was restored into",
            hint="stop the Memory Core that writes to it, then run the command again",
        )

    def _run(self, session: Session, outcome: Merge) -> RunResult:
        job = self.job
        if any(change.order == CATALOG for change in outcome.changes):
            keep_own_copy(session, self.layout, job.options.copies)
        note = {"snapshot": job.snapshot.id}
        return session.run("restore", outcome.changes, note=note, progress=job.progress)

    def told(self, outcome: Merge) -> RestoreReport:
        files = sum(action.kind in _WRITES for action in _open(outcome.actions))
        report = self.job.report("living store", files, outcome.bytes_needed)
        return replace(
            report, actions=tuple(outcome.actions), lost=outcome.lost, unrelated=self.unrelated
        )


def _errors(findings: Iterable[Finding]) -> int:
    return sum(one.severity is Severity.ERROR for one in findings)


def _open(actions: list[Action]) -> list[Action]:
    return [action for action in actions if action.status == "planned"]


def _done(actions: tuple[Action, ...], conflicts: frozenset[str]) -> tuple[Action, ...]:
    return tuple(
        replace(action, status="skipped", because="it changed while the restore ran")
        if action.path in conflicts
        else replace(action, status="done" if action.status == "planned" else action.status)
        for action in actions
    )
