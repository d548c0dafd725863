"""Targets that fail on purpose, one way each: the harness must say which way it was."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.fuzz.grounds import MEMORY, Target

_VICTIM = 1
"""The number of the trial that fails."""


class Probe(Target):
    """A target of three trials, whose second one misbehaves."""

    text = False

    def __init__(self, name: str, misbehave: Callable[[Path], object]) -> None:
        self._name, self._misbehave = name, misbehave
        self._folder = Path()
        self._number = 0

    @property
    def name(self) -> str:
        """How it is chosen."""
        return self._name

    def settle(self, folder: Path) -> None:
        """Remember the folder."""
        self._folder = folder

    def seeds(self) -> Sequence[bytes]:
        """Any bytes."""
        return [b"seed"]

    def trial(self, number: int) -> str:
        """Remember the number."""
        self._number = number
        return super().trial(number)

    def attempt(self, _: int, raw: bytes) -> str:
        """Behave, or not."""
        (self._folder / "file").write_bytes(raw)
        if self._number == _VICTIM:
            self._misbehave(self._folder)
        return "fine"


def _raise(_: Path) -> None:
    raise ValueError("as it must not")


def _crash(_: Path) -> None:
    os.kill(os.getpid(), 11)


def _leave(_: Path) -> None:
    os._exit(3)


def _eat(_: Path) -> None:
    memoryview(b"\1" * MEMORY).release()


def _hang(_: Path) -> None:
    time.sleep(60)


def _stray(folder: Path) -> None:
    outside = folder.with_name(f"{folder.name}.outside")
    outside.touch()
    outside.unlink()


PROBES: dict[str, Target] = {
    name: Probe(name, act)
    for name, act in (
        ("raises", _raise),
        ("crashes", _crash),
        ("leaves", _leave),
        ("eats", _eat),
        ("hangs", _hang),
        ("strays", _stray),
    )
}
