"""Export: a store's entities as records, streamed from its shards into one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from synthstore.errors import UsageError
from synthstore.files.durable import replacing
from synthstore.files.passing import Passed, Trays
from synthstore.layout.base import Layout
from synthstore.model.ids import Kind
from synthstore.progress import Progress, SilentProgress
from synthstore.scan.pool import PROCESSES_PAY_FROM, executor_for, shards, usable_cores
from synthstore.scan.workers import looks_large
from synthstore.store.admission import PRIVATE_FILE
from synthstore.store.evidence import FirstLook, recognise
from synthstore.store.opening import Clock, find_root
from synthstore.transfer.conveying import Conveyor
from synthstore.transfer.formats import format_of
from synthstore.transfer.formats.base import ANY_SHAPE, Format, Shape
from synthstore.transfer.formats.packing import packed, suffix_of
from synthstore.transfer.hopping import Stop, hop
from synthstore.transfer.locating import Located, locate
from synthstore.transfer.reading import (
    Claim,
    Portion,
    Problem,
    Survey,
    Task,
    claims_of,
    read_portion,
    rightful,
    survey_portion,
)
from synthstore.transfer.records import KINDS
from synthstore.transfer.selection import Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What to export, and as what."""

    format: str | None = None
    """None: as the file's name says."""
    selection: Selection = Selection()  # noqa: RUF009 - frozen
    limit: int | None = None
    jobs: int | None = None
    cluster: str | None = None
    """The address of a Dask scheduler."""
    layout: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What went out."""

    store: str
    layout: str
    output: str
    format: str
    memories: int
    assemblies: int
    problems: tuple[Problem, ...]
    """Files that are in the store and not in the export."""
    started_at: str
    elapsed_seconds: float

    @property
    def exit_code(self) -> int:
        """3 where a file could not be exported, else 0."""
        return 3 if self.problems else 0


async def export(
    store: Path,
    target: Path | BinaryIO,
    options: ExportOptions,
    progress: Progress | None = None,
) -> ExportReport:
    """Export to a file, which is replaced at the very end, or to an open stream.

    Raises UsageError, NotAStoreError, OperationError.
    """
    clock = Clock()
    name = target.name if isinstance(target, Path) else ""
    form = format_of(name, options.format)
    form.require()
    options.selection.require()
    root = find_root(store)
    job = _Job(root, form, options, progress or SilentProgress())
    done = await hop(lambda stop: job.run(target, suffix_of(name)[1], stop))
    return ExportReport(
        store=str(store),
        layout=done.layout,
        output=str(target) if isinstance(target, Path) else "-",
        format=form.name,
        memories=done.counts["memory"],
        assemblies=done.counts["assembly"],
        problems=tuple(sorted(done.problems, key=lambda one: one.path)),
        started_at=clock.started_at,
        elapsed_seconds=clock.elapsed(),
    )


class _Done:
    """What went out so far."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout.name
        self.counts: Counter[Kind] = Counter()
        self.known: dict[Kind, set[str]] = {kind: set() for kind in KINDS}
        self.problems: list[Problem] = []

    def take(self, portion: Portion) -> None:
        self.problems += portion.problems
        self.counts.update(portion.counts)
        for kind, ids in portion.known.items():
            self.known[kind].update(ids)

    def left(self, limit: int | None) -> int | None:
        """How many records may still go out."""
        return None if limit is None else limit - self.counts.total()


@dataclass(frozen=True, slots=True)
class _Job:
    root: Path
    form: Format
    options: ExportOptions
    progress: Progress

    def run(self, target: Path | BinaryIO, suffix: str, stop: Stop) -> _Done:
        """Read, and write in one go; nothing is left of a file that could not be completed."""
        selection = self.options.selection
        with self._begun(selection) as (layout, listed, conveyor):
            done = _Done(layout)
            task = Task(str(self.root), layout, selection, self.form.name, listed=listed.listed)
            done.problems += listed.problems
            shape = self._shape(conveyor, task, listed, stop) if self.form.shaped else ANY_SHAPE
            task = replace(task, shape=shape)
            with ExitStack() as stack:
                out = stack.enter_context(_opened(target))
                out = stack.enter_context(packed(out, suffix))
                writer = self.form.writer(out, shape)
                self.progress.start("exporting", len(listed.plain))
                for portion, piece in self._portions(conveyor, task, listed, done):
                    stop.heed()
                    done.take(portion)
                    if piece is not None:
                        writer.write(piece)
                writer.close()
                self._require_found(done)
        return done

    @contextmanager
    def _begun(self, selection: Selection) -> Iterator[tuple[Layout, Located, Conveyor]]:
        """The files to read, and the workers, which start meanwhile where they will be wanted."""
        jobs, cluster = self.options.jobs, self.options.cluster
        first = FirstLook(self.root)
        # Not before that: to ask for workers is to wait for the server that they come from.
        layout = recognise(self.root, self.options.layout, first)
        with Trays(near=cluster is None) as trays, ExitStack() as stack:
            executor = None
            if cluster is None and looks_large(self.root):
                executor = stack.enter_context(executor_for(PROCESSES_PAY_FROM, jobs))
            listed = locate(first, layout, selection)
            # What was seen of a large store is large as well.
            del first
            if executor is None:
                executor = stack.enter_context(executor_for(len(listed.plain), jobs, cluster))
            yield layout, listed, Conveyor(executor, jobs or usable_cores(), self.progress, trays)

    def _shape(self, conveyor: Conveyor, task: Task, listed: Located, stop: Stop) -> Shape:
        survey = Survey()
        self.progress.start("looking at embeddings", len(listed.plain))
        for part in conveyor.surveys(task, listed.plain):
            stop.heed()
            survey.join(part)
        survey.join(survey_portion(task, listed.alike))
        return survey.shape()

    def _portions(
        self, conveyor: Conveyor, task: Task, listed: Located, done: _Done
    ) -> Iterator[tuple[Portion, Passed | None]]:
        """Portions in the order of the files; ``done`` is up to date when the next is asked for."""
        claims: list[Claim] = []
        limit = self.options.limit
        for shard, portion, piece in conveyor.portions(task, listed.plain, limit):
            left = done.left(limit)
            if left is not None and portion.counts.total() > left:
                yield _alone(read_portion(task, shard, None, left))
                return
            claims += portion.apart
            yield portion, piece
        claims += claims_of(task, listed.alike, done.problems)
        for shard in shards(rightful(task.layout, claims, done.known, done.problems)):
            yield _alone(read_portion(task, shard, None, done.left(limit), sole=True))

    def _require_found(self, done: _Done) -> None:
        """Raise UsageError for an id that nothing bears: a slip of the pen is no empty export."""
        wanted = self.options.selection.ids
        missing = wanted.difference(*done.known.values())
        if missing and self.options.selection.where is None and self.options.limit is None:
            raise UsageError(
                f"no entity of this store has the id {', '.join(sorted(missing))}",
                hint="ids are those of the catalog, not file names",
            )


def _alone(portion: Portion) -> tuple[Portion, Passed | None]:
    """A portion that was read here."""
    return portion, None if portion.piece is None else Passed(portion.piece)


def _opened(target: Path | BinaryIO) -> AbstractContextManager[BinaryIO]:
    return replacing(target, PRIVATE_FILE) if isinstance(target, Path) else _Kept(target)


class _Kept(AbstractContextManager[BinaryIO]):
    """A stream of somebody else's, who closes it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def __enter__(self) -> BinaryIO:
        return self._stream

    def __exit__(self, *_: object) -> None:
        self._stream.flush()
