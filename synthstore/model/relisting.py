"""A catalog's rows as they are to be: old ones by their places, and new ones between them."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import chain, groupby

from synthstore.model.catalog import Catalog, RawRow, Row, column_at
from synthstore.model.ids import EntityRef, Kind


class Relisted(Mapping[EntityRef, RawRow]):
    """Rows in their order; old ones are made when they are asked for, if they are columns."""

    def __init__(self, old: Sequence[Row]) -> None:
        self.old = old
        self._parts: list[range | tuple[EntityRef, RawRow]] = []
        """Places of old rows, or a new one."""

    def keep(self, places: range) -> None:
        """Take old rows as they are; ``places`` follow each other, and those before."""
        last = self._parts[-1] if self._parts else None
        if isinstance(last, range) and last.stop == places.start:
            self._parts[-1] = range(last.start, places.stop)
        elif places:
            self._parts.append(places)

    def add(self, ref: EntityRef, raw: RawRow) -> None:
        """Take a new row."""
        self._parts.append((ref, raw))

    @property
    def unchanged(self) -> bool:
        """Whether they are just the old ones."""
        return self._parts == ([range(len(self.old))] if self.old else [])

    def each(self) -> Iterator[tuple[EntityRef, RawRow]]:
        """All rows; the old ones are made on the way."""
        return chain.from_iterable(map(self._rows, self._parts))

    def each_of(self, kind: Kind) -> Iterator[tuple[str, RawRow]]:
        """Those of one kind with their ids; no others are made."""
        return chain.from_iterable(self._rows_of(kind, part) for part in self._parts)

    def _rows(self, part: range | tuple[EntityRef, RawRow]) -> Iterator[tuple[EntityRef, RawRow]]:
        if not isinstance(part, range):
            return iter((part,))
        kinds, ids, raws = (column_at(self.old, name, part) for name in ("kind", "id", "raw"))
        return zip(map(EntityRef, kinds, ids), raws, strict=True)

    def _rows_of(
        self, kind: Kind, part: range | tuple[EntityRef, RawRow]
    ) -> Iterator[tuple[str, RawRow]]:
        if not isinstance(part, range):
            ref, raw = part
            return iter(((ref.id, raw),) if ref.kind == kind else ())
        kinds = column_at(self.old, "kind", part)
        places = [place for place, own in zip(part, kinds, strict=True) if own == kind]
        ids, raws = (column_at(self.old, name, places) for name in ("id", "raw"))
        return zip(ids, raws, strict=True)

    def cut(
        self, size: int, kind: Kind
    ) -> Iterator[tuple[int | None, Iterator[tuple[str, RawRow]]]]:
        """``each_of`` in groups: old ones as they stood, from one multiple of ``size`` to the next.

        With each of these comes the place of its first row; with what is between them, None.
        """
        parts = chain.from_iterable(_aligned(part, size) for part in self._parts)
        for place, group in groupby(parts, partial(self._place, size)):
            yield place, chain.from_iterable(self._rows_of(kind, part) for part in group)

    def _place(self, size: int, part: range | tuple[EntityRef, RawRow]) -> int | None:
        if not isinstance(part, range) or part.start % size:
            return None
        return part.start if part.stop in (part.start + size, len(self.old)) else None

    def section(self, kind: Kind) -> Section:
        """Those of one kind, by id."""
        return Section(self, kind)

    def items(self) -> ItemsView[EntityRef, RawRow]:
        """Each with its entity."""
        return _Each(self)

    def __len__(self) -> int:
        """How many there are."""
        return sum(len(part) if isinstance(part, range) else 1 for part in self._parts)

    def __iter__(self) -> Iterator[EntityRef]:
        """Their entities."""
        return chain.from_iterable(map(self._refs, self._parts))

    def _refs(self, part: range | tuple[EntityRef, RawRow]) -> Iterator[EntityRef]:
        if not isinstance(part, range):
            return iter(part[:1])
        return map(EntityRef, *(column_at(self.old, name, part) for name in ("kind", "id")))

    @cached_property
    def _by_ref(self) -> Mapping[EntityRef, RawRow]:
        return dict(self.each())

    def __getitem__(self, ref: EntityRef) -> RawRow:
        """The row of an entity."""
        return self._by_ref[ref]


def _aligned(
    part: range | tuple[EntityRef, RawRow], size: int
) -> Iterator[range | tuple[EntityRef, RawRow]]:
    """A part, cut at the multiples of ``size`` if it is of old rows."""
    if not isinstance(part, range):
        yield part
        return
    for start in range(part.start - part.start % size, part.stop, size):
        yield range(max(start, part.start), min(start + size, part.stop))


class _Each(ItemsView[EntityRef, RawRow]):
    _mapping: Relisted

    def __iter__(self) -> Iterator[tuple[EntityRef, RawRow]]:
        return self._mapping.each()


class Section(Mapping[str, RawRow]):
    """Rows of one kind by id, as they stand in a catalog that has a section for each kind."""

    def __init__(self, rows: Relisted, kind: Kind) -> None:
        self._rows, self._kind = rows, kind

    @property
    def old(self) -> Sequence[Row]:
        """The old rows, of all kinds."""
        return self._rows.old

    def cut(self, size: int) -> Iterator[tuple[int | None, Iterator[tuple[str, RawRow]]]]:
        """As ``Relisted.cut``."""
        return self._rows.cut(size, self._kind)

    def each(self) -> Iterator[tuple[str, RawRow]]:
        """All of them."""
        return self._rows.each_of(self._kind)

    def items(self) -> ItemsView[str, RawRow]:
        """Each with its id."""
        return _EachOfKind(self)

    @cached_property
    def _count(self) -> int:
        return sum(ref.kind == self._kind for ref in self._rows)

    def __len__(self) -> int:
        """How many there are."""
        return self._count

    def __iter__(self) -> Iterator[str]:
        """Their ids."""
        return (ref.id for ref in self._rows if ref.kind == self._kind)

    def __getitem__(self, entity_id: str) -> RawRow:
        """The row of an id."""
        return self._rows[EntityRef(self._kind, entity_id)]


class _EachOfKind(ItemsView[str, RawRow]):
    _mapping: Section

    def __iter__(self) -> Iterator[tuple[str, RawRow]]:
        return self._mapping.each()


def whole(catalog: Catalog) -> Mapping[str, object]:
    """The object of a catalog with all that stood in it."""
    if catalog.section is None:
        return catalog.document
    rows = Relisted(catalog.rows)
    rows.keep(range(len(catalog.rows)))
    return {**catalog.document, catalog.section: rows.section("memory")}
