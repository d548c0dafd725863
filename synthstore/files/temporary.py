"""A folder that is gone when the work in it is done."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def temporary_folder(prefix: str) -> Iterator[Path]:
    """Make an empty folder that only this user may enter, and remove it with all in it."""
    with tempfile.TemporaryDirectory(prefix=prefix) as name:
        yield Path(name)
