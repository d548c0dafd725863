"""Worker processes on their way before the command line is understood.

They need as long to start as the program needs for its own imports, and each has a core for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from synthstore.cli.glimpse import newest_files
from synthstore.scan.workers import expect, expect_files, expect_rows

_MODULES: Mapping[str, Sequence[str]] = {
    "verify": (),
    "rebuild-index": (),
    "export": ("synthstore.transfer.reading",),
}
"""Commands that are sure to want workers for a large store, and what these import for them."""

ROW_WORKERS = ("synthstore.transfer.working",)
"""What the workers of an import need."""

RESTORE_WORKERS = ("synthstore.backup.decoding",)
"""What those of a restore need."""

_OTHERWISE = ("-h", "--help", "--quick", "--jobs", "--executor")
"""Options with which workers may not be wanted: the command itself decides then."""

_PLANS = frozenset({"-n", "--dry-run"})
"""With these a restore wants none."""


def start(args: Sequence[str]) -> None:
    """Begin to start workers if ``args`` name a large store, repository or file of rows.

    A wrong guess costs only time, and a missed one is made up for by the command.
    """
    command, *words = args or [""]
    if any(word.startswith(_OTHERWISE) for word in words):
        return
    paths = [word for word in words if not word.startswith("-")]
    if command in _MODULES:
        expect([Path(path) for path in paths], None, _MODULES[command])
    if command == "restore" and _PLANS.isdisjoint(words):
        expect_files(newest_files(_value_of("--repo", words)), None, RESTORE_WORKERS)
    if command == "import":
        for path in paths:
            expect_rows(path, None, None, ROW_WORKERS)


def _value_of(option: str, words: Sequence[str]) -> str | None:
    """What stands behind an option, if it is there."""
    for word, following in pairwise([*words, ""]):
        if word == option:
            return following
        if word.startswith(f"{option}="):
            return word.removeprefix(f"{option}=")
    return None
