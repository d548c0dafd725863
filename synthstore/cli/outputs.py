"""Files that a command writes beside a store, because an option names them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from synthstore.errors import UsageError
from synthstore.files.durable import atomic_write
from synthstore.shell import path_word


def output(option: str, name: str, stores: Sequence[Path]) -> Path:
    """The file that ``option`` names, links followed, asked before any work is done.

    Raises UsageError for one inside a store, where only Memory Cores and runs write, for one whose
    folder is missing, and for what is no file: a device must not be replaced by one.
    """
    file = Path(os.path.realpath(name))
    for store in stores:
        # Not Path.resolve, which raises for links in a circle; those are told when it is opened.
        if file.is_relative_to(os.path.realpath(store)):
            raise UsageError(f"{option}: {name} is inside the store {store}")
    if not file.parent.is_dir():
        hint = f"mkdir -p {path_word(file.parent)}"
        raise UsageError(f"{option}: {file.parent} is no folder", hint=hint)
    if os.path.lexists(file) and not file.is_file():
        raise UsageError(f"{option}: {name} is there, and is no file")
    return file


def put(file: Path, text: str, mode: int) -> None:
    """Write ``text`` to ``file`` so that a reader sees the old one or the new."""
    atomic_write(file, text.encode("utf-8", "backslashreplace"), mode)
