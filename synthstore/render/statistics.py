"""The statistics of a store, for people: what is in it, how it lies, what is kept beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import dropwhile

from synthstore.render.human import SHOWN, report_headline, severity_counts
from synthstore.render.screen import Block, Chart, Line, Table, Tone
from synthstore.render.text import byte_size, counted, number
from synthstore.stats.report import Bin, Distribution, Heap, Mark, StatsReport, Twins

TITLES = {
    "dimension": "dimensions of embeddings",
    "norm": "norms of embeddings",
    "score": "scores of memories",
    "age": "ages, since creation",
    "size": "sizes of files",
}
"""What people call each distribution."""
_FAR_APART = 1.5
_AS_ONE = 1e-4
"""Below this part of themselves two ends are one: all was made at one time."""
_LEAST_STEP = 0.02
"""Of a unit: a smaller step would not show in two decimals."""
_SPANS = ((365 * 86400, "y"), (86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def stats_blocks(stats: StatsReport, *, verbose: bool, quiet: bool) -> Iterator[Block]:
    """Everything that stats knows; nothing where quiet."""
    if quiet:
        return
    yield report_headline(stats.report)
    if not stats.report.complete:
        yield Line("not everything could be read, so these numbers lack something", "warning")
    yield _parts(stats)
    for distribution in stats.distributions:
        yield from _distribution(distribution)
    yield from _twins(stats, verbose=verbose)
    yield from _drift(stats)
    yield from _heaps(stats.heaps)
    yield from _growth(stats, verbose=verbose)
    if stats.report.next is not None:
        yield Line(stats.report.next, "command")


def _parts(stats: StatsReport) -> Table:
    counts = stats.report.counts
    rows = [
        ("memories", number(counts.memories), byte_size(stats.kinds["memory"]), ""),
        ("assemblies", number(counts.assemblies), byte_size(stats.kinds["assembly"]), ""),
    ]
    rows += [
        (
            part.path or part.name,
            number(part.entries),
            byte_size(part.bytes),
            part.what if part.status == "ok" else part.status,
        )
        for part in stats.parts
    ]
    tones: list[Tone] = ["plain" if part.status == "ok" else "error" for part in stats.parts]
    return Table(("Part", "Entries", "Size", "What"), tuple(rows), ("plain", "plain", *tones))


def _distribution(told: Distribution) -> Iterator[Block]:
    yield Line("")
    yield Line(f"{TITLES[told.name]}: {summary(told)}", "head")
    bars = trimmed(told.bins)
    if len(bars) > 1:
        yield Chart(tuple((bin_label(one, told.unit), one.count) for one in bars))


def summary(told: Distribution) -> str:
    """Ends, mean and median in one line, or the one value that all have."""
    missing = f"; {number(told.missing)} without" if told.missing else ""
    if told.minimum is None or told.maximum is None or told.mean is None or told.median is None:
        return f"none{missing}"
    if amount(told.minimum, told.unit) == amount(told.maximum, told.unit):
        return f"{amount(told.mean, told.unit)} for all {number(told.count)}{missing}"
    ends = f"{amount(told.minimum, told.unit)} to {amount(told.maximum, told.unit)}"
    middle = f"mean {amount(told.mean, told.unit)}, median {amount(told.median, told.unit)}"
    return f"{ends}, {middle}{missing}"


def amount(value: float, unit: str) -> str:
    """A value in its unit, short."""
    if unit == "bytes":
        return byte_size(round(value))
    if unit == "seconds":
        return span(value)
    return f"{value:.4g}"


def span(seconds: float) -> str:
    """A length of time, to its largest unit: ``3 d``, ``1.5 y``."""
    length = abs(seconds)
    size, unit = next(((size, unit) for size, unit in _SPANS if length >= size), _SPANS[-1])
    return f"{'-' if seconds < 0 else ''}{length / size:.3g} {unit}"


def bin_label(one: Bin, unit: str) -> str:
    """What a bar stands for."""
    if one.low is None:
        return f"under {amount(one.high or 0.0, unit)}"
    if one.high is None:
        return f"over {amount(one.low, unit)}"
    if unit == "seconds" and one.low < one.high:
        return _between(one.low, one.high)
    low, high = amount(one.low, unit), amount(one.high, unit)
    return low if low == high else f"{low} to {high}"


def _between(low: float, high: float) -> str:
    """Two lengths of time in one unit, spelt so that they can be told apart."""
    if high - low < _AS_ONE * high:
        return span(low)
    if low == 0 or high / low > _FAR_APART:
        return f"{span(low)} to {span(high)}"
    size, unit = next(((s, u) for s, u in _SPANS if high - low >= s * _LEAST_STEP), _SPANS[-1])
    return f"{low / size:,.2f} to {high / size:,.2f} {unit}"


def trimmed(bins: Sequence[Bin]) -> list[Bin]:
    """The bins without the empty bins at both ends."""
    tail = list(dropwhile(lambda one: not one.count, reversed(bins)))
    return list(dropwhile(lambda one: not one.count, reversed(tail)))


def _twins(stats: StatsReport, *, verbose: bool) -> Iterator[Block]:
    if not stats.twins:
        return
    size = byte_size(sum(group.bytes for group in stats.twins))
    yield Line("")
    yield Line(
        f"duplicates, same content and embedding: {number(stats.surplus)} more than needed,"
        f" in {counted(len(stats.twins), 'group')}, {size}",
        "head",
    )
    shown = stats.twins if verbose else stats.twins[:SHOWN]
    yield from (Line(f"  {_group(group, verbose=verbose)}") for group in shown)
    if len(stats.twins) > len(shown):
        left = number(len(stats.twins) - len(shown))
        yield Line(f"  and {left} groups more (-v lists all)", "dim")


def _group(group: Twins, *, verbose: bool) -> str:
    few = 3
    ids = group.ids if verbose else group.ids[:few]
    more = f" and {number(len(group.ids) - len(ids))} more" if len(ids) < len(group.ids) else ""
    return f"{number(len(group.ids))}: {', '.join(ids)}{more}"


def _drift(stats: StatsReport) -> Iterator[Block]:
    yield Line("")
    counts = severity_counts(stats.report)
    if not counts:
        yield Line("drift: none", "good")
        return
    codes = ", ".join(f"{code} {number(n)}" for code, n in stats.report.by_code.items())
    yield Line(f"drift: {counts} ({codes})", "warning")


def _heaps(heaps: Sequence[Heap]) -> Iterator[Block]:
    kept = [heap for heap in heaps if heap.files]
    if kept:
        yield Line("")
        yield Table(
            ("Kept", "Files", "Size", "Oldest", "Newest"),
            tuple(
                (h.name, number(h.files), byte_size(h.bytes), ago(h.oldest), ago(h.newest))
                for h in kept
            ),
            tuple("plain" for _ in kept),
        )


def ago(time: str | None) -> str:
    """How long ago an ISO time was."""
    if time is None:
        return ""
    return f"{span((datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds())} ago"


def _growth(stats: StatsReport, *, verbose: bool) -> Iterator[Block]:
    if stats.repository is None:
        return
    yield Line("")
    if not stats.marks:
        yield Line(f"no snapshots of this store in {stats.repository}")
        return
    shown = stats.marks if verbose else stats.marks[-SHOWN:]
    before = stats.marks[-len(shown) - 1] if len(shown) < len(stats.marks) else None
    yield Line(f"growth, from {counted(len(stats.marks), 'snapshot')}", "head")
    yield Table(
        ("Snapshot", "Taken", "Memories", "Change", "Assemblies", "Size", "Findings"),
        tuple(_grown(was, now) for was, now in zip((before, *shown), shown, strict=False)),
        tuple("warning" if mark.errors else "plain" for mark in shown),
    )


def _grown(was: Mark | None, now: Mark) -> tuple[str, ...]:
    change = "" if was is None else f"{now.memories - was.memories:+,}"
    return (
        now.snapshot,
        f"{now.time[:16]}Z",
        number(now.memories),
        change,
        number(now.assemblies),
        byte_size(now.bytes),
        number(now.findings),
    )
