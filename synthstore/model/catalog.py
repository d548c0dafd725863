"""What ``memory_index.json`` claims, whatever the layout spells it like."""

from __future__ import annotations

from abc import abstractmethod
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from synthstore.model.ids import EntityRef, Kind

if TYPE_CHECKING:
    from synthstore.model.embedding import Places

Scalar = str | int | float | None
RawRow = Mapping[str, object]
"""A row's object as parsed."""


@runtime_checkable
class InSections(Protocol):
    """Rows by entity that can be had by kind, each made by whoever goes through them."""

    def section(self, kind: Kind) -> Mapping[str, RawRow]:
        """Those of one kind, by id."""


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


class RowColumns(Sequence[Row]):
    """Rows that are kept as columns; whoever asks for a row gets one that is made for it."""

    __slots__ = ()

    @abstractmethod
    def at(self, name: str, places: Iterable[int]) -> Iterator[Any]:
        """As ``column_at``."""

    @abstractmethod
    def packed(self, name: str, places: Places) -> bytes | None:
        """A field of the rows at ``places`` as ``FileRun.packed`` has it; None where it has none.

        ``places``: integers, shape (rows,).
        """

    @abstractmethod
    def places(self, paths: Iterable[str]) -> array[int]:
        """As ``places_of``."""

    def __eq__(self, other: object) -> bool:
        """Whether ``other`` are the same rows, however they are kept."""
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


def column(rows: Sequence[Row], name: str) -> list[Any]:
    """One field of all ``rows``, in their order."""
    if isinstance(rows, RowColumns):
        return list(rows.at(name, range(len(rows))))
    return list(map(attrgetter(name), rows))


def column_at(rows: Sequence[Row], name: str, places: Iterable[int]) -> Iterator[Any]:
    """One field of the rows at ``places``, one after the other."""
    if isinstance(rows, RowColumns):
        return rows.at(name, places)
    return map(attrgetter(name), map(rows.__getitem__, places))


def places_of(rows: Sequence[Row], paths: Iterable[str]) -> array[int]:
    """Where among ``rows`` that of each path stands, -1 for that of none."""
    if isinstance(rows, RowColumns):
        return rows.places(paths)
    place_of = {row.path: place for place, row in enumerate(rows)}
    return array("q", (place_of.get(path, -1) for path in paths))


@dataclass(frozen=True, slots=True)
class Catalog:
    """A parsed catalog: rows in file order, and all that stands around them."""

    rows: Sequence[Row]
    document: Mapping[str, object]
    """The object as parsed; the layout's writer keeps unknown keys and key order from it."""
    version: str | None = None
    count_problems: tuple[str, ...] = ()
    """Counts in ``metadata`` that the rows do not bear out (C004)."""
    section: str | None = None
    """The key of an object that is empty in ``document``: only ``rows`` has these memories."""
