"""How rules make findings, and how they remember what several of them need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import TypeVar, cast

from synthstore.checks.catalogue import CATALOGUE
from synthstore.checks.finding import Finding, Severity, Subject
from synthstore.model.facts import CatalogFacts, IndexFacts, MappingFacts
from synthstore.model.ids import EntityRef
from synthstore.scan.inventory import Inventory

T = TypeVar("T")


def once(compute: Callable[[Inventory], T]) -> Callable[[Inventory], T]:
    """Let ``compute`` work once per inventory; the result is kept on it, as cached_property does.

    An inventory holds mappings and arrays, so it cannot be the key of a cache.
    """
    key = f"{compute.__module__}.{compute.__qualname__}"

    @wraps(compute)
    def remembered(inventory: Inventory) -> T:
        memory = vars(inventory)
        if key not in memory:
            memory[key] = compute(inventory)
        return cast("T", memory[key])

    return remembered


def forget(inventory: Inventory) -> None:
    """Let go of what ``once`` keeps of the inventory: of a large one it is a good part of all."""
    memory = vars(inventory)
    for key in [key for key in memory if "." in key]:
        del memory[key]


def finding(
    code: str,
    subject: Subject | EntityRef,
    path: str | None,
    message: str,
    *,
    evidence: Mapping[str, object] | None = None,
    severity: Severity | None = None,
    repair: str | None = None,
) -> Finding:
    """A finding of ``code`` with the catalogue's rule name, severity and repair unless given."""
    entry = CATALOGUE[code]
    if isinstance(subject, EntityRef):
        subject = Subject(subject.kind, subject.id)
    return Finding(
        code,
        entry.rule,
        entry.severity if severity is None else severity,
        subject,
        path,
        message,
        evidence or {},
        entry.repair if repair is None else repair,
    )


def out_of_reach(part: CatalogFacts | IndexFacts | MappingFacts) -> str | None:
    """What is to be done about a part of which no byte can be had; None for any other."""
    if part.sha256 is not None:
        return None
    return "left: move away what stands there, and repair writes it anew"
