"""The worker processes of one backup."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from synthstore.scan.pool import PROCESSES_PAY_FROM, executor_for, usable_cores
from synthstore.scan.workers import processes

T = TypeVar("T")

_PARALLEL = 2

TOGETHER_UP_TO = 100_000
"""Files that can be looked at and read at the same time in a few hundred megabytes."""


class Crew:
    """Processes that are started when they are first wanted, and stay until the end."""

    def __init__(self, jobs: int | None, stack: ExitStack) -> None:
        self.size = jobs or usable_cores()
        self._stack = stack
        self._executor: Executor | None = None

    @property
    def started(self) -> Executor | None:
        """The processes, if they were wanted by now."""
        return self._executor

    def for_files(self, count: int) -> Executor | None:
        """The processes, where they pay for so many files."""
        if self.size < _PARALLEL or count < PROCESSES_PAY_FROM:
            return None
        if self._executor is None:
            self._executor = self._stack.enter_context(executor_for(count, self.size))
        return self._executor

    def beside(self, executor: Executor, count: int, work: Callable[[], T]) -> Future[T]:
        """``work`` on all of so many files, done by a process while others read them.

        Where that would take too much memory at once, it is done before them, and its memory free.
        """
        if count < TOGETHER_UP_TO:
            return executor.submit(work)
        with processes(1) as alone:
            return alone.submit(work)


@contextmanager
def crew_of(jobs: int | None) -> Iterator[Crew]:
    """As many processes as there are to be ``jobs``, or cores."""
    with ExitStack() as stack:
        yield Crew(jobs, stack)
