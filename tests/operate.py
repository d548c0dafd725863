"""The product's operations as the tests call them: one worker, no questions, no waiting."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from synthstore.checks.finding import Severity
from synthstore.checks.report import RepairReport, Report
from synthstore.repair.operation import RepairOptions, repair
from synthstore.repair.undoing import UndoReport, undo
from synthstore.testing.damages.model import How
from synthstore.verify import LookOptions, verify


def look(root: Path, *, fail_on: Severity = Severity.WARNING) -> Report:
    """Verify in full."""
    return asyncio.run(verify(root, LookOptions(jobs=1, fail_on=fail_on)))


def mend(root: Path, how: How = How(), *, dry_run: bool = False) -> RepairReport:  # noqa: B008
    """Repair, and say yes."""
    options = RepairOptions(
        jobs=1,
        dry_run=dry_run,
        allow_shrink=how.allow_shrink,
        accept=how.accept,
        accept_all=how.accept_all,
        select=how.select,
    )
    return asyncio.run(repair(root, options, confirm=lambda _: True))


def take_back(root: Path, run: str | None = None) -> UndoReport:
    """Undo, and say yes."""
    return asyncio.run(
        undo(root, run, force=False, dry_run=False, lock_wait=0.0, confirm=lambda _: True)
    )


def codes(report: Report) -> Mapping[str, int]:
    """How often each code was said."""
    return dict(Counter(finding.code for finding in report.findings))


def told(report: Report) -> str:
    """The findings as lines, for a failed assertion."""
    lines = (
        f"{f.code} {f.severity.label} {f.subject} {f.path}: {f.message}" for f in report.findings
    )
    return "\n".join(lines)
