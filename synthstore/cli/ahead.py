"""Worker processes on their way before the command line is understood.

They need as long to start as the program needs for its own imports, and each has a core for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from synthstore.scan.workers import expect, expect_rows

_MODULES: Mapping[str, Sequence[str]] = {
    "verify": (),
    "rebuild-index": (),
    "export": ("synthstore.transfer.reading",),
}
"""Commands that are sure to want workers for a large store, and what these import for them."""

ROW_WORKERS = ("synthstore.transfer.working",)
"""What the workers of an import need."""

_OTHERWISE = ("-h", "--help", "--quick", "--jobs", "--executor")
"""Options with which workers may not be wanted: the command itself decides then."""


def start(args: Sequence[str]) -> None:
    """Begin to start workers if a word of ``args`` is the path of a large store, or file of rows.

    A wrong guess costs only time, and a missed one is made up for by the command.
    """
    command, *words = args or [""]
    if any(word.startswith(_OTHERWISE) for word in words):
        return
    paths = [word for word in words if not word.startswith("-")]
    if command in _MODULES:
        expect([Path(path) for path in paths], None, _MODULES[command])
    if command == "import":
        for path in paths:
            expect_rows(path, None, None, ROW_WORKERS)
