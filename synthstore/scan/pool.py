"""Shards over any ``concurrent.futures.Executor``: which one, and how large a shard."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager

from synthstore.scan.cluster import dask_executor
from synthstore.scan.shard import Candidate

SHARD = 250
"""Files per shard: large enough to hide the hop, small enough to keep workers level."""

PROCESSES_PAY_FROM = 4_000
"""Below this many files, starting worker processes costs more than it saves."""


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def shards(candidates: Sequence[Candidate]) -> Iterator[Sequence[Candidate]]:
    """Cut the candidates into runs of ``SHARD``."""
    for start in range(0, len(candidates), SHARD):
        yield candidates[start : start + SHARD]


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
        executor = _processes(workers)
    else:
        executor = ThreadPoolExecutor(1, thread_name_prefix="synthstore-scan")
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


def _processes(workers: int) -> Executor:
    # Only here: most looks start no process, and need not wait for these.
    import multiprocessing  # noqa: PLC0415
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415

    # Never fork: this process has threads by now, and a forked lock may never be freed.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["synthstore.scan.shard"])
    # Facts make no cycles, and a worker lives for one scan.
    processes = ProcessPoolExecutor(workers, mp_context=context, initializer=gc.disable)
    # Ctrl-C goes to the whole group: the server starts with it blocked, and so do its children.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        processes.submit(usable_cores)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return processes
