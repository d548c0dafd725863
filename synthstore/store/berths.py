"""Room in a run's folder for files that other processes write there before the run is committed.

Such a process may outlive the one that it works for by a moment. What it writes then lies in the
folder of a run that was never committed, and whoever removes that waits until it has let go.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from synthstore.files.durable import told
from synthstore.files.putting import Attire, write_proved
from synthstore.store.items import Copy
from synthstore.store.plan import Staged

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class StagingArea:
    """The folder of a run's new files."""

    folder: str

    @contextmanager
    def held(self) -> Iterator[int]:
        """Keep the folder from being removed while files are written into it; its descriptor."""
        with told(self.folder):
            fd = os.open(self.folder, _FOLDER)
        try:
            with suppress(OSError):  # not every network file system locks folders
                fcntl.flock(fd, fcntl.LOCK_SH)
            yield fd
        finally:
            os.close(fd)

    def write(self, fd: int, slot: int, content: bytes, sha256: str, attire: Attire) -> Staged:
        """Write and prove the new file of ``slot``, whose ``sha256`` is known; not yet durable.

        ``fd`` is the folder's.
        """
        name = str(slot)
        stat = write_proved(name, content, attire, dir_fd=fd, shown=f"{self.folder}/{name}")
        return Staged(slot, Copy.of(sha256, stat))


class Berth(NamedTuple):
    """Slots that are the caller's to fill."""

    area: StagingArea
    first: int


def wait_for_writers(folder: Path) -> None:
    """Return once nobody holds the staging area at ``folder``; one that is not there is fine."""
    with suppress(OSError):
        fd = os.open(folder, _FOLDER)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
        finally:
            os.close(fd)
