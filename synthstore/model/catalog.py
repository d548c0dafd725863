"""What ``memory_index.json`` claims, whatever the layout spells it like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from synthstore.model.ids import EntityRef, Kind

Scalar = str | int | float | None


class Row(NamedTuple):
    """One row of the catalog."""

    kind: Kind
    id: str
    path: str | None
    """As written (``filepath`` or ``path``), unchecked; None where missing or mistyped."""
    raw: Mapping[str, object]
    """The row's object as parsed, key order kept; empty where it was no object."""
    created_at: Scalar = None
    updated_at: Scalar = None
    """None where the layout's rows carry no such time (core rows: both are None)."""
    score: float | None = None
    member_count: int | None = None
    content_hash: str | None = None
    """Lower-case hex without the ``sha256:`` prefix."""
    deleted_at: str | None = None
    problems: tuple[str, ...] = ()
    """What makes the row malformed (C003), one sentence part each."""

    @property
    def ref(self) -> EntityRef:
        """The entity that the row speaks of."""
        return EntityRef(self.kind, self.id)


@dataclass(frozen=True, slots=True)
class Catalog:
    """A parsed catalog: rows in file order, and all that stands around them."""

    rows: tuple[Row, ...]
    document: Mapping[str, object]
    """The whole object as parsed; the layout's writer keeps unknown keys and key order from it."""
    version: str | None = None
    count_problems: tuple[str, ...] = ()
    """Counts in ``metadata`` that the rows do not bear out (C004)."""
