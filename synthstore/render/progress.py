"""Progress as one line on a terminal's stderr, for work that takes over a second."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from synthstore.errors import InterruptedByUserError
from synthstore.render.screen import is_terminal
from synthstore.render.text import byte_size, number, short_time

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_QUIET_SECONDS = 1.0
_BETWEEN_SECONDS = 0.1
_BAR_WIDTH = 20


@dataclass(slots=True)
class NoProgress:
    """Shows nothing: not a terminal, or not wanted. Ctrl-C stops the work all the same."""

    cancelled: Callable[[], bool] = bool
    """Whether Ctrl-C was pressed; worker threads learn of it only by asking."""

    def start(self, label: str, total: int, unit: str = "files") -> None:
        """Ignore the stage."""

    def advance(self, units: int) -> None:  # noqa: ARG002
        """Raise InterruptedByUserError once Ctrl-C was pressed."""
        if self.cancelled():
            raise InterruptedByUserError("interrupted")

    def clear(self) -> None:
        """Nothing is there to be taken away."""


@dataclass(slots=True)
class LineProgress(NoProgress):
    """A line that is written over; ``clear`` takes it away before anything else is said."""

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    color: bool = True
    _label: str = ""
    _total: int = 0
    _unit: str = ""
    _done: int = 0
    _began: float = 0.0
    _next: float = 0.0
    _bar: Bar | None = None

    def start(self, label: str, total: int, unit: str = "files") -> None:
        """Begin a stage of ``total`` units."""
        self._label, self._total, self._unit, self._done = label, total, unit, 0
        self._began = time.monotonic()
        self._next = self._next or self._began + _QUIET_SECONDS

    def advance(self, units: int) -> None:
        """Count ``units``, and show where it is time to; raises InterruptedByUserError."""
        NoProgress.advance(self, units)
        self._done += units
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _BETWEEN_SECONDS
            self._show(now - self._began)

    def clear(self) -> None:
        """Take the line away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _show(self, spent: float) -> None:
        bar = self._bar or _bar(self.stream, color=self.color)
        (task,) = bar.task_ids
        bar.update(
            task,
            description=self._label,
            total=self._total or None,
            completed=self._done,
            told=told(self._done, self._total, self._unit, spent),
        )
        if self._bar is None:
            self._bar = bar
            bar.start()
        else:
            bar.refresh()


def told(done: int, total: int, unit: str, spent: float) -> str:
    """How far, how fast and how long: ``500 of 2,000 files, 455/s, 4 s left``."""
    amount, name = (byte_size, "") if unit == "bytes" else (number, f" {unit}")
    text = f"{amount(done)} of {amount(total)}{name}" if total else f"{amount(done)}{name}"
    if done <= 0 or spent <= 0:
        return text
    rate = done / spent
    text = f"{text}, {amount(round(rate))}/s"
    return f"{text}, {short_time(max(total - done, 0) / rate)} left" if total else text


def _bar(stream: TextIO, *, color: bool) -> Bar:
    from rich.console import Console  # noqa: PLC0415 - costs a quarter of a second's start-up
    from rich.progress import BarColumn, Progress, TextColumn  # noqa: PLC0415

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(_BAR_WIDTH),
        TextColumn("{task.fields[told]}", markup=False),
        console=Console(file=stream, force_terminal=True, color_system="auto" if color else None),
        # No thread of its own: it would write between the lines of others.
        auto_refresh=False,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
    bar.add_task("", told="")
    return bar


def line_progress(
    *, wanted: bool, color: bool = True, cancelled: Callable[[], bool] = bool
) -> NoProgress:
    """A progress line, silent where it is not ``wanted`` or stderr is no terminal."""
    if wanted and is_terminal(sys.stderr):
        return LineProgress(cancelled, color=color)
    return NoProgress(cancelled)
