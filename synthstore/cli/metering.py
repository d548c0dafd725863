"""``--metrics-file``: written however the command ends."""

from __future__ import annotations

import os
import sys
import time
from asyncio import CancelledError
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from synthstore.backup.report import BackupReport
from synthstore.checks.report import Report
from synthstore.cli.command import Common
from synthstore.errors import InterruptedByUserError, OperationError, SynthstoreError, UsageError
from synthstore.files.durable import atomic_write
from synthstore.render.metrics import Ran, textfile

_MODE = 0o644
"""Whoever collects metrics is another user."""


@dataclass(slots=True)
class Meter:
    """What is known of each store so far."""

    command: str
    ran: dict[str, Ran] = field(default_factory=dict)

    def add(self, store: Path, result: Report | SynthstoreError) -> None:
        """Note how the command went on ``store``."""
        report = result if isinstance(result, Report) else None
        self.ran[str(store)] = Ran(self.command, str(store), result.exit_code, report)

    def add_backup(self, store: Path, report: BackupReport) -> None:
        """Note how a backup of ``store`` went."""
        self.ran[str(store)] = Ran(self.command, str(store), report.exit_code, backup=report)


def outside(option: str, file: Path, stores: Sequence[Path]) -> None:
    """Raise UsageError for a file inside a store: nobody but Memory Cores and runs write there."""
    for store in stores:
        # Not Path.resolve, which raises for links in a circle; those are told when it is opened.
        if Path(os.path.realpath(file)).is_relative_to(os.path.realpath(store)):
            raise UsageError(f"{option}: {file} is inside the store {store}")


@contextmanager
def metered(
    common: Common, target: str | None, command: str, stores: Sequence[Path]
) -> Iterator[Meter]:
    """Write the metrics of the body to ``target`` when it ends, by an exception too."""
    meter = Meter(command)
    if target is None:
        yield meter
        return
    if target == "-" and common.screen.json:
        raise UsageError("--metrics-file - and --json exclude each other on stdout")
    if target != "-":
        outside("--metrics-file", Path(target), stores)
    failure: SynthstoreError = OperationError("failed")
    try:
        yield meter
    except SynthstoreError as error:
        failure = error
        raise
    except CancelledError:
        failure = InterruptedByUserError("interrupted")
        raise
    finally:
        for store in stores:
            if str(store) not in meter.ran:
                meter.add(store, failure)
        _write(target, list(meter.ran.values()))


def _write(target: str, ran: Sequence[Ran]) -> None:
    if target == "-":
        sys.stdout.write(textfile(ran, time.time()))
        return
    file = Path(target)
    old = file.read_text("utf-8", "replace") if file.is_file() else ""
    atomic_write(file, textfile(ran, time.time(), old).encode(), _MODE)
