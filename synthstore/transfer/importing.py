"""Import: records into a store, all of them as one undoable run.

Rows are read, judged and staged portion by portion, so that never all of them are held. The store
is untouched until the last one was judged, and catalog and vectors are worked out.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from synthstore.checks.standing import lost_folders
from synthstore.errors import NotAStoreError, OperationError, UsageError
from synthstore.files.durable import make_dirs
from synthstore.files.walk import is_folder, list_folder, look
from synthstore.layout.base import CATALOG_NAME, OWN_FOLDER, Layout
from synthstore.layout.core import Core3, Core4
from synthstore.layout.native import Native
from synthstore.model.facts import CatalogFacts, IndexFacts, PartStatus
from synthstore.progress import Progress, SilentProgress
from synthstore.repair.holding import held
from synthstore.repair.refusals import require_folders
from synthstore.scan.inventory import Inventory
from synthstore.scan.scanner import ScanOptions, scan
from synthstore.store.admission import PRIVATE_FOLDER
from synthstore.store.backups import DEFAULT_COPIES, Copies
from synthstore.store.evidence import recognise
from synthstore.store.opening import Clock, find_root
from synthstore.store.runs import FilesChanged, unfinished_runs
from synthstore.store.session import RunResult, Session
from synthstore.transfer.attempt import Attempt, Plan, Refusal
from synthstore.transfer.hopping import Stop, hop
from synthstore.transfer.intake import OnConflict
from synthstore.transfer.sources import Source

TRIES = 3

NEW_LAYOUTS: tuple[type[Layout], ...] = (Native, Core4, Core3)
"""In which a store can be begun; the last one for tests of what Memory Cores left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """Into what rows go, and by which rules."""

    on_conflict: OnConflict = "skip"
    create: bool = False
    """Whether a missing or empty directory becomes a store."""
    layout: str | None = None
    """Of a new store: native unless given; of an old one: what it is taken for."""
    embed: int = 0
    """Numbers in the embedding made for a memory without one; 0: none is made."""
    rejects: Path | None = None
    """Where refused rows go."""
    dry_run: bool = False
    lock_wait: float = 0.0
    jobs: int | None = None
    copies: Copies = DEFAULT_COPIES


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What an import did, or would do."""

    store: str
    layout: str
    source: str
    dry_run: bool
    created: bool
    inserted: int
    updated: int
    skipped: int
    rejected: int
    refusals: tuple[Refusal, ...]
    """The first of the rejected rows."""
    cut: bool
    """Whether the input ended in the middle of a row."""
    left: tuple[str, ...]
    """Files that changed while the import ran, so that they were left."""
    bytes: int
    """Room that the new files take."""
    run: str | None
    started_at: str
    elapsed_seconds: float

    @property
    def exit_code(self) -> int:
        """3 where something did not go in, else 0."""
        return 3 if self.rejected or self.cut or self.left else 0


async def import_rows(
    store: Path, source: Source, options: ImportOptions, progress: Progress | None = None
) -> ImportReport:
    """Import all rows of ``source`` that are fit for the store.

    Raises UsageError, NotAStoreError, ConflictError, RefusedError, LockedError, OperationError.
    """
    clock = Clock()
    if not options.dry_run and await asyncio.to_thread(_is_half_begun, store):
        root = await asyncio.to_thread(store.absolute)
        async with held(root, wait=options.lock_wait, command="import"):
            pass  # to open it completes the run that was to begin the store
    plan = await asyncio.to_thread(_plan, store, source, options)
    job = _Job(str(store), plan, options, progress or SilentProgress(), clock)
    if options.dry_run:
        return await job.rehearse()
    if plan.new:
        await asyncio.to_thread(make_dirs, plan.root, PRIVATE_FOLDER)
    async with held(plan.root, wait=options.lock_wait, command="import") as session:
        return await job.carry_out(session)


def _plan(store: Path, source: Source, options: ImportOptions) -> Plan:
    source.require()
    new = is_new(store)
    root, layout = (store.absolute(), _begun(store, options)) if new else _found(store, options)
    return Plan(
        root=root,
        layout=layout,
        new=new,
        source=source,
        on_conflict=options.on_conflict,
        embed=options.embed,
        rejects=options.rejects,
        jobs=options.jobs,
        copies=options.copies,
    )


def _begun(store: Path, options: ImportOptions) -> Layout:
    if not options.create:
        what = "is empty" if store.exists() else "does not exist"
        raise NotAStoreError(f"{store} {what}", hint="--create makes a store there")
    known = {layout.name: layout for layout in NEW_LAYOUTS}
    name = options.layout or Native.name
    if name not in known:
        raise UsageError(
            f"no new store is made in layout {name}", hint=f"--layout {Native.name}, {Core4.name}"
        )
    return known[name]()


def _found(store: Path, options: ImportOptions) -> tuple[Path, Layout]:
    root = find_root(store)
    return root, recognise(root, options.layout)


def is_new(store: Path) -> bool:
    """Whether nothing stands there, or only what an import may have left that was cut off."""
    if not store.exists():
        return True
    if not store.is_dir():
        return False
    return all(e.path == OWN_FOLDER for e in list_folder(store, "")) or _is_half_begun(store)


def _is_half_begun(store: Path) -> bool:
    """Whether an import that had committed to begin a store there was cut off."""
    own = is_folder(store, OWN_FOLDER) and look(store, CATALOG_NAME) is None
    return own and bool(unfinished_runs(store))


@dataclass(frozen=True, slots=True)
class _Job:
    store: str
    plan: Plan
    options: ImportOptions
    progress: Progress
    clock: Clock

    async def rehearse(self) -> ImportReport:
        """Go through it all, and write nothing."""
        inventory = await self._scan()

        def work(stop: Stop) -> Attempt:
            attempt = Attempt(self.plan, inventory, self.progress, stop)
            attempt.rehearse()
            return attempt

        return self._report(await hop(work), RunResult(None))

    async def carry_out(self, session: Session) -> ImportReport:
        """Import under the store's lock; what moved meanwhile is looked at again if that can be."""
        for _ in range(TRIES if self.plan.source.repeatable else 1):
            inventory = await self._scan()

            def work(stop: Stop, seen: Inventory = inventory) -> tuple[Attempt, RunResult]:
                attempt = Attempt(self.plan, seen, self.progress, stop, session=session)
                return attempt, attempt.run(session)

            try:
                return self._report(*await hop(work))
            except FilesChanged:
                continue
        raise OperationError(
            "the store kept changing while it was imported into",
            hint="stop the Memory Core that writes to it, then run the command again",
        )

    async def _scan(self) -> Inventory:
        if self.plan.new and not self.plan.root.exists():
            return nothing(self.plan.layout)
        options = ScanOptions(jobs=self.options.jobs)
        inventory = await scan(self.plan.root, self.plan.layout, options, self.progress)
        require_folders(Path(self.store), await asyncio.to_thread(lost_folders, inventory))
        return inventory

    def _report(self, attempt: Attempt, result: RunResult) -> ImportReport:
        intake = attempt.intake
        return ImportReport(
            store=self.store,
            layout=self.plan.layout.name,
            source=self.plan.source.name,
            dry_run=self.options.dry_run,
            created=self.plan.new and (self.options.dry_run or result.run is not None),
            inserted=intake.inserted,
            updated=intake.updated,
            skipped=intake.skipped,
            rejected=attempt.refused,
            refusals=tuple(attempt.refusals),
            cut=attempt.cut,
            left=result.conflicts,
            bytes=attempt.bytes,
            run=result.run,
            started_at=self.clock.started_at,
            elapsed_seconds=self.clock.elapsed(),
        )


def nothing(layout: Layout) -> Inventory:
    """What a scan would see where nothing is."""
    return Inventory(
        layout=layout,
        files=(),
        strays=(),
        catalog=CatalogFacts(PartStatus.MISSING, layout.catalog_path),
        index=IndexFacts(PartStatus.MISSING, layout.faiss_path),
        mappings=(),
        tables={},
        folders=dict.fromkeys(layout.entity_folders, False),
    )
