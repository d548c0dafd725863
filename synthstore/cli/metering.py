"""``--metrics-file``: written however the command ends."""

from __future__ import annotations

import logging
import sys
import time
from asyncio import CancelledError
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from synthstore.checks.report import Report
from synthstore.cli.command import Common
from synthstore.cli.outputs import output, put
from synthstore.errors import InterruptedByUserError, OperationError, SynthstoreError, UsageError
from synthstore.files.durable import told
from synthstore.render.metrics import Ran, textfile

if TYPE_CHECKING:
    from synthstore.backup.report import BackupReport
    from synthstore.stats.report import StatsReport

_log = logging.getLogger("synthstore")

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

    def add_stats(self, store: Path, stats: StatsReport) -> None:
        """Note what the statistics of ``store`` are."""
        self.ran[str(store)] = Ran(
            self.command, str(store), stats.exit_code, stats.report, stats=stats
        )


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
    file = None if target == "-" else output("--metrics-file", target, stores)
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
        _write(file, list(meter.ran.values()), failing=sys.exc_info()[1] is not None)


def _write(file: Path | None, ran: Sequence[Ran], *, failing: bool) -> None:
    """Write the metrics; where the command is ``failing`` anyway, its own error is the one told."""
    if file is None:
        sys.stdout.write(textfile(ran, time.time()))
        return
    try:
        put(file, textfile(ran, time.time(), _old(file)), _MODE)
    except OperationError as error:
        if not failing:
            raise
        _log.warning("%s", error.message)


def _old(file: Path) -> str:
    with told(file, "read"):
        return file.read_text("utf-8", "replace") if file.is_file() else ""
