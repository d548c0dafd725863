"""One row of the catalog as the library shows it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from synthstore.model.catalog import Row, Scalar
from synthstore.model.ids import EntityRef, Kind


class Listed(NamedTuple):
    """What the catalog says of an entity, with no file opened."""

    kind: Kind
    id: str
    path: str | None
    """Store-relative; None where the row names none."""
    created_at: Scalar = None
    """As the store spells it."""
    updated_at: Scalar = None
    quickrecal_score: float | None = None
    """Memories only."""
    member_count: int | None = None
    """Assemblies only."""
    content_hash: str | None = None
    """sha256 of the file, hex, where the layout's rows bear one."""

    @property
    def ref(self) -> EntityRef:
        """The entity."""
        return EntityRef(self.kind, self.id)


def listed(row: Row) -> Listed:
    """A row of the catalog, without what only its layout needs."""
    created = row.created_at if row.created_at is not None else row.raw.get("timestamp")
    return Listed(
        row.kind,
        row.id,
        row.path,
        created if isinstance(created, str | int | float) else None,
        row.updated_at,
        row.score,
        row.member_count,
        row.content_hash,
    )


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a catalog by entity, and which state of the file they are of."""

    by_ref: dict[EntityRef, Listed]
    readable: bool = True


def rows_of(rows: Iterable[Row]) -> dict[EntityRef, Listed]:
    """The rows of entities that live."""
    return {row.ref: listed(row) for row in rows if row.deleted_at is None}
