"""What each command of the demo shows, as the command itself would show it."""

from __future__ import annotations

from collections.abc import Iterator

from synthstore.checks.report import RepairReport, Report
from synthstore.render.human import dry_run_blocks, outcome_blocks, report_blocks
from synthstore.render.screen import Block
from synthstore.render.undoing import undo_blocks
from synthstore.repair.undoing import UndoReport


def tour_blocks(outcome: Report | UndoReport, *, verbose: bool) -> Iterator[Block]:
    """The blocks of whichever command gave ``outcome``."""
    if isinstance(outcome, UndoReport):
        return undo_blocks(outcome, verbose=verbose, planned=False)
    if not isinstance(outcome, RepairReport):
        return report_blocks(outcome, verbose=verbose, quiet=False)
    blocks = dry_run_blocks if outcome.dry_run else outcome_blocks
    return blocks(outcome, verbose=verbose, quiet=False)
