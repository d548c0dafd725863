"""Files on their way through an executor: a few shards at a time, what became of them in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import TypeVar

from synthstore.files.passing import Passed, Trays
from synthstore.files.sharing import Address
from synthstore.model.ids import Kind
from synthstore.progress import Progress
from synthstore.scan import pool
from synthstore.transfer.formats import FORMATS
from synthstore.transfer.reading import (
    FileName,
    Portion,
    Survey,
    Task,
    read_portion,
    survey_portion,
)

T = TypeVar("T")
Shard = Sequence[FileName]
Runs = Sequence[tuple[Kind, Sequence[str]]]
"""The files of a shard as a worker gets them: plain texts are pickled 20 times as fast."""

_AHEAD = 2
"""Shards a worker that may wait, read, for those before them."""

_LEAST = 25
"""Files for which it still pays to ask a worker."""


@dataclass(frozen=True, slots=True)
class Conveyor:
    """The workers of one export."""

    executor: Executor
    workers: int
    progress: Progress
    trays: Trays

    def surveys(self, task: Task, files: Shard) -> Iterator[Survey]:
        """What the embeddings of each shard are like."""

        def submit(shard: Shard) -> Future[Survey]:
            return self.executor.submit(_survey, task, runs_of(shard))

        return (survey for _, survey in self._in_order(submit, pool.shards(files)))

    def portions(
        self, task: Task, files: Shard, limit: int | None
    ) -> Iterator[tuple[Shard, Portion, Passed | None]]:
        """Each shard read; what it passes on is there until the next one is asked for."""

        def submit(shard: Shard) -> Future[Portion]:
            address = self.trays.hand_out()
            return self.executor.submit(_read, task, runs_of(shard), address, limit)

        # What a format with a schema writes tells of its portions: they are the same for everyone.
        cut = pool.shards if FORMATS[task.format].shaped else self.tapering
        for shard, portion in self._in_order(submit, cut(files)):
            with self.trays.returned() as tray:
                passed = None if portion.piece is None else Passed(portion.piece, tray)
                yield shard, portion, passed

    def tapering(self, files: Shard) -> Iterator[Shard]:
        """Cut into shards, ever shorter ones at last: no worker is left with much when all end."""
        start = 0
        while start < len(files):
            share = (len(files) - start) // (_AHEAD * self.workers)
            end = start + min(pool.SHARD, max(_LEAST, share))
            yield files[start:end]
            start = end

    def _in_order(
        self, submit: Callable[[Shard], Future[T]], shards: Iterable[Shard]
    ) -> Iterator[tuple[Shard, T]]:
        """Results in order, with a few shards under way, never all."""
        cut = list(shards)
        results = pool.in_order(map(submit, cut), _AHEAD * self.workers)
        for shard, result in zip(cut, results, strict=True):
            self.progress.advance(len(shard))
            yield shard, result


def runs_of(shard: Shard) -> Runs:
    """The files of ``shard`` as they are sent."""
    by_kind = groupby(shard, key=attrgetter("kind"))
    return [(kind, [file.path for file in run]) for kind, run in by_kind]


def shard_of(runs: Runs) -> Shard:
    """What was sent as ``runs``."""
    return [FileName(path, kind) for kind, paths in runs for path in paths]


def _read(task: Task, runs: Runs, tray: Address | None, limit: int | None) -> Portion:
    return read_portion(task, shard_of(runs), tray, limit)


def _survey(task: Task, runs: Runs) -> Survey:
    return survey_portion(task, shard_of(runs))
