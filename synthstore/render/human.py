"""Reports for people: what was found, ten subjects a code, and the exact next command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from synthstore.checks.finding import Finding, Severity
from synthstore.checks.report import (
    GIVEN_AWAY,
    NO_COPY,
    NO_FILE,
    ORPHAN_OF,
    Action,
    RepairReport,
    Report,
)
from synthstore.render.screen import Block, Line, Table, Tone
from synthstore.render.text import byte_size, counted, number, seconds
from synthstore.shell import cited, path_word

SHOWN = 10
"""Subjects listed per code or kind of action before a count stands for the rest."""

_TONES: dict[Severity, Tone] = {
    Severity.ERROR: "error",
    Severity.WARNING: "warning",
    Severity.INFO: "info",
}


def report_blocks(
    report: Report, *, verbose: bool, quiet: bool, among_others: bool = False
) -> Iterator[Block]:
    """A report of verify; nothing at all where it is clean and ``quiet``."""
    if quiet and report.clean:
        return
    if not quiet:
        yield report_headline(report)
    elif among_others:
        yield Line(f"{report.store}:", "head")
    yield from _findings(report, verbose=verbose, quiet=quiet)
    yield from _verdict(report, quiet=quiet)
    if report.next is not None:
        yield Line(report.next, "command")


def plan_blocks(report: RepairReport, *, verbose: bool) -> Iterator[Block]:
    """What a repair is about to do, before it asks or where it only shows."""
    if not report.actions:
        yield Line(f"{report.store}: nothing to change", "good")
        return
    yield Line(
        f"plan for {report.store}: {counted(len(report.actions), 'change')},"
        f" {byte_size(report.bytes_needed)} of room needed",
        "head",
    )
    yield from _actions(report.actions, verbose=verbose)
    yield from _lost(report, "would be ")
    if report.refused is not None:
        yield Line(f"would be refused (exit 12): {report.refused}", "error")
        yield Line(f"hint: {report.refused_hint}")


def dry_run_blocks(report: RepairReport, *, verbose: bool, quiet: bool) -> Iterator[Block]:
    """The plan of a dry run; without one, the findings that repair leaves."""
    if quiet and report.clean and not report.actions:
        return
    yield from plan_blocks(report, verbose=verbose)
    if not report.actions:
        yield from _findings(report, verbose=verbose, quiet=quiet)
    yield Line(f"dry run: nothing was changed; {counted(report.left, 'finding')} now")
    if report.next is not None:
        yield Line(report.next, "command")


def outcome_blocks(report: RepairReport, *, verbose: bool, quiet: bool) -> Iterator[Block]:
    """What a repair did, what it left, and how to take it back."""
    if quiet and report.clean:
        return
    if report.recovered_runs:
        yield _recovered(report)
    troubled = tuple(a for a in report.actions if a.status in ("skipped", "failed"))
    yield from _actions(troubled, verbose=verbose)
    if not quiet:
        yield report_headline(report)
    yield from _findings(report, verbose=verbose, quiet=quiet)
    yield Line(
        f"{number(report.fixed)} fixed, {number(report.left)} left",
        "good" if report.clean else "warning",
    )
    yield from _lost(report)
    if report.run is not None:
        undo = f"synthstore undo {path_word(report.store)}"
        told = report.next is not None and report.next.startswith(undo)
        yield Line(
            f"recorded as run {report.run}; to take it back: {'' if told else undo}".rstrip()
        )
    if report.next is not None:
        yield Line(report.next, "command")


def _lost(report: RepairReport, when: str = "") -> Iterator[Line]:
    """Entities of which nothing, or but a vector, was left: off the lists, they count as fixed."""
    asked = report.snapshots_asked
    where = "was found, nor in the snapshots" if asked else "lies in the store"
    stories = {
        NO_COPY: f"lost, since no copy {where}",
        GIVEN_AWAY: "lost, since the file of each was accepted as another's",
        NO_FILE: "off the lists, since nothing in the store holds them",
    }
    told = {because: story for because, story in stories.items() if _dropped(report, because)}
    for because, story in told.items():
        yield Line(f"{when}{story}: {_names(_dropped(report, because))}", "warning")
    orphaned = _orphaned(report)
    if orphaned:
        whose = "the vector of" if len(orphaned) == 1 else "the vectors of"
        story = f"removed, with neither file nor row behind: {whose} {_names(orphaned)}"
        yield Line(f"{when}{story}", "warning")
    if NO_FILE in told or ((NO_COPY in told or orphaned) and not asked):
        yield Line(f"what a snapshot holds of them comes back by: {_back(report)}", "warning")


def _dropped(report: RepairReport, because: str) -> list[str]:
    return [
        action.subject.id
        for action in report.actions
        if action.kind == "drop-row" and action.because.endswith(because)
    ]


def _orphaned(report: RepairReport) -> list[str]:
    reasons = [action.because for action in report.actions]
    return [why.removeprefix(ORPHAN_OF) for why in reasons if why.startswith(ORPHAN_OF)]


def _back(report: RepairReport) -> str:
    """A repair finds a snapshot's copy by the row, so where that is gone an undo comes first."""
    store = path_word(report.store)
    undo = f"{cited(f'synthstore undo {store}')}, then " if report.run is not None else ""
    return undo + cited(f"synthstore repair {store} --repo REPO")


def _names(ids: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = f" and {number(len(ids) - SHOWN)} more" if len(ids) > SHOWN else ""
    return ", ".join(ids[:SHOWN]) + more


def _recovered(report: RepairReport) -> Line:
    runs = ", ".join(report.recovered_runs)
    return Line(f"{report.store}: finished what an interrupted run had begun: {runs}", "warning")


def report_headline(report: Report) -> Line:
    """Which store it is, what is in it, and how long the look took."""
    counts = report.counts
    parts = (
        f"{report.layout} layout",
        counted(counts.memories, "memory", "memories"),
        counted(counts.assemblies, "assembly", "assemblies"),
        counted(counts.vectors, "vector"),
        byte_size(counts.bytes),
    )
    look = "quick look" if report.quick else "looked"
    return Line(
        f"{report.store}: {', '.join(parts)}; {look} in {seconds(report.elapsed_seconds)}", "head"
    )


def _findings(report: Report, *, verbose: bool, quiet: bool) -> Iterator[Block]:
    groups = [
        (code, tuple(found)) for code, found in groupby(report.findings, key=lambda f: f.code)
    ]
    if groups and not quiet:
        yield _summary(groups)
    for code, found in groups:
        yield from _group(code, found, verbose=verbose)


def _summary(groups: Sequence[tuple[str, Sequence[Finding]]]) -> Table:
    return Table(
        ("Code", "Severity", "Count", "What"),
        tuple(
            (code, _worst(found).label, number(len(found)), found[0].rule) for code, found in groups
        ),
        tuple(_TONES[_worst(found)] for _, found in groups),
    )


def _worst(found: Sequence[Finding]) -> Severity:
    return max(finding.severity for finding in found)


def _group(code: str, found: Sequence[Finding], *, verbose: bool) -> Iterator[Block]:
    shown = found if verbose else found[:SHOWN]
    for finding in shown:
        yield Line(_sentence(finding), _TONES[finding.severity])
    if len(found) > len(shown):
        yield Line(f"{code}: and {number(len(found) - len(shown))} more (-v lists all)", "dim")
    yield from _repairs(code, found)


def _repairs(code: str, found: Sequence[Finding]) -> Iterator[Line]:
    """What becomes of them; where not the same of all, whom each sentence is of."""
    of: dict[str, list[str]] = {}
    for finding in found:
        of.setdefault(finding.repair, []).append(finding.subject.id)
    for repair, ids in of.items():
        if repair not in ("", "left"):
            whose = f" of {_names(ids)}" if len(of) > 1 else ""
            yield Line(f"{code}: repair{whose}: {repair}", "dim")


def _sentence(finding: Finding) -> str:
    subject = finding.subject
    where = "" if finding.path in (None, subject.id) else f" ({finding.path})"
    return (
        f"{finding.severity.label} {finding.code} {subject.kind} {subject.id}{where}:"
        f" {finding.message}"
    )


def _verdict(report: Report, *, quiet: bool) -> Iterator[Block]:
    if not report.complete:
        yield Line("not everything was looked at, so what was not seen may be damaged", "warning")
    if quiet:
        return
    if report.silenced:
        yield Line(f"{counted(report.silenced, 'known finding')} not shown", "dim")
    said = severity_counts(report)
    if report.clean:
        yield Line(f"{said}, all below --fail-on" if said else "clean", "plain" if said else "good")
    else:
        yield Line(said)


def severity_counts(report: Report) -> str:
    """``2 errors, 1 warning``; empty where nothing was found."""
    words = {"error": "errors", "warning": "warnings", "info": "info"}
    counts = report.by_severity.items()
    return ", ".join(counted(count, label, words[label]) for label, count in counts if count)


def _actions(actions: Sequence[Action], *, verbose: bool) -> Iterator[Block]:
    kinds: dict[tuple[str, str], list[Action]] = {}
    for action in actions:
        kinds.setdefault((action.kind, action.status), []).append(action)
    for (kind, status), found in kinds.items():
        yield Line(f"{status} {kind}: {number(len(found))}", _action_tone(status))
        shown = found if verbose else found[:SHOWN]
        for action in shown:
            yield Line(f"  {_step(action)}")
        if len(found) > len(shown):
            yield Line(f"  and {number(len(found) - len(shown))} more (-v lists all)", "dim")


def _action_tone(status: str) -> Tone:
    tones: dict[str, Tone] = {"failed": "error", "skipped": "warning"}
    return tones.get(status, "plain")


def _step(action: Action) -> str:
    text = f"{action.subject.kind} {action.subject.id}"
    if action.path not in (None, action.subject.id):
        text += f" ({action.path})"
    if action.source is not None:
        text += f" from {action.source}"
    return f"{text}: {action.because}" if action.because else text


def some(head: str, rows: Sequence[str], tone: Tone, *, verbose: bool) -> Iterator[Block]:
    """The first of ``rows``, or all where verbose; how many more there are."""
    shown = rows if verbose else rows[:SHOWN]
    for row in shown:
        yield Line(f"  {head}{row}", tone)
    if len(rows) > len(shown):
        yield Line(f"  and {number(len(rows) - len(shown))} more (-v lists all)", "dim")
