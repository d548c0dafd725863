"""Worker processes, which can be on their way while the rest of the program is still imported."""

from __future__ import annotations

import gc
import os
import signal
import site
import threading
import time
from collections.abc import Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Executor

PROCESSES_PAY_FROM = 4_000
"""Below this many files, starting worker processes costs more than it saves."""

LARGE_FILE = 64 << 20
"""A file of rows from this size on holds about as much work."""

_CATALOG = "memory_index.json"
"""As ``layout.base`` has it, which would import half of the program first."""

_BYTES_A_ROW = 130
"""The shortest rows of catalogs take about as many."""

_PRELOADED = ["synthstore.scan.shard", "synthstore.layout.detect", "simdjson"]
"""What each worker would import, imported once; what is not installed is passed over."""

_ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""What asks a program to stop."""

_PARTS_OF_A_POOL = ("_processes", "_pending_work_items", "_result_queue")

_GRACE = 0.5
"""Seconds in which a pool may cope with the loss of a worker by itself."""

_expected: set[int] = set()
"""The process that began to start the server ahead, as only a command of the program does."""


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def expect(stores: Sequence[Path], jobs: int | None, modules: Sequence[str] = ()) -> None:
    """Begin to start the processes, if a store is so large that they are going to be wanted.

    They need half a second, in which a command can import what it needs and list the store. A
    wrong guess costs only time. ``modules`` are what the workers need besides.
    """
    if any(map(looks_large, stores)):
        _expect(jobs, modules)


def expect_rows(
    file: str | None, sample: int | None, jobs: int | None, modules: Sequence[str]
) -> None:
    """As ``expect``, for rows that come from a file, or are to be made."""
    try:
        large = file is not None and Path(file).stat().st_size > LARGE_FILE
    except OSError:
        large = False
    if large or (sample or 0) > PROCESSES_PAY_FROM:
        _expect(jobs, modules)


def expect_files(count: int, jobs: int | None, modules: Sequence[str]) -> None:
    """As ``expect``, for about so many files."""
    if count >= PROCESSES_PAY_FROM:
        _expect(jobs, modules)


def _expect(jobs: int | None, modules: Sequence[str]) -> None:
    if (jobs or usable_cores()) > 1:
        from multiprocessing import forkserver  # noqa: PLC0415 - small stores need none

        with _server(modules):
            forkserver.ensure_running()
        _expected.add(os.getpid())


def dismiss() -> None:
    """End the server that forks workers, if the program itself began to start it.

    It holds as much memory as a worker, and starts again for whoever wants workers after all. One
    that serves a host of this library is left alone.
    """
    if os.getpid() not in _expected:
        return
    from multiprocessing import forkserver  # noqa: PLC0415

    # What Python's own tests end it with; without that it only ends with the program.
    server = getattr(forkserver, "_forkserver", None)
    getattr(server, "_stop", _expected.clear)()
    _expected.clear()


def looks_large(store: Path) -> bool:
    """Whether the size of its catalog says that a store has entities enough for processes."""
    try:
        return (store / _CATALOG).stat().st_size > PROCESSES_PAY_FROM * _BYTES_A_ROW
    except OSError:
        return False


def processes(workers: int) -> Executor:
    """As many worker processes."""
    # Only here: most looks start no process, and need not wait for these.
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415
    from multiprocessing import get_context  # noqa: PLC0415

    with _server():
        # Never fork: this process has threads by now, and a forked lock may never be freed.
        context = get_context("forkserver")
        executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)
        for _ in range(workers):
            executor.submit(usable_cores)
    # Another Python's pool may have none of these, and then copes as it can.
    parts = [vars(executor).get(name) for name in _PARTS_OF_A_POOL]
    if None not in parts:
        threading.Thread(target=_end_with_any, args=parts, daemon=True).start()
    return executor


def _end_with_any(workers: Mapping[int, Any], pending: Sized, results: Any) -> None:
    """End all workers where one is lost, as to a system that is short of memory.

    Python's own pool may wait for ever then: for the rest of an answer that was begun, or for
    workers whose answers nobody takes.
    """
    from multiprocessing.connection import wait  # noqa: PLC0415

    all_of_them = list(workers.values())
    wait([worker.sentinel for worker in all_of_them])
    time.sleep(_GRACE)
    # Where the pool was shut down, or could cope, nothing is asked of them any more.
    if pending:
        for worker in all_of_them:
            worker.kill()
        # The last way in: who waits for an answer sees that none will come.
        vars(results)["_writer"].close()


def _begin() -> None:
    """Set a worker up: facts make no cycles, and it lives for one scan."""
    gc.disable()
    # A pool that has lost a worker ends the others by it.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End when the program does, even where it is killed: the queue of calls tells nothing then."""
    from multiprocessing import parent_process  # noqa: PLC0415

    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _server(modules: Sequence[str] = ()) -> Iterator[None]:
    """Have the server that forks the workers start as it should, if it starts in here.

    What asks the program to stop goes to the whole group: the server starts with it blocked, and
    so do its children. They import nothing from the folder that the program happens to be called
    in.
    """
    from multiprocessing import forkserver, resource_tracker  # noqa: PLC0415

    forkserver.set_forkserver_preload([*_PRELOADED, *modules])
    with _environment(PYTHONSAFEPATH="1", **_own_path()):
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ASKING)
        try:
            # The server starts it otherwise; either way that ends with some of them unblocked.
            resource_tracker.ensure_running()
            signal.pthread_sigmask(signal.SIG_BLOCK, _ASKING)
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _own_path() -> dict[str, str]:
    """What lets another process find this very program, where it is not an installed one."""
    home = str(Path(__file__).parents[2])
    if home in {*site.getsitepackages(), site.getusersitepackages()}:
        return {}
    return {"PYTHONPATH": os.pathsep.join([home, *filter(None, [os.environ.get("PYTHONPATH")])])}


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Have these variables for what is started meanwhile."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
