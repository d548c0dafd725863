"""What a target is, and the folder in which its trials happen."""

from __future__ import annotations

import random
import resource
import signal
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from synthstore.errors import SynthstoreError
from tests.fuzz.mutations import mutate

SECONDS = 10
"""No trial takes longer."""
MEMORY = 512 << 20
"""No trial takes more: resident bytes, of the product's children as well."""


class Target(ABC):
    """A kind of file, and what reads it."""

    text: bool
    """Whether the file is JSON, so that words are mutated."""
    alone: bool = False
    """Whether each trial takes a process of its own, so that fewer are tried."""

    @property
    @abstractmethod
    def name(self) -> str:
        """How it is chosen."""

    @abstractmethod
    def settle(self, folder: Path) -> None:
        """Prepare an empty folder, once before many trials."""

    @abstractmethod
    def seeds(self) -> Sequence[bytes]:
        """Whole files; trial ``n`` mutates one of them."""

    @abstractmethod
    def attempt(self, which: int, raw: bytes) -> str:
        """Give the product ``raw`` in the place of the seed ``which``; what came of it."""

    def mutated(self, number: int) -> tuple[int, bytes]:
        """The bytes of trial ``number``, and which seed they were."""
        dice = random.Random(f"{self.name} {number}")
        seeds = self.seeds()
        which = dice.randrange(len(seeds))
        return which, mutate(seeds[which], dice, text=self.text)

    def trial(self, number: int) -> str:
        """One trial; a SynthstoreError is an answer like any other."""
        which, raw = self.mutated(number)
        try:
            return self.attempt(which, raw)
        except SynthstoreError as error:
            return f"refused: {error.kind}"


class OverMemoryError(Exception):
    """A trial took more memory than it may."""


def watched(target: Target, number: int) -> str:
    """One trial under the clock: whoever takes too long is killed by SIGALRM."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        outcome = target.trial(number)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        peak = resource.getrusage(whose).ru_maxrss << 10
        if peak > MEMORY:
            raise OverMemoryError(f"{peak >> 20} MB")
    return outcome
