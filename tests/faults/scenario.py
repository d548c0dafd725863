"""What one scenario is: a store, a command that changes it, and what an operator does next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.faults.actions import Action
from tests.faults.checker import RUN, Judgement

Act = Callable[[Path], object]
"""Does something to the store at a path; a list that it returns is a list of problems."""


class State(StrEnum):
    """What a store must be after a step, exactly, the product's own folder aside."""

    BEFORE = "before"
    """As the command met it."""
    AFTER = "after"
    """As the undisturbed command leaves it."""
    SETTLED = "settled"
    """As the step leaves the one or the other: which one says whether the run was committed."""
    SAME = "same"
    """As it was before the step."""
    LAWFUL = "lawful"
    """As it may be at any moment."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is done after a fault, and what it must lead to."""

    name: str
    act: Act
    leads_to: State


@dataclass(frozen=True, slots=True)
class Scenario:
    """A command on a store."""

    command: str
    layout: str
    build: Act
    """Makes the store that the command meets, at a path that does not exist yet."""
    act: Act
    """The command itself."""
    sequels: tuple[tuple[Step, ...], ...]
    """Each starts from its own copy of what the fault left."""
    inspect: Act
    """Judges the undisturbed result; a list of problems."""
    origin: Act | None = None
    """For an undo: makes the store that must come back, byte for byte."""
    repeatable: bool = True
    """Whether the command may be given again after it is done, with the same end."""
    judgement: Judgement = RUN
    lock: str | None = None
    """The lock that the command must hold, as a path in the arena."""
    silent: bool = False
    """Whether the command must not change a byte, so that there is no point to try."""

    @property
    def name(self) -> str:
        """How it is chosen by name."""
        return f"{self.command}/{self.layout}"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A bug planted in the code that the scenarios run, in the forked child alone."""

    name: str
    shown_by: Action
    """The fault that must give it away."""
    commands: tuple[str, ...]
    """The commands in whose scenarios, or the scenarios in which, it must show."""
    plant: Callable[[], object]

    def shows_in(self, scenario: Scenario) -> bool:
        """Whether it must show in this scenario."""
        return not {scenario.command, scenario.name}.isdisjoint(self.commands)
