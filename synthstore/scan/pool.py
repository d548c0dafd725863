"""Shards over any ``concurrent.futures.Executor``: which one, and how large a shard."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TypeVar

from synthstore.scan.cluster import dask_executor
from synthstore.scan.workers import PROCESSES_PAY_FROM, processes, usable_cores

T = TypeVar("T")

__all__ = [
    "PROCESSES_PAY_FROM",
    "SHARD",
    "as_done",
    "call_off",
    "executor_for",
    "in_order",
    "shards",
    "usable_cores",
]

SHARD = 250
"""Files per shard: large enough to hide the hop, small enough to keep workers level."""


def shards(files: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut the files, whatever stands for them, into runs of ``SHARD``."""
    for start in range(0, len(files), SHARD):
        yield files[start : start + SHARD]


def in_order(calls: Iterable[Future[T]], ahead: int) -> Iterator[T]:
    """The results of ``calls`` in their order; at most ``ahead`` may wait for the one before them.

    A call is asked for when it may be made, so that never all of them are under way.
    """
    waiting: deque[Future[T]] = deque()
    for call in calls:
        waiting.append(call)
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def as_done(calls: Iterable[Future[T]], ahead: int) -> Iterator[Future[T]]:
    """Each of ``calls`` as soon as it has a result or an error, or is called off.

    It is asked for when it may be made: never more than ``ahead`` are under way. ``as_completed``
    waits for ever for one that the shutdown of its executor called off.
    """
    done: SimpleQueue[Future[T]] = SimpleQueue()
    under_way = 0
    for call in calls:
        call.add_done_callback(done.put)
        under_way += 1
        if under_way >= ahead:
            yield done.get()
            under_way -= 1
    for _ in range(under_way):
        yield done.get()


def call_off(calls: Iterable[Future[T]]) -> None:
    """Have none of ``calls`` begin any more, and return once none is under way.

    Unlike a shutdown of their executor, any thread may do so while another shuts that down.
    """
    wait([call for call in calls if not call.cancel()])


@contextmanager
def executor_for(files: int, jobs: int | None, cluster: str | None = None) -> Iterator[Executor]:
    """Give processes where they pay, else one thread; parsing holds the GIL.

    A ``cluster``, the address of a Dask scheduler, is used however few they are; raises as
    ``dask_executor`` does.
    """
    if cluster is not None and files:
        with dask_executor(cluster) as executor:
            yield executor
        return
    workers = jobs or usable_cores()
    if workers > 1 and files >= PROCESSES_PAY_FROM:
        executor = processes(workers)
    else:
        executor = ThreadPoolExecutor(1, thread_name_prefix="synthstore-scan")
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)
