"""A Dask cluster as the executor of a scan, for storage that many machines see.

Dask schedules; this only opens a client. The workers must see the store under the same path, and
have the same synthstore installed. See
https://distributed.dask.org/en/stable/api.html#distributed.Client.get_executor
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from synthstore.errors import OperationError, UsageError
from synthstore.shell import cited

_CONNECT_SECONDS = 10


@contextmanager
def dask_executor(address: str) -> Iterator[Executor]:
    """The cluster behind the scheduler at ``address``.

    Raises UsageError without the extra ``cluster``, OperationError where no scheduler answers.
    """
    try:
        client_class = importlib.import_module("distributed").Client
    except ImportError as error:
        hint = "pip install 'synthstore[cluster]'"
        raise UsageError("--executor dask needs the extra cluster", hint=hint) from error
    with _connected(client_class, address) as client:
        # Not pure: the same call means a new look, never the answer that Dask remembers.
        executor: Executor = client.get_executor(pure=False)
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
