"""Progress as one line on a terminal's stderr, for work that takes over a second."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TextIO

from synthstore.render.screen import is_terminal
from synthstore.render.text import number

_QUIET_SECONDS = 1.0
_BETWEEN_SECONDS = 0.1


@dataclass(slots=True)
class LineProgress:
    """A line that is written over; ``clear`` takes it away before anything else is said."""

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _label: str = ""
    _total: int = 0
    _done: int = 0
    _next: float = 0.0
    _width: int = 0

    def start(self, label: str, total: int) -> None:
        """Begin a stage of ``total`` units."""
        self._label, self._total, self._done = label, total, 0
        self._next = self._next or time.monotonic() + _QUIET_SECONDS

    def advance(self, units: int) -> None:
        """Count ``units``, and show where it is time to."""
        self._done += units
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _BETWEEN_SECONDS
            self._show(f"{self._label} {number(self._done)} of {number(self._total)}")

    def clear(self) -> None:
        """Take the line away."""
        if self._width:
            self._show("")
            self.stream.write("\r")
            self.stream.flush()

    def _show(self, text: str) -> None:
        self.stream.write("\r" + text.ljust(self._width))
        self.stream.flush()
        self._width = len(text)


class NoProgress(LineProgress):
    """Shows nothing: not a terminal, or not wanted."""

    def _show(self, text: str) -> None:
        """Say nothing."""


def line_progress(*, wanted: bool) -> LineProgress:
    """A progress line, silent where it is not ``wanted`` or stderr is no terminal."""
    return LineProgress() if wanted and is_terminal(sys.stderr) else NoProgress()
