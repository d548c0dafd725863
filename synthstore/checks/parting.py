"""Usual entities parted from those that need a closer look, so that few of them need be objects.

A file is usual if it is whole, bears an id that nothing else has to do with, and has just one row,
which names it, or none at all. What is found out of all others is the same without the usual ones.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from synthstore.checks.found import once
from synthstore.checks.pairing import pairs_of, rows_of
from synthstore.model.catalog import Row, column_at, places_of
from synthstore.model.columns import Bools, column_of
from synthstore.model.embedding import Places
from synthstore.model.facts import EntityFile, FileStatus
from synthstore.model.ids import EntityRef, Kind
from synthstore.model.paths import confined
from synthstore.model.text_places import TextPlaces, standing_twice
from synthstore.scan.inventory import Inventory

NO_ROW = -1


@dataclass(frozen=True)
class Usual:
    """The usual entities, by the places of their files in the inventory."""

    files: Sequence[EntityFile]
    """All files of the inventory."""
    kinds: Sequence[Kind]
    """Of each file."""
    ids: Sequence[str | None]
    """The id of each usual file; None for the others."""
    row_at: Places
    """Where in the catalog the row of each usual file is; NO_ROW for all others."""
    whole: Usual | None = None
    """All usual entities, where these are some of them."""

    @cached_property
    def by_id(self) -> TextPlaces:
        """The places of their files, by their ids."""
        return TextPlaces(self.ids)

    @cached_property
    def count(self) -> int:
        """How many there are."""
        return len(self.ids) - self.ids.count(None)

    @cached_property
    def are(self) -> Bools:
        """Which of all files are usual."""
        if None not in self.ids:
            return np.ones(len(self.ids), dtype=np.bool_)
        return np.array([entity_id is not None for entity_id in self.ids], dtype=np.bool_)

    def ref(self, place: int) -> EntityRef | None:
        """The entity of the file at a place, if that is a usual one."""
        entity_id = self.ids[place]
        return None if entity_id is None else EntityRef(self.kinds[place], entity_id)

    def place(self, ref: EntityRef) -> int | None:
        """Where the file of a usual entity stands."""
        place = (self.whole or self).by_id.get(ref.id)
        if place is None or self.ids[place] is None or self.kinds[place] != ref.kind:
            return None
        return place

    def has(self, ref: object) -> bool:
        """Whether it is the ref of one of them."""
        return isinstance(ref, EntityRef) and self.place(ref) is not None

    def only(self, wanted: Bools) -> Usual:
        """Those among the ``wanted`` of all files."""
        if wanted.all():
            return self
        ids: list[str | None] = [None] * len(self.ids)
        for place in np.flatnonzero(wanted).tolist():
            ids[place] = self.ids[place]
        return Usual(self.files, self.kinds, ids, self.row_at, self.whole or self)

    def refs(self) -> Iterator[EntityRef]:
        """The entities, made anew, in the order of their files."""
        each = zip(self.kinds, self.ids, strict=True)
        return (EntityRef(kind, entity_id) for kind, entity_id in each if entity_id is not None)


@dataclass(frozen=True, slots=True)
class Parted:
    """All files and rows of an inventory."""

    usual: Usual
    files: Mapping[int, EntityFile]
    """All others, by their places, in order."""
    rows: Mapping[int, Row]
    """Rows that are not those of usual files, by their places, in order."""


@once
def parted(inventory: Inventory) -> Parted:
    """Part the usual entities of an inventory from the others."""
    pairs = pairs_of(inventory)
    if pairs is not None:
        at = np.array(pairs.rows.places, dtype=np.intp)
        return Parted(Usual(inventory.files, pairs.kinds, pairs.ids, at), {}, {})
    files, rows = inventory.files, rows_of(inventory)
    paths, kinds = column_of(files, "path"), column_of(files, "kind")
    row_at = np.array(places_of(rows, paths), dtype=np.intp)
    ids = _ids(inventory, kinds, row_at)
    _leave_out(ids, standing_twice(ids) | _deleted(inventory))
    ids = _undisputed(inventory, paths, ids, row_at)
    row_at[[entity_id is None for entity_id in ids]] = NO_ROW
    return Parted(
        Usual(files, kinds, ids, row_at),
        {at: files[at] for at, entity_id in enumerate(ids) if entity_id is None},
        {at: rows[at] for at in _rest(len(rows), row_at)},
    )


def _deleted(inventory: Inventory) -> set[str | None]:
    return {ref.id for ref in inventory.deleted}


def _ids(inventory: Inventory, kinds: Sequence[Kind], row_at: Places) -> list[str | None]:
    """The id of each file that is sound, and has a sound row of that id or none."""
    files, rows = inventory.files, rows_of(inventory)
    listed = iter(_listed(rows, row_at))
    found: list[str | None] = []
    columns = (column_of(files, name) for name in ("status", "rigid", "record.id"))
    for kind, place, status, rigid, borne in zip(kinds, row_at.data, *columns, strict=True):
        row = next(listed) if place != NO_ROW else (kind, borne)
        entity_id = borne if status is FileStatus.WHOLE else None
        if status is FileStatus.UNREAD and row is not None:
            entity_id = row[1]
        found.append(entity_id if row == (kind, entity_id) and not rigid else None)
    return found


def _listed(rows: Sequence[Row], row_at: Places) -> Iterator[tuple[Kind, str] | None]:
    """Kind and id of the rows at these places, None for one that is malformed or about to go."""
    places = row_at[row_at != NO_ROW].data
    names = ("kind", "id", "deleted_at", "problems")
    columns = (column_at(rows, name, places) for name in names)
    for kind, entity_id, deleted_at, problems in zip(*columns, strict=True):
        yield None if problems or deleted_at is not None else (kind, entity_id)


def _undisputed(
    inventory: Inventory, paths: Sequence[str], ids: list[str | None], row_at: Places
) -> list[str | None]:
    """The ids, but for those of files that any other file or row has to do with."""
    rows, layout = rows_of(inventory), inventory.layout
    used = row_at[[entity_id is not None for entity_id in ids]]
    rest = _rest(len(rows), used)
    named = set(column_at(rows, "path", rest))
    named |= {confined(path) for path in named if path is not None}
    about = set(column_at(rows, "id", rest))
    borne = column_of(inventory.files, "record.id")
    for path, entity_id, own in zip(paths, ids, borne, strict=True):
        if entity_id is None:
            about |= {own, layout.id_from_path(path)}
    _leave_out(ids, about)
    if named:
        ids = [None if p in named else i for p, i in zip(paths, ids, strict=True)]
    return ids


def _leave_out(ids: list[str | None], these: Collection[str | None]) -> None:
    if these:
        ids[:] = [None if entity_id in these else entity_id for entity_id in ids]


def _rest(count: int, used: Places) -> list[int]:
    """Places of rows, of so many, that are not among those ``used``."""
    left = np.ones(count, dtype=np.bool_)
    left[used[used != NO_ROW]] = False
    found: list[int] = np.flatnonzero(left).tolist()
    return found
