"""Files on their way through an executor: a few shards at a time, what became of them in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import TypeVar

from synthstore.files.passing import Passed, Tray, lay_out
from synthstore.files.sharing import Address
from synthstore.model.ids import Kind
from synthstore.progress import Progress
from synthstore.scan.pool import shards
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


class Trays(AbstractContextManager["Trays"]):
    """Trays that go round: filled in the order in which they were handed out, emptied in it too."""

    def __init__(self, *, near: bool) -> None:
        """Have trays, where the workers are ``near`` enough to reach them."""
        self._near = near
        self._free: list[Tray] = []
        self._out: deque[Tray | None] = deque()
        self._all = ExitStack()

    def hand_out(self) -> Address | None:
        """The address of a tray that is empty."""
        tray = self._free.pop() if self._free else self._new()
        self._out.append(tray)
        return None if tray is None else tray.address

    def _new(self) -> Tray | None:
        tray = lay_out() if self._near else None
        if tray is not None:
            self._all.callback(tray.close)
        return tray

    def arrived(self, portion: Portion) -> Passed | None:
        """What is in the tray that was handed out first."""
        return None if portion.piece is None else Passed(portion.piece, self._out[0])

    def take_back(self) -> None:
        """Take back the tray that was handed out first."""
        tray = self._out.popleft()
        if tray is not None:
            tray.clear()
            self._free.append(tray)

    def __exit__(self, *_: object) -> None:
        self._all.close()


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
            yield shard, portion, self.trays.arrived(portion)
            self.trays.take_back()

    def _in_order(
        self, submit: Callable[[Shard], Future[T]], files: Shard
    ) -> Iterator[tuple[Shard, T]]:
        """Results in order, with a few shards under way, never all."""
        waiting: deque[tuple[Shard, Future[T]]] = deque()
        for shard in shards(files):
            waiting.append((shard, submit(shard)))
            if len(waiting) > _AHEAD * self.workers:
                yield self._first(waiting)
        while waiting:
            yield self._first(waiting)

    def _first(self, waiting: deque[tuple[Shard, Future[T]]]) -> tuple[Shard, T]:
        shard, future = waiting.popleft()
        result = future.result()
        self.progress.advance(len(shard))
        return shard, result


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
