"""The entries of a mapping, as two columns until somebody looks one up."""

from __future__ import annotations

from array import array
from collections.abc import ItemsView, Iterable, Iterator, Mapping, Sequence

import numpy as np

from synthstore.model.embedding import IdArray
from synthstore.model.text_places import NOWHERE, TextPlaces


class Entries(Mapping[str, int]):
    """Names and their numbers, which are 64-bit integers, in the order of a file."""

    def __init__(self, entries: Mapping[str, int]) -> None:
        self._names: Sequence[str] = list(entries)
        self._numbers = array("q", entries.values())
        self._made: dict[str, int] | None = None

    @classmethod
    def of(cls, names: Sequence[str], numbers: IdArray) -> Entries:
        """Entries of columns; no two of the ``names`` are alike."""
        found = cls({})
        found._names, found._numbers = names, array("q", numbers.tobytes())
        return found

    def share(self, texts: Iterable[str]) -> None:
        """Hold the very objects of ``texts`` for the names that are among them."""
        own = list(texts)
        each = zip(self._names, TextPlaces(own).of(self._names).data, strict=True)
        self._names = [name if at == NOWHERE else own[at] for name, at in each]

    @property
    def columns(self) -> tuple[Sequence[str], array[int]]:
        """The names, and the number of each."""
        return self._names, self._numbers

    def _dict(self) -> dict[str, int]:
        if self._made is None:
            self._made = dict(zip(self._names, self._numbers, strict=True))
        return self._made

    def __len__(self) -> int:
        """How many there are."""
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._names)

    def __getitem__(self, name: str) -> int:
        """The number of a name."""
        return self._dict()[name]

    def __contains__(self, name: object) -> bool:
        """Whether there is such a name."""
        return name in self._dict()

    def items(self) -> ItemsView[str, int]:
        """Names with their numbers."""
        return self._dict().items()

    def __eq__(self, other: object) -> bool:
        """Whether ``other`` maps the same names to the same numbers."""
        if not isinstance(other, Mapping) or len(other) != len(self):
            return False
        if isinstance(other, Entries):
            if self.columns == other.columns:
                return True
            # A dict that is only needed now takes much room for good.
            other = dict(zip(*other.columns, strict=True))
        each = zip(self._names, self._numbers, strict=True)
        return all(other.get(name) == number for name, number in each)

    __hash__ = None  # type: ignore[assignment]


def columns_of(entries: Mapping[str, int]) -> tuple[Sequence[str], IdArray]:
    """The names, and the number of each: int64, shape (names,)."""
    names, numbers = (entries if isinstance(entries, Entries) else Entries(entries)).columns
    return names, np.array(numbers, dtype=np.int64)
