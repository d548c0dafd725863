"""Files on their way through an executor: a few shards at a time, what became of them in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import TypeVar

from synthstore.files.passing import Passed, Trays
from synthstore.files.sharing import Address
from synthstore.model.ids import Kind
from synthstore.progress import Progress
from synthstore.scan.pool import in_order, shards
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

        return (survey for _, survey in self._in_order(submit, files))

    def portions(
        self, task: Task, files: Shard, limit: int | None
    ) -> Iterator[tuple[Shard, Portion, Passed | None]]:
        """Each shard read; what it passes on is there until the next one is asked for."""

        def submit(shard: Shard) -> Future[Portion]:
            address = self.trays.hand_out()
            return self.executor.submit(_read, task, runs_of(shard), address, limit)

        for shard, portion in self._in_order(submit, files):
            with self.trays.returned() as tray:
                passed = None if portion.piece is None else Passed(portion.piece, tray)
                yield shard, portion, passed

    def _in_order(
        self, submit: Callable[[Shard], Future[T]], files: Shard
    ) -> Iterator[tuple[Shard, T]]:
        """Results in order, with a few shards under way, never all."""
        results = in_order(map(submit, shards(files)), _AHEAD * self.workers)
        for shard, result in zip(shards(files), results, strict=True):
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
