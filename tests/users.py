"""To be somebody whom permissions bind: root is not."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


def is_root() -> bool:
    """Whether permissions bind us not."""
    return os.geteuid() == 0


@contextmanager
def as_nobody() -> Iterator[None]:
    """Be ``nobody`` for a while, if we are root; else we are somebody already.

    The saved user id stays root's, which alone lets us come back.
    """
    if not is_root():
        yield
        return
    groups = os.getgroups()
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, 0)
    os.setresuid(NOBODY, NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        os.setresgid(0, 0, 0)
        os.setgroups(groups)


@contextmanager
def common_folder(parent: Path | None = None) -> Iterator[Path]:
    """A folder that ``nobody`` may enter and owns; pytest's own are root's alone."""
    folder = Path(tempfile.mkdtemp(dir=parent))
    if is_root():
        os.chown(folder, NOBODY, NOBODY)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
