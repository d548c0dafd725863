"""Many points over many processes: what was tried, what was bad, which planted bugs were found."""

from __future__ import annotations

import math
import multiprocessing
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby

from tests.faults.actions import Action, Fault, points

ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
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
    """Mutating calls of the undisturbed command."""
    tried: int
    bad: tuple[Bad, ...]
    seconds: float

    def told(self) -> str:
        """The first bad points, a line each."""
        return "\n".join(
            f"{self.task.scenario} {self.task.action} at {bad.point}/{self.calls} ({bad.call}): "
            + "; ".join(bad.problems[:_SHOWN])
            for bad in self.bad[:_SHOWN]
        )


def run(tasks: Iterable[Task], jobs: int) -> list[Tally]:
    """Do every task, divided over ``jobs`` processes; the tallies come in the tasks' order."""
    shares = [piece for task in tasks for piece in _divided(task, jobs)]
    with _single_threaded(), ProcessPoolExecutor(
        jobs, mp_context=multiprocessing.get_context("spawn")
    ) as pool:
        tallies = list(pool.map(do, shares))
    return [_merged(list(group)) for _, group in groupby(tallies, lambda t: _whole(t.task))]


def do(task: Task) -> Tally:
    """Do one task in this process, which must have no threads."""
    # Here and not above: whoever only plans a campaign needs neither numpy nor the product.
    from tests.faults.bench import bench
    from tests.faults.registry import MUTANTS, SCENARIOS

    start = time.perf_counter()
    mutant = MUTANTS[task.mutant] if task.mutant else None
    bad: list[Bad] = []
    tried = 0
    with bench(SCENARIOS[task.scenario]) as at:
        calls = at.calls(mutant)
        for point in _chosen(task, points(task.action, calls)):
            tried += 1
            outcome, problems = at.try_fault(Fault(task.action, point), mutant)
            if problems:
                where = outcome.struck or calls[point - 1]
                bad.append(Bad(point, f"{where.name} {where.path}", tuple(problems)))
            if bad and mutant:
                break
    return Tally(task, len(calls), tried, tuple(bad), time.perf_counter() - start)


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
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
