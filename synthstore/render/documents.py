"""Values to the documents that ``--json`` prints; ``synthstore/schemas`` describes each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from synthstore import __version__
from synthstore.checks.document import Document, report_document
from synthstore.checks.report import Report
from synthstore.errors import SynthstoreError

if TYPE_CHECKING:
    from synthstore.repair.undoing import PruneReport, RunInfo, UndoReport

__all__ = [
    "Document",
    "demo_document",
    "error_document",
    "fleet_document",
    "known_document",
    "prune_document",
    "report_document",
    "runs_document",
    "undo_document",
]


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
        "damaged": list(report.damaged),
        "recovered_runs": list(report.recovered_runs),
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
