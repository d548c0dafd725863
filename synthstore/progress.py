"""How long work reports that it moves on, without knowing who listens."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the advance of one command; implementations must be cheap."""

    def start(self, label: str, total: int) -> None:
        """Begin a stage of ``total`` units (files, vectors)."""

    def advance(self, units: int) -> None:
        """Report ``units`` more done in the current stage."""


class SilentProgress:
    """The default: says nothing."""

    def start(self, label: str, total: int) -> None:
        """Ignore the stage."""

    def advance(self, units: int) -> None:
        """Ignore the advance."""
