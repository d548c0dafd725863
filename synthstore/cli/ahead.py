"""Worker processes on their way before the command line is understood.

They need as long to start as the program needs for its own imports, and each has a core for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from synthstore.scan.workers import expect

_MODULES: Mapping[str, Sequence[str]] = {
    "verify": (),
    "rebuild-index": (),
    "export": ("synthstore.transfer.reading",),
}
"""Commands that are sure to want workers for a large store, and what these import for them."""

_OTHERWISE = ("-h", "--help", "--quick", "--jobs", "--executor")
"""Options with which workers may not be wanted: the command itself decides then."""


def start(args: Sequence[str]) -> None:
    """Begin to start workers if a word of ``args`` is the path of a large store.

    A wrong guess costs only time, and a missed one is made up for by the command.
    """
    command, *words = args or [""]
    if command in _MODULES and not any(word.startswith(_OTHERWISE) for word in words):
        stores = [Path(word) for word in words if not word.startswith("-")]
        expect(stores, None, _MODULES[command])
