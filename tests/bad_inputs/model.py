"""What a bad input is: where it is put, by which command it is met, and what must come of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from synthstore.testing.damages import BY_NAME
from synthstore.testing.damages import model as damages
from synthstore.testing.spelling import Name
from synthstore.testing.stores import Built

INFO = frozenset(damages.INFO)
BACKUP = ("backup", "{store}", "--repo", "{path}")
Plant = Callable[[Built], object]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Planted:
    """A bad input inside a store: verify tells it, repair mends or leaves it."""

    number: int
    """Its place in the list of forty that the project promises an outcome for."""
    name: str
    plant: Plant
    says: Mapping[str, int]
    """Exactly the findings of ``verify``: code → how often."""
    left: Mapping[str, int] = field(default_factory=dict)
    """Exactly the findings that ``repair --yes`` leaves."""
    found: int = 1
    """Exit code of ``verify``."""
    mended: int = 0
    """Exit code of ``repair --yes``."""
    layout: Name = "native"
    by_root: bool = False
    """Only root can plant it."""

    def __repr__(self) -> str:
        return f"{self.number:02}-{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Given:
    """A bad input that an option or argument names: a typed error, and nothing is done."""

    number: int
    name: str
    make: Callable[[Path, Built], object]
    """Makes the file ``path``, or whatever else the command will meet."""
    command: tuple[str, ...]
    """``{store}`` and ``{path}``: the store and the input; ``{folder}``: what holds both."""
    code: int
    kind: str | None
    """Of the error; None: it is told in a report."""

    def __repr__(self) -> str:
        return f"{self.number:02}-{self.name}"


def damage(number: int, name: str, *, found: int | None = None, mended: int = 0) -> Planted:
    """A row of the table of damages as a bad input; what is left there is left here."""
    one = BY_NAME[name]
    return Planted(
        number=number,
        name=name,
        plant=one.apply,
        says=one.codes,
        left=one.codes if one.refused else one.after,
        found=int(not INFO.issuperset(one.codes)) if found is None else found,
        mended=12 if one.refused else mended,
    )
