"""Exports and imports, for people and as the documents that ``--json`` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from synthstore import __version__
from synthstore.checks.document import Document
from synthstore.render.human import SHOWN
from synthstore.render.screen import Block, Line, Tone
from synthstore.render.text import byte_size, counted, number, seconds
from synthstore.shell import path_word

if TYPE_CHECKING:
    from synthstore.transfer.attempt import Refusal
    from synthstore.transfer.exporting import ExportReport
    from synthstore.transfer.importing import ImportReport


def export_document(report: ExportReport) -> Document:
    """``synthstore/export/1``: what went out; never what is in it."""
    return {
        "schema": "synthstore/export/1",
        "version": __version__,
        "store": report.store,
        "layout": report.layout,
        "output": report.output,
        "format": report.format,
        "complete": not report.problems,
        "memories": report.memories,
        "assemblies": report.assemblies,
        "problems": [asdict(one) for one in report.problems],
        "started_at": report.started_at,
        "elapsed_seconds": report.elapsed_seconds,
    }


def export_blocks(report: ExportReport, *, verbose: bool, quiet: bool) -> Iterator[Block]:
    """How an export went; nothing at all if quiet and well."""
    if not quiet:
        where = "stdout" if report.output == "-" else report.output
        yield Line(
            f"exported {counted(report.memories, 'memory', 'memories')} and"
            f" {counted(report.assemblies, 'assembly', 'assemblies')} of {report.store} to {where},"
            f" as {report.format}, in {seconds(report.elapsed_seconds)}",
            "head",
        )
    rows = [f"{one.path}: {one.problem}" for one in report.problems]
    yield from _some("not exported: ", rows, "error", verbose=verbose)
    if report.problems:
        yield Line(f"synthstore verify {path_word(report.store)}", "command")


def import_document(report: ImportReport) -> Document:
    """``synthstore/import/1``: what became of the rows; never what is in them."""
    return {
        "schema": "synthstore/import/1",
        "version": __version__,
        "store": report.store,
        "layout": report.layout,
        "source": report.source,
        "dry_run": report.dry_run,
        "created": report.created,
        "complete": report.exit_code == 0,
        "inserted": report.inserted,
        "updated": report.updated,
        "skipped": report.skipped,
        "rejected": report.rejected,
        "rejects": [asdict(one) for one in report.refusals],
        "cut": report.cut,
        "left": list(report.left),
        "bytes": report.bytes,
        "run": report.run,
        "started_at": report.started_at,
        "elapsed_seconds": report.elapsed_seconds,
    }


def import_blocks(report: ImportReport, *, verbose: bool) -> Iterator[Block]:
    """What became of the rows, and how to take it back."""
    verb = "would import" if report.dry_run else "imported"
    made = " (new)" if report.created else ""
    yield Line(f"{verb} {report.source} into {report.store}{made}, {report.layout}", "head")
    yield Line(
        f"  {number(report.inserted)} inserted, {number(report.updated)} updated,"
        f" {number(report.skipped)} skipped, {number(report.rejected)} rejected;"
        f" {byte_size(report.bytes)} in {seconds(report.elapsed_seconds)}"
    )
    rows = [f"row {one.row}{_named(one)}: {one.reason}" for one in report.refusals]
    yield from _some("rejected: ", rows, "error", verbose=verbose, of=report.rejected)
    if report.cut:
        yield Line("  the input ends too early: what stood behind is not in the store", "error")
    left = [f"{path}: it changed while the import ran" for path in report.left]
    yield from _some("left: ", left, "warning", verbose=verbose)
    if report.run is not None:
        yield Line(f"recorded as run {report.run}")
        yield Line(f"synthstore undo {path_word(report.store)} {report.run}", "command")


def _named(one: Refusal) -> str:
    return "" if one.id is None else f" ({one.id})"


def _some(
    head: str, rows: Sequence[str], tone: Tone, *, verbose: bool, of: int | None = None
) -> Iterator[Block]:
    shown = rows if verbose else rows[:SHOWN]
    for row in shown:
        yield Line(f"  {head}{row}", tone)
    more = (len(rows) if of is None else of) - len(shown)
    if more:
        hint = " (-v lists more)" if len(rows) > len(shown) else ""
        yield Line(f"  and {number(more)} more{hint}", "dim")
