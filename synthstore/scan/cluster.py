"""A Dask cluster as the executor of a scan, for storage that many machines see.

Dask schedules; this opens a client, and ends what waits for a cluster that is gone: Dask itself
would wait for ever. The workers must see the store under the same path, and have the same
synthstore installed. See
https://distributed.dask.org/en/stable/api.html#distributed.Client.get_executor
"""

from __future__ import annotations

import importlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager
from typing import Any, ParamSpec, TypeVar

from synthstore.errors import OperationError, UsageError
from synthstore.shell import cited

P = ParamSpec("P")
T = TypeVar("T")

_CONNECT_SECONDS = 10

_PATIENCE = 60.0
"""Seconds without any worker, after which none is waited for: one may be on its way."""

_LOOK_EVERY = 0.5
"""Seconds from one look at the cluster to the next."""

_TALKATIVE = ("distributed", "distributed.client", "tornado", "tornado.application")
"""Loggers that tell a lost cluster by a traceback each; it is told as one error."""


@contextmanager
def dask_executor(address: str) -> Iterator[Executor]:
    """The cluster behind the scheduler at ``address``.

    Raises UsageError without the extra ``cluster``, OperationError where no scheduler answers. Its
    futures raise OperationError where the scheduler is lost, or there is no worker for a minute.
    """
    try:
        client_class = importlib.import_module("distributed").Client
    except ImportError as error:
        hint = "pip install 'synthstore[cluster]'"
        raise UsageError("--executor dask needs the extra cluster", hint=hint) from error
    with _quiet(), _connected(client_class, address) as client:
        executor = _Cluster(client, address)
        try:
            yield executor
        finally:
            executor.shutdown(wait=False)


def _connected(client_class: Any, address: str) -> Any:
    try:
        return client_class(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        hint = f"start it with {cited('dask scheduler')}, and workers with {cited('dask worker')}"
        raise OperationError(f"no Dask scheduler answers at {address}", hint=hint) from error


@contextmanager
def _quiet() -> Iterator[None]:
    with ExitStack() as undo:
        for logger in map(logging.getLogger, _TALKATIVE):
            undo.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.CRITICAL)
        yield


class _Cluster(Executor):
    """Calls on a cluster, each of which ends, even where the cluster does."""

    def __init__(self, client: Any, address: str) -> None:
        self._client = client
        self._address = address
        # Not pure: the same call means a new look, never the answer that Dask remembers.
        self._inner: Executor = client.get_executor(pure=False)
        self._lock = threading.Lock()
        self._open: set[Future[Any]] = set()
        self._lost: OperationError | None = None
        self._over = threading.Event()
        threading.Thread(target=self._watch, name="synthstore-cluster", daemon=True).start()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have the cluster make a call; raises OperationError where it is lost by now."""
        with self._lock:
            if self._lost is not None:
                raise self._lost
            outer: Future[T] = Future()
            self._open.add(outer)
        inner = self._inner.submit(fn, *args, **kwargs)
        outer.add_done_callback(lambda _: outer.cancelled() and inner.cancel())
        inner.add_done_callback(lambda _: self._deliver(inner, outer))
        return outer

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ask nothing more of the cluster."""
        self._over.set()
        if self._client.status == "running":
            self._inner.shutdown(wait=wait and not cancel_futures)

    def _deliver(self, inner: Future[T], outer: Future[T]) -> None:
        if not self._claim(outer):
            return
        if inner.cancelled():
            outer.set_exception(self._gone())
        elif (error := inner.exception()) is not None:
            outer.set_exception(error)
        else:
            outer.set_result(inner.result())

    def _claim(self, outer: Future[Any]) -> bool:
        """Whether a future is ours to end: nobody else has, and nobody called it off."""
        with self._lock:
            if outer not in self._open:
                return False
            self._open.remove(outer)
        return outer.set_running_or_notify_cancel()

    def _watch(self) -> None:
        seen = time.monotonic()
        while not self._over.wait(_LOOK_EVERY):
            if self._client.status != "running":
                self._lose(self._gone())
                return
            if self._workers():
                seen = time.monotonic()
            elif time.monotonic() - seen >= _PATIENCE:
                self._lose(self._deserted())
                return

    def _workers(self) -> bool:
        """Whether there is anybody to do what is asked, or nothing is."""
        if not self._open:
            return True
        try:
            return bool(self._client.nthreads())
        except Exception:  # noqa: BLE001 - whatever Dask raises here, its status tells of it
            return False

    def _lose(self, error: OperationError) -> None:
        with self._lock:
            self._lost = error
            waiting = tuple(self._open)
        for outer in waiting:
            if self._claim(outer):
                outer.set_exception(error)

    def _gone(self) -> OperationError:
        return OperationError(
            f"the Dask scheduler at {self._address} was lost",
            hint="run it again once it is back, or leave out --executor",
        )

    def _deserted(self) -> OperationError:
        return OperationError(
            f"the Dask cluster at {self._address} has had no worker for {_PATIENCE:.0f} s",
            hint=f"start one with {cited(f'dask worker {self._address}')}, or leave out --executor",
        )
