"""Prometheus textfiles: how a command went, labelled with the store and never with content."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from synthstore.checks.report import Report
from synthstore.render.text import printable

if TYPE_CHECKING:
    from synthstore.backup.report import BackupReport
    from synthstore.stats.report import StatsReport

_HELP = {
    "exit_code": "Exit code of the last run.",
    "last_run_timestamp_seconds": "When the command last ran.",
    "last_success_timestamp_seconds": "When the command last ended with exit code 0.",
    "elapsed_seconds": "How long the last run took.",
    "memories": "Memory files in the store.",
    "assemblies": "Assembly files in the store.",
    "vectors": "Vectors in the index.",
    "bytes": "Size of all of them.",
    "findings": "Findings by severity; of a repair: those left.",
    "findings_by_code": "Findings by code; of a repair: those left.",
    "embeddings": "Entities by what their embedding is worth.",
    "embedding_norm_mean": "Mean norm of the embeddings.",
    "score_mean": "Mean score of the memories.",
    "duplicates": "Memories that repeat the content and embedding of another.",
    "kept_bytes": "Size of what is kept beside the store's own state.",
    "kept_files": "Files of it.",
    "snapshots": "Snapshots of the store in the repository.",
    "snapshot_timestamp_seconds": "When the newest snapshot was taken.",
    "snapshot_added_bytes": "What it added to the repository.",
    "snapshot_unread_files": "Files that it lacks, since they could not be read.",
    "repository_new": "1 if the last backup made the repository, since none was there.",
    "repository_damage": "What the last check found to be lost or damaged.",
}
_LAST_SUCCESS = "last_success_timestamp_seconds"


@dataclass(frozen=True, slots=True)
class Ran:
    """How one command went on one store."""

    command: str
    store: str
    exit_code: int
    report: Report | None = None
    """None where it failed."""
    backup: BackupReport | None = None
    """Set for a backup that did not fail."""
    stats: StatsReport | None = None
    """Set for statistics."""


def textfile(runs: Sequence[Ran], now: float, old: str = "") -> str:
    """The file for ``runs`` that ended at ``now``, in seconds since the epoch.

    From the ``old`` file it keeps the time of the last success of what did not succeed now.
    """
    samples = [sample for run in runs for sample in _samples(run, now, old)]
    lines: list[str] = []
    for name, text in _HELP.items():
        values = [f"synthstore_{name}{labels} {value}" for n, labels, value in samples if n == name]
        if values:
            lines += [
                f"# HELP synthstore_{name} {text}",
                f"# TYPE synthstore_{name} gauge",
                *values,
            ]
    return "\n".join(lines) + "\n"


def _samples(run: Ran, now: float, old: str) -> Iterator[tuple[str, str, str]]:
    own = (("command", run.command), ("store", run.store))
    labels = _labels(own)
    success = f"{now:.3f}" if run.exit_code == 0 else _last_success(labels, old)
    yield "exit_code", labels, str(run.exit_code)
    yield "last_run_timestamp_seconds", labels, f"{now:.3f}"
    if success is not None:
        yield _LAST_SUCCESS, labels, success
    if run.report is not None:
        yield from _report(run.report, own)
    if run.backup is not None:
        yield from _backup(run.backup, own)
    if run.stats is not None:
        yield from _stats(run.stats, own)


def _stats(stats: StatsReport, own: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, str, str]]:
    labels = _labels(own)
    for state, count in stats.states.items():
        yield "embeddings", _labels((*own, ("state", state))), str(count)
    means = {told.name: told.mean for told in stats.distributions}
    for quantity, name in (("norm", "embedding_norm_mean"), ("score", "score_mean")):
        if means.get(quantity) is not None:
            yield name, labels, f"{means[quantity]:.6g}"
    yield "duplicates", labels, str(stats.surplus)
    for heap in stats.heaps:
        of = _labels((*own, ("kept", heap.name)))
        yield "kept_bytes", of, str(heap.bytes)
        yield "kept_files", of, str(heap.files)
    if stats.repository is not None:
        yield "snapshots", labels, str(len(stats.marks))
    if stats.marks:
        newest = datetime.fromisoformat(stats.marks[-1].time)
        yield "snapshot_timestamp_seconds", labels, f"{newest.timestamp():.3f}"


def _backup(
    report: BackupReport, own: tuple[tuple[str, str], ...]
) -> Iterator[tuple[str, str, str]]:
    snapshot, labels = report.snapshot, _labels(own)
    yield "elapsed_seconds", labels, str(report.elapsed_seconds)
    yield "memories", labels, str(snapshot.memories)
    yield "assemblies", labels, str(snapshot.assemblies)
    yield "vectors", labels, str(snapshot.vectors)
    yield "bytes", labels, str(snapshot.bytes)
    yield "findings", _labels((*own, ("severity", "error"))), str(snapshot.errors)
    for code, count in snapshot.findings.items():
        yield "findings_by_code", _labels((*own, ("code", code))), str(count)
    yield "snapshot_timestamp_seconds", labels, f"{snapshot.time.timestamp():.3f}"
    yield "snapshot_added_bytes", labels, str(report.bytes_added)
    yield "snapshot_unread_files", labels, str(len(report.problems))
    yield "repository_new", labels, str(int(report.new_repository))
    if report.checked is not None:
        lost = len(report.checked.lost) + len(report.checked.problems)
        yield "repository_damage", labels, str(lost)


def _report(report: Report, own: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, str, str]]:
    counts, labels = report.counts, _labels(own)
    yield "elapsed_seconds", labels, str(report.elapsed_seconds)
    yield "memories", labels, str(counts.memories)
    yield "assemblies", labels, str(counts.assemblies)
    yield "vectors", labels, str(counts.vectors)
    yield "bytes", labels, str(counts.bytes)
    for severity, count in report.by_severity.items():
        yield "findings", _labels((*own, ("severity", severity))), str(count)
    for code, count in report.by_code.items():
        yield "findings_by_code", _labels((*own, ("code", code))), str(count)


def _labels(pairs: Iterable[tuple[str, str]]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs) + "}"


def _escaped(value: str) -> str:
    return printable(value).replace("\\", "\\\\").replace('"', '\\"')


def _last_success(labels: str, old: str) -> str | None:
    pattern = rf"^synthstore_{_LAST_SUCCESS}{re.escape(labels)} ([0-9.]+)$"
    match = re.search(pattern, old, re.MULTILINE)
    return match[1] if match else None
