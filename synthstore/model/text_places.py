"""Where each of many texts stands, without a dict of them: of a million that takes 100 MB more."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import ne

import numpy as np

from synthstore.model.embedding import IdArray, Places
from synthstore.model.numbers import stands_twice

NOWHERE = -1

_AT_ONCE = 1 << 15
"""Texts that are looked up together: few enough that what is made of them takes little room."""


class TextPlaces(Mapping[str, int]):
    """The place of each text, the last where it stands twice; None is no text.

    They are found by their hashes, which no two processes have alike: it is not for pickling.
    """

    __slots__ = ("_ascending", "_hashes", "_order", "_places", "_texts")

    def __init__(self, texts: Sequence[str | None]) -> None:
        self._texts = texts
        hashes = _hashes(texts)
        self._order: Places = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._order]
        # An integer of these is had in a third of the time that one of the arrays takes.
        self._ascending, self._places = self._hashes.data, self._order.data

    def get(self, text: str, default: int | None = None) -> int | None:  # type: ignore[override]
        """The place of a text, else ``default``."""
        key = hash(text)
        at = bisect_right(self._ascending, key) - 1
        while at >= 0 and self._ascending[at] == key:
            if self._texts[self._places[at]] == text:
                return self._places[at]
            at -= 1
        return default

    def __getitem__(self, text: str) -> int:
        """The place of a text."""
        place = self.get(text)
        if place is None:
            raise KeyError(text)
        return place

    def __contains__(self, text: object) -> bool:
        """Whether it is one of them."""
        return isinstance(text, str) and self.get(text) is not None

    def __iter__(self) -> Iterator[str]:
        """The texts."""
        return (text for text in self._texts if text is not None)

    def __len__(self) -> int:
        """How many there are."""
        return sum(text is not None for text in self._texts)

    def of(self, texts: Iterable[str]) -> Places:
        """The place of each of the ``texts``, NOWHERE for those that are none of these."""
        each = iter(texts)
        found = list(map(self._some, iter(lambda: list(islice(each, _AT_ONCE)), [])))
        return np.concatenate([np.zeros(0, dtype=np.intp), *found])

    def _some(self, texts: list[str]) -> Places:
        if not len(self._hashes):
            return np.full(len(texts), NOWHERE, dtype=np.intp)
        hashes = _hashes(texts)
        # In their order the next is near the last one: of a million that takes half the time.
        order = np.argsort(hashes)
        last = np.empty(len(texts), dtype=np.intp)
        last[order] = np.searchsorted(self._hashes, hashes[order], side="right") - 1
        places: Places = self._order[last]
        others = map(ne, map(self._texts.__getitem__, places.tolist()), texts)
        for at in np.flatnonzero(np.fromiter(others, np.bool_, len(texts))).tolist():
            place = self.get(texts[at])
            places[at] = NOWHERE if place is None else place
        return places


def standing_twice(texts: Sequence[str | None]) -> frozenset[str]:
    """The texts that stand there more than once."""
    hashes = _hashes(texts)
    ordered = np.sort(hashes[[text is not None for text in texts]])
    if not stands_twice(ordered):
        return frozenset()
    suspects = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    seen: set[str] = set()
    twice: set[str] = set()
    for text in texts:
        if text is not None and hash(text) in suspects:
            (twice if text in seen else seen).add(text)
    return frozenset(twice)


def _hashes(texts: Sequence[str | None]) -> IdArray:
    return np.fromiter(map(hash, texts), np.int64, len(texts))
