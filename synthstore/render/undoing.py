"""Undo, its list of runs, and what prune let go, for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from synthstore.render.human import SHOWN
from synthstore.render.screen import Block, Line, Table
from synthstore.render.text import byte_size, counted, number
from synthstore.repair.undoing import PruneReport, RunInfo, UndoReport
from synthstore.shell import path_word


def undo_blocks(report: UndoReport, *, verbose: bool, planned: bool) -> Iterator[Block]:
    """The files that an undo gives back, or gave back."""
    yield from recovered_blocks(report)
    verb = "would take back" if planned else "took back"
    yield Line(
        f"{verb} run {report.undone} of {report.store}: {counted(len(report.files), 'file')}",
        "head",
    )
    shown = report.files if verbose else report.files[:SHOWN]
    for file in shown:
        yield Line(f"  {file.change} {file.path}")
    if len(report.files) > len(shown):
        yield Line(f"  and {number(len(report.files) - len(shown))} more (-v lists all)", "dim")
    for path in report.conflicts:
        yield Line(f"  changed since, so left as it is: {path}", "warning")
    for path in report.damaged:
        yield Line(f"  its kept copy is damaged, so left as it is: {path}", "warning")
    if report.run is not None:
        yield Line(f"recorded as run {report.run}")
    if report.damaged and not planned:
        yield Line(f"synthstore repair {path_word(report.store)} --dry-run", "command")


def recovered_blocks(report: UndoReport) -> Iterator[Block]:
    """The runs that had been cut off, and are finished before anything is taken back."""
    if report.recovered_runs:
        runs = ", ".join(report.recovered_runs)
        verb = "would first finish" if report.dry_run else "first finished"
        yield Line(f"{verb} what an interrupted run had begun: {runs}", "warning")


def dry_undo_blocks(report: UndoReport, again: str, *, verbose: bool) -> Iterator[Block]:
    """What an undo would give back, and ``again``, the command that does it."""
    yield from undo_blocks(report, verbose=verbose, planned=True)
    yield Line("dry run: nothing was changed")
    yield Line(again, "command")


def runs_blocks(store: str, runs: Sequence[RunInfo]) -> Iterator[Block]:
    """The recorded runs, newest first."""
    if not runs:
        yield Line(f"{store}: no recorded runs")
        return
    yield Table(
        ("Run", "Command", "Started", "Files", "Kept", "State"),
        tuple(
            (
                run.run,
                run.command,
                f"{run.started_at[:19]}Z",
                number(run.files),
                byte_size(run.bytes),
                _state(run),
            )
            for run in runs
        ),
        tuple("warning" if run.state == "unfinished" else "plain" for run in runs),
    )
    if any(run.state == "unfinished" for run in runs):
        yield Line(f"synthstore repair {path_word(store)} --dry-run", "command")


def _state(run: RunInfo) -> str:
    if run.undoes is None:
        return run.state
    verb = "takes back" if run.state == "unfinished" else "took back"
    return f"{run.state}, {verb} {run.undoes}"


def prune_blocks(report: PruneReport, *, dry_run: bool) -> Iterator[Block]:
    """How many runs went, how many stay, and the room that gives."""
    verb = "would let go" if dry_run else "let go"
    yield Line(
        f"{report.store}: {verb} {counted(len(report.removed), 'run')},"
        f" {byte_size(report.freed_bytes)}; {number(report.kept)} kept"
    )
