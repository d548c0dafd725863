"""The statistics of a store as one page that needs nothing else (extra ``report``).

Its plots are SVG set by the template, not a plotting library's: such a library is megabytes of
script in every page and builds its hover boxes from markup, while here the content security policy
lets one small script run, by its hash, and that script only ever sets text.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from synthstore import __version__
from synthstore.checks.finding import Finding
from synthstore.render.statistics import TITLES, amount, bin_label, summary, trimmed
from synthstore.render.text import byte_size, number, printable
from synthstore.stats.atlas import Point
from synthstore.stats.gathering import Portrait
from synthstore.stats.report import Distribution, Mark, StatsReport

LISTED = 2_000
"""Findings on one page."""
_BAR = 210
"""Of 400 units that a plot is wide: the longest bar."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 60.0, 780.0, 14.0, 140.0
"""Where the timeline's points lie."""
_SHADES = 10
_CROWD = 800
"""Points from which on they are drawn smaller."""


@dataclass(frozen=True, slots=True)
class _Bar:
    label: str
    count: int
    width: int


@dataclass(frozen=True, slots=True)
class _Plot:
    title: str
    summary: str
    bars: tuple[_Bar, ...]


@dataclass(frozen=True, slots=True)
class _Spot:
    """A point as the template draws it."""

    x: str
    y: str
    severity: str
    shade: str
    name: str
    more: str
    text: str


@dataclass(frozen=True, slots=True)
class _Dot:
    x: float
    y: float
    tone: str
    title: str


@dataclass(frozen=True, slots=True)
class _Label:
    y: float
    count: int


@dataclass(frozen=True, slots=True)
class _Timeline:
    line: str
    dots: tuple[_Dot, ...]
    labels: tuple[_Label, ...]
    """The fewest and the most memories, once where they are the same."""
    first: str
    last: str


def page(portrait: Portrait) -> str:
    """The page: every value in it is escaped twice, as a terminal's text and as markup."""
    stats, atlas = portrait.stats, portrait.atlas
    style, script = _asset("stats.css"), _asset("stats.js")
    return (
        _environment()
        .get_template("stats.html.j2")
        .render(
            version=__version__,
            policy=_policy(style, script),
            style=Markup(style),  # noqa: S704 - a file of ours
            script=Markup(script),  # noqa: S704 - a file of ours
            stats=stats,
            report=stats.report,
            cards=tuple(_cards(stats)),
            findings=listed(stats.report.findings, LISTED),
            plots=[_plot(told) for told in stats.distributions],
            atlas=atlas,
            points=[_spot(point) for point in atlas.points],
            radius=0.009 if len(atlas.points) < _CROWD else 0.006,
            timeline=_timeline(stats.marks) if stats.marks else None,
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("synthstore.render", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    environment.filters |= {"number": number, "byte_size": byte_size, "moment": moment}
    return environment


def _visible(value: object) -> object:
    """Text as ``printable`` shows it; what is markup already is ours."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable(value)
    return value


def _asset(name: str) -> str:
    return (files("synthstore.render") / "page" / name).read_text("utf-8")


def _policy(style: str, script: str) -> str:
    """Nothing may be loaded, and of what stands in the page only these two may act."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)};"
        " base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _cards(stats: StatsReport) -> Iterator[tuple[str, str, str]]:
    """(label, value, note) of what matters at a glance."""
    counts, severities = stats.report.counts, stats.report.by_severity
    yield "memories", number(counts.memories), byte_size(stats.kinds["memory"])
    yield "assemblies", number(counts.assemblies), byte_size(stats.kinds["assembly"])
    yield "vectors", number(counts.vectors), next(p.what for p in stats.parts if p.name == "index")
    yield "all of it", byte_size(counts.bytes), ""
    rest = f"{number(severities['warning'])} warnings, {number(severities['info'])} info"
    yield "errors", number(severities["error"]), rest
    size = byte_size(sum(group.bytes for group in stats.twins))
    yield "duplicates", number(stats.surplus), f"{size}, in {number(len(stats.twins))} groups"


def listed(findings: Sequence[Finding], most: int) -> list[Finding]:
    """At most ``most`` findings, so that every code has its share; in their order."""
    if len(findings) <= most:
        return list(findings)
    seen: Counter[str] = Counter()
    ranked = []
    for place, finding in enumerate(findings):
        seen[finding.code] += 1
        ranked.append((seen[finding.code], place))
    return [findings[place] for place in sorted(place for _, place in sorted(ranked)[:most])]


def _plot(told: Distribution) -> _Plot:
    bins = trimmed(told.bins)
    most = max((one.count for one in bins), default=1)
    bars = (
        _Bar(bin_label(one, told.unit), one.count, -(-one.count * _BAR // most)) for one in bins
    )
    return _Plot(TITLES[told.name], summary(told), tuple(bars))


def _spot(point: Point) -> _Spot:
    score, worst = point.score, point.finding
    told = [] if score is None else [f"score {amount(score, '')}"]
    if worst is not None:
        told.append(f"{worst.severity.label} {worst.code}: {worst.message}")
    return _Spot(
        x=f"{point.x:.4f}",
        # Wider than high, as screens are; the picture's y grows downwards.
        y=f"{-0.7 * point.y:.4f}",
        severity="none" if worst is None else worst.severity.label,
        shade="q" if score is None else f"q{min(max(int(score * _SHADES), 0), _SHADES - 1)}",
        name=f"{point.kind} {point.id}",
        more="; ".join(told),
        text=point.text,
    )


def moment(time: str) -> str:
    """An ISO time in UTC as people write it: ``2025-03-18 15:30Z``."""
    return f"{time[:10]} {time[11:16]}Z"


def _timeline(marks: Sequence[Mark]) -> _Timeline:
    times = [datetime.fromisoformat(mark.time).timestamp() for mark in marks]
    counts = [mark.memories for mark in marks]
    across = _Axis(times[0], times[-1], _LEFT, _RIGHT)
    up = _Axis(min(counts), max(counts), _BOTTOM, _TOP)
    dots = [
        _Dot(
            across.place(time),
            up.place(mark.memories),
            "error" if mark.errors else "",
            f"{mark.snapshot}, {moment(mark.time)}: {number(mark.memories)} memories,"
            f" {number(mark.assemblies)} assemblies, {byte_size(mark.bytes)},"
            f" {number(mark.findings)} findings",
        )
        for mark, time in zip(marks, times, strict=True)
    ]
    return _Timeline(
        " ".join(f"{dot.x},{dot.y}" for dot in dots),
        tuple(dots),
        tuple(_Label(up.place(count), count) for count in sorted({min(counts), max(counts)})),
        moment(marks[0].time),
        moment(marks[-1].time),
    )


@dataclass(frozen=True, slots=True)
class _Axis:
    """Where values between ``low`` and ``high`` lie between two ends."""

    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        """The value's place; in the middle where all values are the same."""
        part = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.start + (self.end - self.start) * part, 1)
