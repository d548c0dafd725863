"""What every command begins with: the time, and the store that is meant."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

from synthstore.errors import NotAStoreError


class Clock:
    """When a command began, and how long ago that was."""

    def __init__(self) -> None:
        self.started_at = datetime.now(UTC).isoformat(timespec="microseconds")[:-6] + "Z"
        self._start = time.perf_counter()

    def elapsed(self) -> float:
        """Seconds since the start, to the millisecond."""
        return round(time.perf_counter() - self._start, 3)


def find_root(store: Path) -> Path:
    """Resolve the path that the operator gave; only here may a link be followed."""
    try:
        root = store.resolve()
    except RuntimeError:  # how Python 3.11 and 3.12 say it
        hint = "give the store's storage_path directory"
        raise NotAStoreError(f"{store} is a link in a circle", hint=hint) from None
    if not root.is_dir():
        what = "is not a directory" if root.exists() else "does not exist"
        raise NotAStoreError(f"{store} {what}", hint="give the store's storage_path directory")
    return root
