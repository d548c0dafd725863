"""What a named damage is: how to do it, what must be said of it, and what repair leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from synthstore.testing.spelling import Name
from synthstore.testing.stores import Built

ALL: tuple[Name, ...] = ("native", "core-4", "core-3")
CORE: tuple[Name, ...] = ("core-4", "core-3")
NATIVE: tuple[Name, ...] = ("native",)
FOLDERED: tuple[Name, ...] = ("native", "core-4")
"""The layouts whose memories have a folder of their own."""

INFO = ("S003", "S007", "S008", "E001", "E005", "E006", "A021")
WARNING = ("S002", "S006", "C004", "C007", "C008", "C009", "M008", "M010", "A008", "A010")
SEVERITY = dict.fromkeys(INFO, "info") | dict.fromkeys(
    (*WARNING, "E004", "A020", "A022", "A023", "V010"), "warning"
)
"""By code; all others are errors."""

Codes = Mapping[str, int]
Touched = tuple[str, ...] | Callable[[Built], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class How:
    """Options that ``repair`` is called with."""

    allow_shrink: bool = False
    accept: tuple[str, ...] = ()
    accept_all: bool = False
    select: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Damage:
    """One row of the table. ``m8`` and ``a0`` name memory 8 and assembly 0 of the store built."""

    name: str
    apply: Callable[[Built], object]
    codes: Codes
    """Exactly what ``verify`` must say, infos included: code → how often."""
    after: Codes = field(default_factory=dict)
    """Exactly what repair leaves, and a later ``verify`` says."""
    layouts: tuple[Name, ...] = ALL
    touched: Touched = ()
    """Paths that repair may change besides catalog, index and mappings: ``m8``, or a path."""
    lost: tuple[str, ...] = ()
    """Entities that rightly are no more after repair: ``m8`` and so on."""
    how: How = How()
    refused: bool = False
    """Repair raises RefusedError and changes nothing."""
    user: Literal["any", "nobody"] = "any"
    """``nobody``: root is not bound by permissions, so it must be somebody else."""
    check: Callable[[Built], object] | None = None
    """More that must hold after repair; raises AssertionError."""
    in_step: bool = True
    """After repair, files, rows, vectors and mapping agree in every point."""
    severities: dict[str, str] = field(default_factory=dict)
    """Severity by code where it is another than usual; the same after repair, below."""
    severities_after: dict[str, str] = field(default_factory=dict)
    composable: bool = True
    """Whether it makes sense on top of others."""

    def __repr__(self) -> str:
        return self.name

    def _repr_pretty_(self, printer: Any, *_: object) -> None:
        printer.text(self.name)

    def paths(self, built: Built) -> frozenset[str]:
        """The paths of ``touched``."""
        touched = self.touched(built) if callable(self.touched) else self.touched
        return frozenset(resolve(built, label) for label in touched)


def entity(built: Built, label: str) -> str:
    """The id that ``m8`` or ``a0`` stands for."""
    ids = built.memories if label[0] == "m" else built.assemblies
    return ids[int(label[1:])]


def resolve(built: Built, label: str) -> str:
    """A label's path; anything else is a path already."""
    if label[0] in "ma" and label[1:].isdigit():
        return built.paths[entity(built, label)]
    return label


def on(label: str, act: Callable[[Built, str], object]) -> Callable[[Built], None]:
    """Aim ``act`` at the entity that ``label`` stands for."""

    def apply(built: Built) -> None:
        act(built, entity(built, label))

    return apply


def in_turn(*acts: Callable[[Built], object]) -> Callable[[Built], None]:
    """Do several things one after another."""

    def apply(built: Built) -> None:
        for act in acts:
            act(built)

    return apply
