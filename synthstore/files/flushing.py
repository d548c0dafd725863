"""Many new files made durable together, the disk kept busy while the next ones are written."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path

from synthstore.files.durable import told
from synthstore.files.syncing import sync_file_system

_FEW = 16
"""Up to so many files are cheaper to sync one by one."""

_WORTH = 32 << 20
"""Bytes that are worth a flush before all are there."""

_TICK = 1e-3
"""Seconds: a flush that took less says nothing of the disk."""


class Flush:
    """Makes what is written in ``folder`` durable; to be made before the first write.

    Nothing is promised before ``finish``. Where ``total`` bytes are to come, and ``finish`` runs
    ``beside`` other work of so many seconds, it gets the last of them: as much as the disk has
    shown to take in that time. Before, it would compete with whoever writes.
    """

    def __init__(self, folder: Path, *, total: float = math.inf, beside: float = 0.0) -> None:
        self._folder = folder
        self._left, self._beside = total, beside
        self._spare = 0.0
        with told(folder):
            # Before the first write: syncfs tells only of errors since then.
            self._fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="synthstore-flush")
        self._begun: list[Future[bool]] = []

    def written(self, size: int) -> None:
        """Note that there are ``size`` bytes more, which the disk may begin with."""
        self._waiting += size
        self._left -= size
        idle = all(one.done() for one in self._begun)
        if idle and self._waiting >= max(_WORTH, self._spare - self._left):
            self._begun.append(self._thread.submit(self._sync_all, self._waiting))
            self._waiting = 0

    def _sync_all(self, size: int) -> bool:
        start = time.perf_counter()
        thorough = sync_file_system(self._fd)
        rate = size / max(time.perf_counter() - start, _TICK)
        self._spare = max(self._spare, rate * self._beside)
        return thorough

    def close(self) -> None:
        """Let go, finished or not."""
        self._thread.shutdown()
        os.close(self._fd)

    def finish(self, names: Iterable[str]) -> None:
        """Return once the files of these ``names`` are on the disk, and their names as well.

        Raises OperationError where any of it was lost.
        """
        each = iter(names)
        few = list(islice(each, _FEW + 1))
        with told(self._folder):
            for one in self._begun:
                one.result()
            if len(few) <= _FEW or not sync_file_system(self._fd):
                for name in chain(few, each):
                    self._sync(name)
            os.fsync(self._fd)

    def _sync(self, name: str) -> None:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        with told(self._folder / name):
            fd = os.open(name, flags, dir_fd=self._fd)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
