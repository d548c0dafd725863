"""Many points over many processes: what was tried, what was bad, which planted bugs were found."""

from __future__ import annotations

import atexit
import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import ParamSpec, TypeVar

from tests.faults.actions import Action, Fault, points
from tests.faults.bench import Bench, bench
from tests.faults.disk import FileSystem
from tests.faults.registry import MUTANTS, SCENARIOS
from tests.faults.scenario import Mutant
from tests.faults.supervisor import Outcome, observe

P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")

_benches = ExitStack()
atexit.register(_benches.close)

_ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Task:
    """The points of one scenario under one action, or one worker's share of them."""

    scenario: str
    action: Action
    mutant: str | None = None
    """A planted bug; the task then ends with the first point that gives it away."""
    limit: int | None = None
    """How many points at most, evenly spread; None: every one."""
    disk: FileSystem | None = None
    """On a disk of this kind, for power cuts; None: in memory."""
    share: tuple[int, int] = (0, 1)
    """Which one of how many shares."""


@dataclass(frozen=True, slots=True)
class Bad:
    """One point at which a promise did not hold."""

    point: int
    call: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of a task."""

    task: Task
    calls: int
    """Mutating calls of the command when nothing disturbs it."""
    tried: int
    bad: tuple[Bad, ...]
    seconds: float
    """Of all workers together."""

    def told(self) -> str:
        """The first bad points, a line each."""
        task = self.task
        where = f"{task.scenario} {task.action} {task.disk or 'anywhere'}"
        return "\n".join(
            f"{where} at {bad.point}/{self.calls} ({bad.call}): " + "; ".join(bad.problems[:_SHOWN])
            for bad in self.bad[:_SHOWN]
        )


class Crew:
    """Worker processes, each single-threaded and with numpy and the product loaded once."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(jobs, mp_context=context)
        with _single_threaded():
            # The pool starts a process for each submission until it has them all.
            for future in [self._pool.submit(os.getpid) for _ in range(jobs)]:
                future.result()

    def close(self) -> None:
        """Let the workers go."""
        self._pool.shutdown()

    def run(self, tasks: Iterable[Task]) -> Iterator[Tally]:
        """Do every task, divided over the workers; tallies come as they are done, in order."""
        shares = [share for task in tasks for share in _divided(task, self.jobs)]
        tallies = self._pool.map(do, shares)
        for _, group in groupby(tallies, lambda tally: _whole(tally.task)):
            yield _merged(list(group))

    def map(self, function: Callable[[S], T], values: Iterable[S]) -> Iterator[T]:
        """Call an importable function with each of ``values``; results in their order."""
        return self._pool.map(function, values)

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call an importable function in a worker."""
        return self._pool.submit(function, *args, **kwargs).result()

    def observe(self, function: Callable[[Path], object], root: Path) -> Outcome:
        """Watch ``function(root)``, which must be importable, in a worker's child."""
        return self.call(_observe, function, root)


@contextmanager
def crew(jobs: int | None = None) -> Iterator[Crew]:
    """Hire a crew for a while; by default one worker for each processor."""
    hired = Crew(jobs or len(os.sched_getaffinity(0)))
    try:
        yield hired
    finally:
        hired.close()


def do(task: Task) -> Tally:
    """Do one task in this process, which must have no threads."""
    start = time.perf_counter()
    mutant = MUTANTS[task.mutant] if task.mutant else None
    at = _at(task.scenario, task.disk)
    calls = at.calls(mutant)
    chosen = _chosen(task, points(task.action, calls))
    tried, bad = _try_all(at, [Fault(task.action, point) for point in chosen], mutant)
    return Tally(task, len(calls), tried, bad, time.perf_counter() - start)


@cache
def _at(scenario: str, disk: FileSystem | None) -> Bench:
    """The scenario's bench, set up once a worker and cleared away when that ends."""
    return _benches.enter_context(bench(SCENARIOS[scenario], disk))


def _try_all(
    at: Bench, faults: Sequence[Fault], mutant: Mutant | None
) -> tuple[int, tuple[Bad, ...]]:
    bad: list[Bad] = []
    for tried, fault in enumerate(faults, start=1):
        outcome, problems = at.try_fault(fault, mutant)
        if problems:
            struck = outcome.struck
            where = f"{struck.name} {struck.path}" if struck else "a call that did not come"
            bad.append(Bad(fault.point, where, tuple(problems)))
            if mutant:
                return tried, tuple(bad)
    return len(faults), tuple(bad)


def _observe(function: Callable[[Path], object], root: Path) -> Outcome:
    return observe(lambda: function(root), root)


def _chosen(task: Task, every: Sequence[int]) -> Sequence[int]:
    index, shares = task.share
    mine = spread(every, task.limit)[index::shares]
    # Most bugs show where changes are applied, which is near the end.
    return mine[::-1] if task.mutant else mine


def spread(every: Sequence[int], limit: int | None) -> list[int]:
    """At most ``limit`` of the points, evenly, the first and the last among them."""
    if limit is None or len(every) <= limit:
        return list(every)
    if limit == 1:
        return [every[-1]]
    step = (len(every) - 1) / (limit - 1)
    return [every[math.floor(step * index + 0.5)] for index in range(limit)]


def _divided(task: Task, jobs: int) -> list[Task]:
    # A hunt ends with the first find, so dividing it would only do more.
    shares = 1 if task.mutant else jobs
    return [replace(task, share=(index, shares)) for index in range(shares)]


def _whole(task: Task) -> Task:
    return replace(task, share=(0, 1))


def _merged(tallies: Sequence[Tally]) -> Tally:
    bad = sorted((bad for tally in tallies for bad in tally.bad), key=lambda bad: bad.point)
    return Tally(
        _whole(tallies[0].task),
        tallies[0].calls,
        sum(tally.tried for tally in tallies),
        tuple(bad),
        sum(tally.seconds for tally in tallies),
    )


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Let the processes that are started meanwhile import numpy without its threads."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
