"""Tables for tests of the rules: what is done to a healthy inventory, and what must be said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from synthstore.checks.finding import Finding
from synthstore.checks.registry import check
from tests.inventories import Shelf, healthy

BOTH = ("native", "core-4")
CORE = ("core-4", "core-3")
NATIVE = ("native",)

Act = Callable[[Shelf], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row of a table: what is done to a healthy store, and exactly what must be said of it."""

    name: str
    act: Act
    codes: Mapping[str, int]
    shapes: tuple[str, ...] = BOTH
    severity: str | None = None
    """Of every finding, where it is worth saying."""
    subject: str | None = None
    """The id or path that the finding speaks of; a label stands for the entity's id."""


def case(name: str, act: Act, /, shapes: tuple[str, ...] = BOTH, **codes: int) -> Case:
    """A row whose codes are given as keywords; none: nothing may be said."""
    return Case(name=name, act=act, codes=codes, shapes=shapes)


def rows(*cases: Case) -> pytest.MarkDecorator:
    """The table as parameters of a test."""
    params = [
        pytest.param(one, shape, id=f"{one.name}-{shape}") for one in cases for shape in one.shapes
    ]
    return pytest.mark.parametrize(("one", "shape"), params)


def found(shelf: Shelf, **options: Any) -> tuple[Finding, ...]:
    """What the rules say."""
    return check(shelf.inventory(), **options)


def assert_said(one: Case, shape: str) -> None:
    """Hurt a healthy store and compare what is said with the table."""
    shelf = healthy(shape)
    one.act(shelf)
    findings = found(shelf)
    told = [(f.code, f.subject, f.message) for f in findings]
    assert Counter(f.code for f in findings) == one.codes, told
    for finding in findings:
        assert one.severity in (None, finding.severity.label), told
        if one.subject is not None:
            assert finding.subject.id == shelf.ids.get(one.subject, one.subject)
