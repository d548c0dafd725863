"""The worker processes of one backup."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager

from synthstore.scan.pool import PROCESSES_PAY_FROM, executor_for, usable_cores

_PARALLEL = 2


class Crew:
    """Processes that are started when they are first wanted, and stay until the end."""

    def __init__(self, jobs: int | None, stack: ExitStack) -> None:
        self.size = jobs or usable_cores()
        self._stack = stack
        self._executor: Executor | None = None

    def for_files(self, count: int) -> Executor | None:
        """The processes, where they pay for so many files."""
        if self.size < _PARALLEL or count < PROCESSES_PAY_FROM:
            return None
        if self._executor is None:
            self._executor = self._stack.enter_context(executor_for(count, self.size))
        return self._executor


@contextmanager
def crew_of(jobs: int | None) -> Iterator[Crew]:
    """As many processes as there are to be ``jobs``, or cores."""
    with ExitStack() as stack:
        yield Crew(jobs, stack)
