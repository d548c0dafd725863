"""Entities by number, so that a million of them are no million objects. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import tee
from operator import le

import numpy as np

from synthstore.checks.ownership import Ownership
from synthstore.model.embedding import Places
from synthstore.model.ids import EntityRef, in_order, vector_id


class Roll:
    """The numbers that ``Ownership`` counts entities by, and behind them others that come up."""

    def __init__(self, ownership: Ownership) -> None:
        self._ownership = ownership
        self._known = len(ownership.stand.usual.ids) + len(ownership.stand.others)
        self._more: list[EntityRef] = []
        self._number_of: dict[EntityRef, int] = {}

    def number(self, ref: EntityRef) -> int:
        """The number of an entity, which gets one if it has none."""
        known = self._ownership.stand.number(ref)
        if known is not None:
            return known
        if ref not in self._number_of:
            self._number_of[ref] = self._known + len(self._more)
            self._more.append(ref)
        return self._number_of[ref]

    def numbers(self, refs: Iterable[EntityRef]) -> Places:
        """The number of each."""
        return np.fromiter(map(self.number, refs), np.intp)

    def ref(self, number: int) -> EntityRef | None:
        """The entity of a number; None for NOBODY."""
        if number >= self._known:
            return self._more[number - self._known]
        return self._ownership.entity(number)

    def refs(self, numbers: Places) -> Iterator[EntityRef | None]:
        """The entity of each number, made anew."""
        return map(self.ref, numbers.data)

    def names(self, numbers: Places) -> list[str | None]:
        """The vector ids of these entities."""
        return [None if ref is None else vector_id(ref) for ref in self.refs(numbers)]

    def sorted(self, numbers: Places) -> Places:
        """The numbers in the order of their entities."""
        one, other = tee(ref for ref in self.refs(numbers) if ref is not None)
        next(other, None)
        # Files are in the order of their paths, and so their ids are, most times.
        if all(map(le, one, other)):
            return numbers
        return self.numbers(in_order(ref for ref in self.refs(numbers) if ref is not None))
