"""Migrations for people, and as the document that ``--json`` prints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from synthstore import __version__
from synthstore.checks.document import Document, finding_document
from synthstore.checks.finding import Severity
from synthstore.render.human import some
from synthstore.render.screen import Block, Line
from synthstore.render.text import byte_size, counted, number, seconds

if TYPE_CHECKING:
    from synthstore.migrate.report import MigrateReport


def migrate_blocks(report: MigrateReport, *, verbose: bool, planned: bool) -> Iterator[Block]:
    """What a migration does, or did; the last line is the next command."""
    yield Line(_headline(report, planned=planned), "head")
    if report.files or not planned:
        yield Line(_amount(report, planned=planned))
    left = [f"{one.code} {one.kind} {one.id}: {one.because}" for one in report.left]
    yield from some("left: ", left, "warning", verbose=verbose)
    yield from some("not taken along: ", report.others, "info", verbose=verbose)
    if report.dry_run:
        yield Line("dry run: nothing was changed")
    elif not planned:
        yield from _verdict(report)
    if report.next is not None:
        yield Line(report.next, "command")


def _headline(report: MigrateReport, *, planned: bool) -> str:
    change = "" if report.layout == report.into else f" from {report.layout} to {report.into}"
    if report.target is None:
        if report.run is not None and report.resumed:
            return f"completed the conversion of {report.store} to {report.into}"
        if not report.files:
            return f"{report.store}: nothing to convert, it is {report.into} throughout"
        return f"{'would convert' if planned else 'converted'} {report.store}{change}"
    verb = "would migrate" if planned else "migrated"
    resumed = ", going on with an earlier try" if report.resumed else ""
    return f"{verb} {report.store} to {report.target}{change}{resumed}"


def _amount(report: MigrateReport, *, planned: bool) -> str:
    parts = (
        counted(report.memories, "memory", "memories"),
        counted(report.assemblies, "assembly", "assemblies"),
        counted(report.vectors, "vector"),
        counted(report.files, "file"),
    )
    last = (
        f"about {byte_size(report.bytes)} of room needed"
        if planned
        else f"in {seconds(report.elapsed_seconds)}"
    )
    return f"  {', '.join(parts)}; {last}"


def _verdict(report: MigrateReport) -> Iterator[Block]:
    by_code: dict[str, int] = {}
    for finding in report.findings:
        if finding.severity > Severity.INFO:
            by_code[finding.code] = by_code.get(finding.code, 0) + 1
    if by_code:
        told = ", ".join(f"{code} {number(count)}" for code, count in by_code.items())
        yield Line(f"findings: {told}", "warning")
    elif report.files:
        yield Line("verified, and equal to what it was made of", "good")
    if report.run is not None:
        yield Line(f"recorded as run {report.run}; to take it back:")


def migrate_document(report: MigrateReport) -> Document:
    """``synthstore/migrate/1``."""
    return {
        "schema": "synthstore/migrate/1",
        "version": __version__,
        "store": report.store,
        "target": report.target,
        "layout": report.layout,
        "into": report.into,
        "dry_run": report.dry_run,
        "resumed": report.resumed,
        "files": report.files,
        "bytes": report.bytes,
        "memories": report.memories,
        "assemblies": report.assemblies,
        "vectors": report.vectors,
        "run": report.run,
        "left": [asdict(one) for one in report.left],
        "others": list(report.others),
        "findings": [finding_document(finding) for finding in report.findings],
        "next": report.next,
        "started_at": report.started_at,
        "elapsed_seconds": report.elapsed_seconds,
    }
