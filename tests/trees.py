"""What stands under a folder, in a form that two moments can be compared by."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

Tree = dict[str, tuple[str, int]]
"""Path → (what it is, mode); what it is: a file's sha256, a link's target, or a kind of thing."""


def sha_tree(root: Path, skip: str = ".synthstore") -> Tree:
    """Everything under ``root`` but the top folder ``skip``; links are not followed."""
    return {
        path.relative_to(root).as_posix(): (_what(path), stat.S_IMODE(path.lstat().st_mode))
        for path in _walk(root, skip)
    }


def stamps(root: Path) -> dict[str, tuple[int, int]]:
    """mtime and ctime in nanoseconds of everything under ``root``, itself included."""
    paths = [root, *_walk(root, skip="")]
    return {str(p): (p.lstat().st_mtime_ns, p.lstat().st_ctime_ns) for p in paths}


def changed(before: Tree, after: Tree) -> set[str]:
    """Paths that came, went or differ."""
    return {p for p in before.keys() | after.keys() if before.get(p) != after.get(p)}


def _walk(root: Path, skip: str) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        if here == root and skip in folders:
            folders.remove(skip)
        yield from (here / name for name in folders + files)


def _what(path: Path) -> str:
    mode = path.lstat().st_mode
    if stat.S_ISREG(mode):
        try:
            return hashlib.sha256(path.read_bytes()).hexdigest()
        except PermissionError:
            return f"unreadable, {path.lstat().st_size} bytes"
    return f"link {path.readlink()}" if stat.S_ISLNK(mode) else stat.filemode(mode)[0]
