"""Figures side by side with what they are to reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure, as a ratio within one run."""

    what: str
    ours: float
    """Seconds, or megabytes for memory."""
    other: float | None = None
    """The same of what it is held against."""
    target: float | None = None
    """The ratio to reach, or not to exceed."""
    unit: str = "s"
    at_least: bool = False

    @property
    def ratio(self) -> float | None:
        """How many times the other."""
        return self.ours / self.other if self.other else None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None without one."""
        if self.ratio is None or self.target is None:
            return None
        return self.ratio >= self.target if self.at_least else self.ratio <= self.target

    def document(self) -> dict[str, object]:
        """For JSON."""
        names = ("what", "ours", "other", "ratio", "target", "unit", "at_least", "met")
        return {name: getattr(self, name) for name in names}


def told(rows: Sequence[Row]) -> Iterator[str]:
    """The table, a line a row."""
    yield f"{'':54}{'ours':>12}{'other':>12}{'ratio':>8}{'target':>9}"
    for row in rows:
        yield f"{row.what:54}{_cell(row.ours, row.unit):>12}{_other(row):>12}{_verdict(row)}"


def _cell(value: float, unit: str) -> str:
    if unit == "s" and value < 0.1:
        return f"{value * 1e6:.0f} us" if value < 1e-3 else f"{value * 1e3:.1f} ms"
    return f"{value:.0f} MB" if unit == "MB" else f"{value:.2f} {unit}"


def _other(row: Row) -> str:
    return "" if row.other is None else _cell(row.other, row.unit)


def _verdict(row: Row) -> str:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    if row.target is None:
        return f"{ratio:>8}"
    bound = f"{'>=' if row.at_least else '<='} {row.target:g}"
    return f"{ratio:>8}{bound:>9}{'' if row.met else '  missed'}"
