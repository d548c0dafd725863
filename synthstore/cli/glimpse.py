"""What a repository in a folder seems to hold: guesses so cheap that they may be wrong."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def is_empty(repo: str | None) -> bool:
    """Whether a folder is named that has no snapshot yet."""
    snapshots = _snapshots(repo)
    if snapshots is None:
        return False
    with suppress(OSError), os.scandir(snapshots) as names:
        return next(names, None) is None
    return True


def newest_files(repo: str | None) -> int:
    """How many files the newest snapshot of a folder has."""
    import json  # noqa: PLC0415 - most commands have no snapshot to look at

    snapshots = _snapshots(repo)
    if snapshots is None:
        return 0
    with suppress(OSError, ValueError, KeyError, TypeError):
        # They are named by their times.
        newest = max(snapshots.glob("[0-9]*"))
        return int(json.loads(newest.read_bytes())["files"]) if newest.is_file() else 0
    return 0


def _snapshots(repo: str | None) -> Path | None:
    """Where a repository in a folder has its snapshots; None for one elsewhere."""
    named = repo or os.environ.get("SYNTHSTORE_REPOSITORY")
    return None if not named or "://" in named else Path(named) / "snapshots"
