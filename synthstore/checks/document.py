"""A report as the document that ``--json`` prints, and that the library returns."""

from __future__ import annotations

from dataclasses import asdict

from synthstore import __version__
from synthstore.checks.finding import Finding, Subject
from synthstore.checks.report import Action, RepairReport, Report

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
    document["findings"] = [finding_document(finding) for finding in report.findings]
    return document


def _repair_members(report: RepairReport) -> Document:
    return {
        "run": report.run,
        "dry_run": report.dry_run,
        "fixed": report.fixed,
        "left": report.left,
        "bytes_needed": report.bytes_needed,
        "refused": report.refused,
        "refused_hint": report.refused_hint,
        "recovered_runs": list(report.recovered_runs),
        "actions": [action_document(action) for action in report.actions],
    }


def finding_document(finding: Finding) -> Document:
    """One finding, as every document has it."""
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


def action_document(action: Action) -> Document:
    """One action, as every document has it."""
    return {
        "kind": action.kind,
        "subject": _subject(action.subject),
        "path": action.path,
        "source": action.source,
        "status": action.status,
        "because": action.because,
    }
