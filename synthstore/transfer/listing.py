"""The entities of a store that is begun, and their rows in its catalog.

The rows are kept as columns: as objects, those of a million entities take half a gigabyte.
"""

from __future__ import annotations

from array import array
from collections.abc import ItemsView, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias

from synthstore.model.catalog import RawRow
from synthstore.model.ids import EntityRef, Kind
from synthstore.model.texts import Texts

_AT_ONCE = 250
"""Rows that go into columns together: that takes little longer than with one."""

_Column: TypeAlias = "Texts | array[Any] | list[Any]"
_TYPES: Mapping[type, type] = {Texts: str, array: float}
"""Of what the values of a column are that holds no objects."""


class Listing(Mapping[EntityRef, RawRow]):
    """Entities in the order of their refs once they are sorted, else in that in which they came."""

    def __init__(self) -> None:
        self._kinds: list[Kind] = []
        self._ids: list[str] = []
        self._rows = _RowTable()
        self.places: Sequence[int] = range(0)
        """As what number each came, in their order."""

    def add(self, ref: EntityRef, row: RawRow) -> None:
        """Take one more."""
        self._kinds.append(ref.kind)
        self._ids.append(ref.id)
        self._rows.append(row)
        self.places = range(len(self))

    def ref(self, place: int) -> EntityRef:
        """The entity that came as number ``place``."""
        return EntityRef(self._kinds[place], self._ids[place])

    def sort(self) -> None:
        """Bring the entities into the order of their refs."""
        # A text at a time compares faster than a pair.
        places = sorted(range(len(self)), key=self._ids.__getitem__)
        places.sort(key=self._kinds.__getitem__)
        self.places = array("q", places)

    def items(self) -> ItemsView[EntityRef, RawRow]:
        """Each with its row, which is made on the way."""
        return _Each(self)

    def of_kind(self, kind: Kind) -> Iterator[int]:
        """As what number those of one kind came, in the order that they are in."""
        return (place for place in self.places if self._kinds[place] == kind)

    def section(self, kind: Kind) -> Mapping[str, RawRow]:
        """The rows of one kind, by id."""
        return _Section(self, kind)

    def row(self, place: int) -> RawRow:
        """The row of the entity that came as number ``place``."""
        return self._rows[place]

    def __len__(self) -> int:
        """How many there are."""
        return len(self._ids)

    def __iter__(self) -> Iterator[EntityRef]:
        """The entities."""
        return map(self.ref, self.places)

    @cached_property
    def _place_of(self) -> Mapping[EntityRef, int]:
        return {self.ref(place): place for place in self.places}

    def __getitem__(self, ref: EntityRef) -> RawRow:
        """The row of an entity."""
        return self._rows[self._place_of[ref]]


class _Each(ItemsView[EntityRef, RawRow]):
    _mapping: Listing

    def __iter__(self) -> Iterator[tuple[EntityRef, RawRow]]:
        listing = self._mapping
        return ((listing.ref(place), listing.row(place)) for place in listing.places)


class _Section(Mapping[str, RawRow]):
    def __init__(self, listing: Listing, kind: Kind) -> None:
        self.listing, self.kind = listing, kind

    def items(self) -> ItemsView[str, RawRow]:
        return _EachOfKind(self)

    @cached_property
    def _count(self) -> int:
        return sum(1 for _ in self.listing.of_kind(self.kind))

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        return (self.listing.ref(place).id for place in self.listing.of_kind(self.kind))

    def __getitem__(self, entity_id: str) -> RawRow:
        return self.listing[EntityRef(self.kind, entity_id)]


class _EachOfKind(ItemsView[str, RawRow]):
    _mapping: _Section

    def __iter__(self) -> Iterator[tuple[str, RawRow]]:
        listing, places = self._mapping.listing, self._mapping.listing.of_kind(self._mapping.kind)
        return ((listing.ref(place).id, listing.row(place)) for place in places)


class _RowTable:
    """Rows by place; each is made anew."""

    def __init__(self) -> None:
        self._alike: dict[tuple[str, ...], _Alike] = {}
        self._of: list[_Alike] = []
        """Among which each row is."""
        self._at = array("q")
        """Where it is there."""

    def append(self, row: RawRow) -> None:
        keys = tuple(row)
        alike = self._alike.get(keys)
        if alike is None:
            alike = self._alike[keys] = _Alike(keys)
        self._of.append(alike)
        self._at.append(alike.append(tuple(row.values())))

    def __getitem__(self, place: int) -> dict[str, Any]:
        return self._of[place].row(self._at[place])


class _Alike:
    """Rows of the same keys in one order."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._keys = keys
        self._columns: list[_Column] = [[] for _ in keys]
        self._length = 0
        self._fresh: list[tuple[Any, ...]] = []
        """The values of the last rows, which are in no column yet."""

    def append(self, values: tuple[Any, ...]) -> int:
        """Take one more row; its place."""
        self._fresh.append(values)
        self._length += 1
        if len(self._fresh) == _AT_ONCE:
            self._settle()
        return self._length - 1

    def row(self, at: int) -> dict[str, Any]:
        if self._fresh:
            self._settle()
        return {key: column[at] for key, column in zip(self._keys, self._columns, strict=True)}

    def _settle(self) -> None:
        fresh = zip(*self._fresh, strict=True)
        self._columns = list(map(_extended, self._columns, fresh))
        self._fresh.clear()


def _extended(column: _Column, values: tuple[Any, ...]) -> _Column:
    """The column with these behind its own, in as little room as all of them allow."""
    types = set(map(type, values))
    if not len(column):
        column = Texts() if types == {str} else array("d") if types == {float} else []
    elif not isinstance(column, list) and types != {_TYPES[type(column)]}:
        column = list(column)
    column.extend(values)
    return column
