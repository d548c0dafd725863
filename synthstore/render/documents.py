"""Values to the documents that ``--json`` prints; ``synthstore/schemas`` describes each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from synthstore import __version__
from synthstore.checks.finding import Finding, Subject
from synthstore.checks.report import Action, RepairReport, Report
from synthstore.errors import SynthstoreError

if TYPE_CHECKING:
    from synthstore.repair.undoing import PruneReport, RunInfo, UndoReport

Document = dict[str, object]


def report_document(report: Report) -> Document:
    """``synthstore/report/1`` of verify, repair or rebuild-index."""
    document: Document = {
        "schema": "synthstore/report/1",
        "command": report.command,
        "version": __version__,
        "store": report.store,
        "layout": report.layout,
        "quick": report.quick,
        "complete": report.complete,
        "started_at": report.started_at,
        "elapsed_seconds": report.elapsed_seconds,
        "clean": report.clean,
        "silenced": report.silenced,
        "next": report.next,
        "counts": asdict(report.counts),
        "summary": {**report.by_severity, "by_code": dict(report.by_code)},
    }
    if isinstance(report, RepairReport):
        document |= _repair_members(report)
    document["findings"] = [_finding(finding) for finding in report.findings]
    return document


def _repair_members(report: RepairReport) -> Document:
    return {
        "run": report.run,
        "dry_run": report.dry_run,
        "fixed": report.fixed,
        "left": report.left,
        "bytes_needed": report.bytes_needed,
        "refused": report.refused,
        "recovered_runs": list(report.recovered_runs),
        "actions": [_action(action) for action in report.actions],
    }


def _finding(finding: Finding) -> Document:
    return {
        "code": finding.code,
        "rule": finding.rule,
        "severity": finding.severity.label,
        "subject": _subject(finding.subject),
        "path": finding.path,
        "message": finding.message,
        "evidence": dict(finding.evidence),
        "repair": finding.repair,
    }


def _subject(subject: Subject) -> Document:
    return {"kind": subject.kind, "id": subject.id}


def _action(action: Action) -> Document:
    return {
        "kind": action.kind,
        "subject": _subject(action.subject),
        "path": action.path,
        "source": action.source,
        "status": action.status,
        "because": action.because,
    }


def fleet_document(
    command: str,
    reports: Sequence[Report],
    errors: Sequence[tuple[str, SynthstoreError]],
    exit_code: int,
) -> Document:
    """``synthstore/fleet/1``: the reports of several stores, and the stores that gave none."""
    return {
        "schema": "synthstore/fleet/1",
        "command": command,
        "version": __version__,
        "exit_code": exit_code,
        "reports": [report_document(report) for report in reports],
        "errors": [{"store": store, "error": _error(error)} for store, error in errors],
    }


def error_document(error: SynthstoreError) -> Document:
    """``synthstore/error/1``: why there is no result."""
    return {"schema": "synthstore/error/1", "error": _error(error)}


def _error(error: SynthstoreError) -> Document:
    return {
        "kind": error.kind,
        "message": error.message,
        "hint": error.hint,
        "exit_code": error.exit_code,
    }


def known_document(known: Iterable[tuple[str, str, str]]) -> Document:
    """``synthstore/known/1``: findings to keep silent about, sorted."""
    return {
        "schema": "synthstore/known/1",
        "version": __version__,
        "known": [
            {"code": code, "subject": {"kind": kind, "id": name}}
            for code, kind, name in sorted(known)
        ],
    }


def undo_document(report: UndoReport) -> Document:
    """``synthstore/undo/1``: the files that an undo gave back."""
    return {
        "schema": "synthstore/undo/1",
        "version": __version__,
        "store": report.store,
        "undone": report.undone,
        "run": report.run,
        "dry_run": report.dry_run,
        "files": [asdict(file) for file in report.files],
        "conflicts": list(report.conflicts),
    }


def runs_document(store: str, runs: Sequence[RunInfo]) -> Document:
    """``synthstore/runs/1``: the recorded runs, newest first."""
    return {
        "schema": "synthstore/runs/1",
        "version": __version__,
        "store": store,
        "runs": [asdict(run) for run in runs],
    }


def prune_document(report: PruneReport, *, dry_run: bool) -> Document:
    """``synthstore/prune/1``: the runs that were let go."""
    return {
        "schema": "synthstore/prune/1",
        "version": __version__,
        "store": report.store,
        "dry_run": dry_run,
        "removed": list(report.removed),
        "kept": report.kept,
        "freed_bytes": report.freed_bytes,
    }


def demo_document(folder: str | None, steps: Iterable[tuple[str, int]]) -> Document:
    """``synthstore/demo/1``: the commands that the tour ran, and their exit codes."""
    return {
        "schema": "synthstore/demo/1",
        "version": __version__,
        "folder": folder,
        "steps": [{"command": command, "exit_code": code} for command, code in steps],
    }
