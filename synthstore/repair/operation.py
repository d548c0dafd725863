"""Repair: scan, plan, show, apply, verify again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from synthstore.checks.finding import Finding, Severity
from synthstore.checks.report import Action, RepairReport
from synthstore.errors import InterruptedByUserError, OperationError, RefusedError
from synthstore.files.memory import MANY, give_back
from synthstore.layout.base import Layout, Place
from synthstore.model.facts import CatalogFacts
from synthstore.progress import Progress, SilentProgress
from synthstore.repair.again import as_planned
from synthstore.repair.holding import held
from synthstore.repair.plan import IndexWish
from synthstore.repair.planning import Planned, plan_repair
from synthstore.repair.refusals import Refusal, remedy, require_open
from synthstore.repair.sources import Source
from synthstore.repair.wishes import Wishes
from synthstore.scan.known import Known
from synthstore.shell import path_word
from synthstore.store.backups import DEFAULT_COPIES, Copies, keep_own_copy
from synthstore.store.evidence import recognise
from synthstore.store.opening import Clock, find_root
from synthstore.store.runs import CATALOG as CATALOG_ORDER
from synthstore.store.runs import FilesChanged
from synthstore.store.session import Session
from synthstore.verify import (
    Look,
    LookOptions,
    counts_of,
    is_clean,
    is_complete,
    look,
    next_command,
    require_known,
)

if TYPE_CHECKING:
    from synthstore.rot import Newest

Confirm = Callable[[RepairReport], bool]

MOVED = "it changed while the repair looked"

TRIES = 3
"""How often a plan is made again because files moved under it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairOptions:
    """What a repair may do, and how."""

    dry_run: bool = False
    safe: bool = False
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    ids: frozenset[str] = frozenset()
    accept: tuple[str, ...] = ()
    accept_all: bool = False
    allow_shrink: bool = False
    fail_on: Severity | None = Severity.ERROR
    lock_wait: float = 0.0
    """Seconds to wait for the store's lock."""
    jobs: int | None = None
    severities: Mapping[str, Severity] = field(default_factory=dict)
    layout: str | None = None
    sources: tuple[Source, ...] = ()
    """Where to look for copies beside the store itself: repositories."""
    against: Newest | None = None
    """The newest snapshots, that files are held against."""
    copies: Copies = DEFAULT_COPIES
    """The index backups that are taken before the catalog is replaced."""

    @property
    def look(self) -> LookOptions:
        """A repair always looks at everything; only what it does is a choice."""
        return LookOptions(
            fail_on=self.fail_on,
            jobs=self.jobs,
            severities=self.severities,
            layout=self.layout,
            against=self.against,
        )

    @property
    def wishes(self) -> Wishes:
        """The choice, as the target asks for it."""
        return Wishes(
            select=self.select,
            ignore=self.ignore,
            ids=self.ids,
            accept=self.accept,
            accept_all=self.accept_all,
            safe=self.safe,
            allow_shrink=self.allow_shrink,
        )


@dataclass(frozen=True, slots=True)
class Job:
    """One command that mends a store: repair, or rebuild-index."""

    command: str
    store: Path
    root: Path
    layout: Layout
    look: LookOptions
    wishes: Wishes
    wish: IndexWish
    clock: Clock
    dry_run: bool
    rebuild: frozenset[str] = frozenset()
    """Parts to build anew whatever state they are in: ``catalog``, ``index``."""
    sources: tuple[Source, ...] = ()
    """Where to look for copies beside the store itself."""
    copies: Copies = DEFAULT_COPIES


async def repair(
    store: Path,
    options: RepairOptions,
    *,
    confirm: Confirm,
    progress: Progress | None = None,
    within: Session | None = None,
) -> RepairReport:
    """Repair the store at ``store``; ``confirm`` is shown the plan before the first change.

    ``within`` is a session that may change the store already: a library repairs its own so.

    Raises UsageError for an id that nothing bears, RefusedError where it would lose data,
    LockedError, OperationError where the system fails, InterruptedByUserError when ``confirm``
    declines.
    """
    clock = Clock()
    root = find_root(store)
    layout = await asyncio.to_thread(recognise, root, options.layout)
    job = Job(
        "repair", store, root, layout, options.look, options.wishes, IndexWish(), clock,
        options.dry_run, sources=options.sources, copies=options.copies,
    )  # fmt: skip
    if within is not None:
        return await _under_lock(job, within, confirm, progress)
    return await mend_store(job, options.lock_wait, confirm, progress)


async def mend_store(
    job: Job, lock_wait: float, confirm: Confirm, progress: Progress | None
) -> RepairReport:
    """Run ``job``: only planned for a dry run, else under the store's lock."""
    if job.dry_run:
        seen = await _look(job, progress)
        planned = await asyncio.to_thread(plan_repair, job.root, seen.inventory, job)
        return _report(job, seen, planned, before=seen.findings)
    async with held(job.root, wait=lock_wait, command=job.command) as session:
        return await _under_lock(job, session, confirm, progress)


async def _look(job: Job, progress: Progress | None) -> Look:
    seen = await look(job.root, job.layout, job.look, progress)
    require_known(seen, job.wishes.ids)
    if job.rebuild:
        require_open(job.root, seen.inventory)
    return seen


async def _under_lock(
    job: Job, session: Session, confirm: Confirm, progress: Progress | None
) -> RepairReport:
    confirmed = False
    moved: list[Action] = []
    recovered = tuple(run.run for run in session.recovered)
    for _ in range(TRIES):
        seen = await _look(job, progress)
        planned = await asyncio.to_thread(plan_repair, job.root, seen.inventory, job)
        planned = replace(planned, actions=(*planned.actions, *moved))
        if planned.refusal is not None:
            raise RefusedError(planned.refusal.message, hint=_remedy(job, planned.refusal))
        if not planned.changes:
            return _report(job, seen, planned, before=seen.findings, recovered=recovered)
        shown = _report(job, seen, planned, before=seen.findings, recovered=recovered)
        if not confirmed and not confirm(shown):
            raise InterruptedByUserError("declined; nothing was changed")
        confirmed = True
        before, known = seen.findings, Known.of(seen.inventory)
        catalog = seen.inventory.catalog
        # Catalog, vectors and all that was made of them go before their like is made again.
        del seen, shown
        await asyncio.to_thread(_keep_copy, job, session, planned, catalog)
        del catalog
        try:
            result = await asyncio.to_thread(
                session.run, job.command, planned.changes, progress=progress or SilentProgress()
            )
        except FilesChanged as changed:
            # Catalog, index and mappings are worked out anew; an entity's own change stands.
            paths = frozenset(path for path in changed.paths if _is_entity(job.layout, path))
            moved += [_skipped(a, MOVED) for a in planned.actions if a.path in paths]
            job = replace(job, wishes=replace(job.wishes, moved=job.wishes.moved | paths))
            continue
        done = replace(planned, changes=(), actions=_done(planned.actions, result.conflicts))
        del planned
        if len(known) >= MANY:
            await asyncio.to_thread(give_back)
        after = await look(job.root, job.layout, job.look, progress, known)
        return _report(job, after, done, before=before, run=result.run, recovered=recovered)
    raise OperationError(
        "the store kept changing while it was to be repaired",
        hint="stop the Memory Core that writes to it, then run the command again",
    )


def _keep_copy(job: Job, session: Session, planned: Planned, catalog: CatalogFacts) -> None:
    if any(change.order == CATALOG_ORDER for change in planned.changes):
        keep_own_copy(session, job.layout, job.copies, catalog)


def _is_entity(layout: Layout, path: str) -> bool:
    return layout.place(path) in (Place.MEMORY, Place.ASSEMBLY)


def _skipped(action: Action, because: str) -> Action:
    return replace(action, status="skipped", because=because)


def _done(actions: Sequence[Action], conflicts: Sequence[str]) -> tuple[Action, ...]:
    changed = frozenset(conflicts)
    return tuple(
        _skipped(action, "it changed while the repair ran")
        if action.path in changed
        else replace(action, status="done" if action.status == "planned" else action.status)
        for action in actions
    )


def _remedy(job: Job, refusal: Refusal, *, planned: bool = False) -> str:
    against = job.look.against
    # A restore is from one.
    asked = "--repo REPO" if against is None else " ".join(against.words(against.places[:1]))
    return remedy(refusal.cause, job.command, job.store, asked, planned=planned)


def _report(
    job: Job,
    seen: Look,
    planned: Planned,
    *,
    before: Sequence[Finding],
    run: str | None = None,
    recovered: tuple[str, ...] = (),
) -> RepairReport:
    left = {finding.sort_key for finding in seen.findings}
    fixed = sum(finding.sort_key not in left for finding in before)
    refusal = planned.refusal
    return RepairReport(
        command=job.command,
        store=str(job.store),
        layout=job.layout.name,
        quick=False,
        complete=is_complete(seen.inventory, job.look),
        started_at=job.clock.started_at,
        elapsed_seconds=job.clock.elapsed(),
        clean=is_clean(seen.findings, job.look.fail_on),
        silenced=0,
        next=_next(job, seen.findings, planned, run),
        counts=counts_of(seen.inventory),
        findings=seen.findings,
        run=run,
        dry_run=job.dry_run,
        actions=planned.actions,
        fixed=fixed + len(recovered),
        left=len(seen.findings),
        bytes_needed=planned.bytes_needed,
        refused=None if refusal is None else refusal.message,
        refused_hint=None if refusal is None else _remedy(job, refusal, planned=True),
        snapshots_asked=bool(job.sources),
        recovered_runs=recovered,
    )


def _next(job: Job, findings: Sequence[Finding], planned: Planned, run: str | None) -> str | None:
    store = path_word(job.store)
    if job.dry_run and planned.refusal is not None:
        return None
    if job.dry_run and planned.changes:
        return as_planned(
            job.command,
            job.store,
            look=job.look,
            wishes=job.wishes,
            wish=job.wish,
            rebuild=job.rebuild,
        )
    moved = any(action.status == "skipped" for action in planned.actions)
    free = job.command == "repair" and job.wishes.everything and not moved
    told = next_command(job.store, findings, job.look.asked, left=free)
    return f"synthstore undo {store} --dry-run" if run is not None and told is None else told
