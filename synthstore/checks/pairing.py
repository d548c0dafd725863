"""The usual case, seen at once: each row of the catalog has its file, and each file its row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, overload

from synthstore.checks.found import once
from synthstore.model.catalog import Row, column, column_at, places_of
from synthstore.model.columns import column_of
from synthstore.model.facts import EntityFile, FileStatus
from synthstore.model.ids import Kind
from synthstore.scan.inventory import Inventory


class PickedRows(Sequence[Row]):
    """Rows in another order, of which none is made before it is asked for."""

    def __init__(self, rows: Sequence[Row], places: Sequence[int]) -> None:
        self._rows, self.places = rows, places

    def each(self, name: str) -> Iterator[Any]:
        """One field of all of them."""
        return column_at(self._rows, name, self.places)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.places)

    def __iter__(self) -> Iterator[Row]:
        """Each in turn."""
        return map(self._rows.__getitem__, self.places)

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Row]: ...
    def __getitem__(self, at: int | slice) -> Row | Sequence[Row]:
        """One of them, or some."""
        if isinstance(at, slice):
            return PickedRows(self._rows, self.places[at])
        return self._rows[self.places[at]]


class Pairs(NamedTuple):
    """The entities of a store in which rows and files are one to one, in the files' order."""

    kinds: Sequence[Kind]
    ids: Sequence[str]
    files: Sequence[EntityFile]
    """All whole, or not looked into; none rigid."""
    rows: PickedRows
    """Each well-formed, living, and naming its file's path as it is."""


def rows_of(inventory: Inventory) -> Sequence[Row]:
    """The catalog's rows; none where it is missing or unreadable."""
    catalog = inventory.catalog.catalog
    return () if catalog is None else catalog.rows


@once
def pairs_of(inventory: Inventory) -> Pairs | None:
    """The pairs, if there is nothing else: no row and no file that needs a closer look."""
    listed, files = rows_of(inventory), inventory.files
    if inventory.deleted or len(files) != len(listed):
        return None
    if not (_are_plain(listed) and _are_sound(files)):
        return None
    places = places_of(listed, column_of(files, "path"))
    if -1 in places:
        return None
    kinds, ids = (list(column_at(listed, name, places)) for name in ("kind", "id"))
    if kinds != column_of(files, "kind") or not _bear(files, ids):
        return None
    if len(set(ids)) < len(ids) and len(set(zip(kinds, ids, strict=True))) < len(ids):
        return None
    return Pairs(kinds, ids, files, PickedRows(listed, places))


def _are_plain(rows: Sequence[Row]) -> bool:
    """Whether no row is malformed or about to go."""
    living = column(rows, "deleted_at").count(None) == len(rows)
    return living and not any(column(rows, "problems"))


def _are_sound(files: Sequence[EntityFile]) -> bool:
    statuses = column_of(files, "status")
    sound = statuses.count(FileStatus.WHOLE) + statuses.count(FileStatus.UNREAD) == len(files)
    return sound and not any(column_of(files, "rigid"))


def _bear(files: Sequence[EntityFile], ids: Sequence[str]) -> bool:
    """Whether each file that was read bears the id."""
    borne, read = column_of(files, "record.id"), column_of(files, "record.kind")
    if borne == ids or not any(read):
        return True
    found = zip(read, borne, ids, strict=True)
    return all(kind is None or mine == entity_id for kind, mine, entity_id in found)
