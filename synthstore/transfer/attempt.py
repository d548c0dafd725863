"""One attempt at an import: rows in, batches of changes out, nothing held but what is needed.

Blocking, for one thread of its own.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from synthstore.errors import SynthstoreError
from synthstore.files.durable import replacing
from synthstore.files.walk import read_file, stat_of
from synthstore.layout.base import Layout
from synthstore.model.facts import Stat
from synthstore.model.ids import EntityRef
from synthstore.progress import Progress
from synthstore.repair.placing import plan_around
from synthstore.repair.plan import typical_access
from synthstore.scan.inventory import Inventory
from synthstore.scan.pool import PROCESSES_PAY_FROM, executor_for, in_order, usable_cores
from synthstore.store.admission import PRIVATE_FILE, PRIVATE_FOLDER
from synthstore.store.backups import Copies, keep_own_copy
from synthstore.store.berths import Berth
from synthstore.store.runs import CATALOG, Change
from synthstore.store.session import RunResult, Session
from synthstore.transfer.beginning import Begun, begin, begin_empty, is_bare
from synthstore.transfer.checking import Terms, finish, memory_documents
from synthstore.transfer.hopping import Stop
from synthstore.transfer.intake import Intake, OnConflict
from synthstore.transfer.outcomes import Outcome, Ready, Refused, Waiting
from synthstore.transfer.portions import Portion
from synthstore.transfer.rejects import reject_line
from synthstore.transfer.sources import Source
from synthstore.transfer.vectors import Vectors
from synthstore.transfer.working import prepare

SHOWN_REFUSALS = 1_000
"""Refused rows whose reasons are held for the report; all are counted."""

_BATCH_ROWS, _BATCH_BYTES = 1_000, 64 << 20
_AHEAD = 2
"""Portions a worker that may wait, judged, for those before them."""

_NO_EXECUTION = 0o666


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be imported, and how."""

    root: Path
    layout: Layout
    new: bool
    """Whether a store is begun with it."""
    source: Source
    on_conflict: OnConflict
    embed: int
    rejects: Path | None
    jobs: int | None
    copies: Copies


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused row, without what is in it but its id."""

    row: int
    reason: str
    id: str | None


class Attempt:
    """One pass over all rows."""

    def __init__(
        self,
        plan: Plan,
        inventory: Inventory,
        progress: Progress,
        stop: Stop,
        *,
        session: Session | None = None,
    ) -> None:
        self.refused = 0
        self.refusals: list[Refusal] = []
        self.cut = False
        self.bytes = 0
        self._plan, self._inventory = plan, inventory
        self._progress, self._stop = progress, stop
        access = _access(plan, inventory)
        bare = is_bare(inventory)
        self._terms = Terms(
            str(plan.root),
            plan.layout,
            access,
            plan.embed,
            bare=bare,
            keep=plan.rejects is not None,
        )
        self._session = session
        self._rejects: BinaryIO | None = None
        self._closing = ExitStack()
        self._vectors = Vectors()
        self._begun = Begun(self._vectors) if bare else None
        self.intake = Intake(
            plan.root,
            inventory,
            access,
            plan.on_conflict,
            self._refuse,
            session=session,
            begun=self._begun,
        )

    def rehearse(self) -> None:
        """Decide about every row, and write nothing at all."""
        self._plan = replace(self._plan, rejects=None)
        for _ in self._batches():
            pass

    def run(self, session: Session) -> RunResult:
        """Import as one run of ``session``; raises FilesChanged with nothing changed."""
        with closing(self._batches()) as batches:
            return session.run_batches("import", batches)

    def _batches(self) -> Generator[Sequence[Change]]:
        """Entity files in the order of their rows, then what follows from all of them."""
        with self._closing:
            if self._begun is not None:
                self._closing.enter_context(self._vectors.shared())
            for batch in _batched(self._entities()):
                self._stop.heed()
                self.bytes += sum(_size(change) for change in batch)
                yield batch
            yield from self._parts()

    def _entities(self) -> Iterator[Change]:
        waiting: list[Waiting] = []
        with closing(self._plan.source.portions()) as portions:
            for outcome in self._outcomes(portions):
                if isinstance(outcome, Waiting):
                    waiting.append(outcome)
                else:
                    yield from self._decided(outcome)
        # What comes from here on needs the files before it.
        yield _FLUSH
        look_up = memory_documents(self._memory)
        for one in waiting:
            yield from self._decided(finish(self._terms, one, look_up))

    def _decided(self, outcome: Outcome) -> Iterator[Change]:
        if isinstance(outcome, Ready):
            change = self.intake.take(outcome)
            if change is not None:
                yield change
        elif isinstance(outcome, Refused):
            self._refuse(outcome)

    def _outcomes(self, portions: Iterable[Portion]) -> Iterator[Outcome]:
        """Every row judged, in order, by several workers where that pays."""
        large = self._plan.source.large
        self._progress.start("importing", 0, "rows")
        with executor_for(PROCESSES_PAY_FROM if large else 1, self._plan.jobs) as executor:
            for outcomes in self._ahead(executor, portions):
                self._stop.heed()
                self._progress.advance(len(outcomes))
                yield from outcomes

    def _ahead(self, executor: Executor, portions: Iterable[Portion]) -> Iterator[list[Outcome]]:
        ahead = _AHEAD * (self._plan.jobs or usable_cores())
        return in_order((self._submitted(executor, portion) for portion in portions), ahead)

    def _submitted(self, executor: Executor, portion: Portion) -> Future[list[Outcome]]:
        berth, shelf = self._berth(portion), self._vectors.shelf(portion.count)
        return executor.submit(prepare, self._terms, portion, berth, shelf)

    def _berth(self, portion: Portion) -> Berth | None:
        """Where a worker may put the files of a portion; None where nothing is to be written."""
        if self._session is None:
            return None
        return self._session.making.berth(portion.count, portion.size)

    def _memory(self, memory_id: str) -> bytes | None:
        """The bytes that a memory's file will have."""
        ref = EntityRef("memory", memory_id)
        path = self.intake.path_of(ref)
        if path is not None and self._session is not None:
            staged = self._session.making.staged(path)
            if staged is not None:
                return staged
        standing = self._inventory.by_ref.get(ref)
        if not standing:
            return None
        try:
            return read_file(self._plan.root, standing[0].path)[0]
        except (FileNotFoundError, SynthstoreError):
            return None

    def _parts(self) -> Iterator[Sequence[Change]]:
        """Catalog, index and mappings, once all files are known."""
        for changes in self._around():
            self.bytes += sum(map(_size, changes))
            if self._session is not None and any(change.order == CATALOG for change in changes):
                keep_own_copy(self._session, self._plan.layout, self._plan.copies)
            yield changes
            del changes  # before the next ones are made: vectors of many files take much room

    def _around(self) -> Iterator[Sequence[Change]]:
        layout, empty = self._plan.layout, self.intake.empty
        if not empty and self._begun is not None:
            yield from begin(layout, self._begun, self._terms.access)
        elif not empty:
            placed = self.intake.handed_over()
            yield plan_around(self._plan.root, self._inventory, placed).changes
        elif self._plan.new:
            yield from begin_empty(layout, self._terms.access)

    def _refuse(self, refused: Refused) -> None:
        self.refused += 1
        self.cut = self.cut or refused.cut
        if len(self.refusals) < SHOWN_REFUSALS:
            self.refusals.append(Refusal(refused.number, refused.reason, refused.id))
        if self._plan.rejects is None:
            return
        if self._rejects is None:
            # Made only now: an import without refusals leaves no empty file behind.
            kept = replacing(self._plan.rejects, PRIVATE_FILE)
            self._rejects = self._closing.enter_context(kept)
        self._rejects.write(reject_line(refused))


_FLUSH = Change("", None, None, CATALOG)
"""Ends a batch; no change of any store."""


def _batched(changes: Iterable[Change]) -> Iterator[list[Change]]:
    batch: list[Change] = []
    held = 0
    for change in changes:
        if change is not _FLUSH:
            batch.append(change)
            held += _size(change)
        if batch and (change is _FLUSH or len(batch) >= _BATCH_ROWS or held >= _BATCH_BYTES):
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _size(change: Change) -> int:
    return change.size_after(0)


def _access(plan: Plan, inventory: Inventory) -> Stat:
    """Mode and owner for new files: as most of the store's, else as its folder allows."""
    if inventory.files or inventory.catalog.stat is not None:
        return typical_access(inventory)
    if not plan.root.exists():
        return Stat(0, 0, PRIVATE_FOLDER & _NO_EXECUTION, -1, -1, 1, 0)
    top = stat_of(plan.root.stat())
    return Stat(0, 0, top.mode & _NO_EXECUTION, top.uid, top.gid, 1, 0)
