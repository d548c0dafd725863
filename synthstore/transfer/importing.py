"""Import: records into a store, all of them as one undoable run.

Rows are read, judged and staged portion by portion, so that never all of them are held. The store
is untouched until the last one was judged and catalog and vectors are worked out.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

from synthstore.errors import NotAStoreError, OperationError, UsageError
from synthstore.files.durable import make_dirs
from synthstore.files.walk import list_folder
from synthstore.layout.base import OWN_FOLDER, Layout
from synthstore.layout.detect import SUPPORTED
from synthstore.layout.native import Native
from synthstore.progress import Progress, SilentProgress
from synthstore.repair.holding import held
from synthstore.scan.inventory import Inventory
from synthstore.store.admission import PRIVATE_FOLDER
from synthstore.store.backups import DEFAULT_COPIES, Copies
from synthstore.store.evidence import recognise
from synthstore.store.runs import FilesChanged
from synthstore.store.session import RunResult, Session
from synthstore.transfer.checking import (
    Terms,
    Waiting,
)
from synthstore.transfer.hopping import hop
from synthstore.transfer.intake import Intake, OnConflict
from synthstore.transfer.sources import Source
from synthstore.verify import Clock, find_root

NewLayout = Literal["native", "core-4"]

TRIES = 3
SHOWN_REFUSALS = 1000
"""Refused rows of which a report holds the reason; all are counted."""

_PORTION_ROWS, _PORTION_BYTES = 100, 4 << 20
_BATCH_ROWS, _BATCH_BYTES = 1_000, 64 << 20
_AHEAD = 2


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


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused row, without what is in it."""

    row: int
    reason: str


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
    """The first of them."""
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
    target = await asyncio.to_thread(_target, store, options)
    job = _Job(store, target, source, options, progress or SilentProgress(), clock)
    if options.dry_run:
        return await job.plan()
    if target.new:
        await asyncio.to_thread(make_dirs, target.root, PRIVATE_FOLDER)
    async with held(target.root, wait=options.lock_wait, command="import") as session:
        return await job.carry_out(session)


@dataclass(frozen=True, slots=True)
class _Target:
    root: Path
    layout: Layout
    new: bool
    """Whether a store is to be begun there."""


def _target(store: Path, options: ImportOptions) -> _Target:
    blank = not store.exists() or (store.is_dir() and _is_blank(store))
    if not blank:
        root = find_root(store)
        return _Target(root, recognise(root, options.layout), new=False)
    if not options.create:
        where = "does not exist" if not store.exists() else "is empty"
        raise NotAStoreError(f"{store} {where}", hint="--create makes a store there")
    layout = SUPPORTED.get(options.layout or Native.name)
    if layout is None or not layout.faiss_path:
        raise UsageError(f"no store of layout {options.layout} is made anew")
    return _Target(Path(store).absolute(), layout(), new=True)


def _is_blank(folder: Path) -> bool:
    """Whether nothing stands there but what a begun import may have left."""
    return all(entry.path == OWN_FOLDER for entry in list_folder(folder, ""))


@dataclass(slots=True)
class _Course:
    """One attempt, and what came of it so far."""

    intake: Intake
    terms: Terms
    rejects: Path | None
    refused: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    cut: bool = False
    waiting: list[Waiting] = field(default_factory=list)
    bytes: int = 0
    sink: BinaryIO | None = None
    closing: ExitStack = field(default_factory=ExitStack)


@dataclass(frozen=True, slots=True)
class _Job:
    store: Path
    target: _Target
    source: Source
    options: ImportOptions
    progress: Progress
    clock: Clock

    async def plan(self) -> ImportReport:
        """Go through it all, and write nothing."""
        inventory = await self._scan()
        course = await hop(lambda stop: _Attempt(self, inventory, None, stop).rehearse())
        return self._report(course, RunResult(None))

    async def carry_out(self, session: Session) -> ImportReport:
        """Import under the store's lock; what moved meanwhile is looked at again if that can be."""
        for _ in range(TRIES):
            inventory = await self._scan()
            try:
                course, result = await hop(self._attempt(inventory, session))
            except FilesChanged:
                if not self.source.repeatable:
                    break
                continue
            return self._report(course, result)
        raise OperationError(
            "the store kept changing while it was imported into",
            hint="stop the Memory Core that writes to it, then run the command again",
        )

    def _attempt(self, inventory: Inventory, session: Session):  # noqa: ANN202
        return lambda stop: _Attempt(self, inventory, session, stop).run()
