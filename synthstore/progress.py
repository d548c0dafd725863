"""How long work reports that it moves on, without knowing who listens."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the advance of one command; implementations must be cheap, and safe in threads.

    ``advance`` may raise InterruptedByUserError where the work is to stop, so it is called only
    where stopping leaves nothing half done.
    """

    def start(self, label: str, total: int, unit: str = "files") -> None:
        """Begin a stage of ``total`` units, 0 if nobody knows; ``bytes`` are shown as sizes."""

    def advance(self, units: int) -> None:
        """Report ``units`` more done in the current stage."""


class SilentProgress:
    """The default: says nothing."""

    def start(self, label: str, total: int, unit: str = "files") -> None:
        """Ignore the stage."""

    def advance(self, units: int) -> None:
        """Ignore the advance."""
