"""Where every object of a repository is: the indexes of all packs as one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from synthstore.files.memory import give_back
from synthstore.repository.packs import (
    BLOB,
    TAIL_BYTES,
    Blob,
    PackDamageError,
    PackIndex,
    entry_at,
    index_size,
    read_index,
)
from synthstore.repository.place import PACKS, Place
from synthstore.repository.prefixes import ID_BYTES, Keys, Numbers, Prefixes, keys_of

FEW: Final = 1 << 17
"""Objects that are found in the shortest time."""


class Location(NamedTuple):
    """Where one blob is."""

    pack: PackIndex
    block: int
    blob: Blob

    @property
    def lies(self) -> tuple[str, int, int]:
        """Its place among others."""
        return self.pack.name, self.block, self.blob.at


class Index:
    """All objects of all packs that can be read, but for those known to be bad."""

    def __init__(self) -> None:
        self.packs: dict[str, PackIndex] = {}
        self.sizes: dict[str, int] = {}
        self.unreadable: dict[str, str] = {}
        """Packs whose index cannot be read, and why."""
        self._few: dict[bytes, int] = {}
        """Where an object is among the rows of all packs, one pack after the other."""
        self._many = Prefixes.none()
        """The same of all others: they take a tenth of the memory there, and longer to be found."""
        self._order: list[PackIndex] = []
        self._packed: list[memoryview] = []
        """The rows of each."""
        self._starts: list[int] = []
        """The first row of each."""

    def __contains__(self, name: bytes) -> bool:
        return name in self._few or self._among_many(name) is not None

    def __len__(self) -> int:
        return len(self._many) + sum(self._among_many(name) is None for name in self._few)

    def load(self, place: Place, bad: Mapping[str, frozenset[bytes]]) -> None:
        """Read the indexes of all packs; ``bad`` are blobs to leave out, by pack."""
        packs: list[PackIndex] = []
        for name, size in sorted(place.names(PACKS).items()):
            try:
                packs.append(read_tail(place, name, size))
            except PackDamageError as error:
                self.unreadable[name] = str(error)
            except FileNotFoundError:
                # Prune took it away since the folder was listed.
                continue
            self.sizes[name] = size
        if sum(len(pack.blobs) for pack in packs) <= FEW:
            for pack in packs:
                self.add(pack, bad.get(pack.name, frozenset()))
            return
        columns = [_without(pack, self._enter(pack), bad.get(pack.name)) for pack in packs]
        keys, rows = map(np.concatenate, zip(*columns, strict=True))
        self._fold(keys, rows)

    def add(self, pack: PackIndex, bad: frozenset[bytes] = frozenset()) -> None:
        """Take up one more pack, but for its ``bad`` blobs, which another may have whole."""
        rows: Iterable[tuple[bytes, int]]
        rows = zip(pack.ids(), count(self._enter(pack)), strict=False)
        if bad:
            rows = ((blob, row) for blob, row in rows if blob not in bad)
        self._few.update(rows)
        if len(self._few) > FEW:
            few, self._few = self._few, {}
            rows_of_few = np.fromiter(few.values(), np.uint32, len(few))
            self._fold(keys_of(b"".join(few)), rows_of_few)

    def _enter(self, pack: PackIndex) -> int:
        """Have a pack as the last; its first row."""
        start = self._starts[-1] + len(self._order[-1].blobs) if self._order else 0
        self.packs[pack.name] = pack
        self._order.append(pack)
        self._packed.append(pack.packed())
        self._starts.append(start)
        return start

    def _fold(self, keys: Keys, rows: Numbers) -> None:
        """Have some among the many, in place of those that have the same ids."""
        self._many = self._many.with_more(keys, rows)
        again = [place for places in self._many.alike() for place in self._outdated(places)]
        if again:
            self._many = self._many.without(np.array(again))
        give_back()

    def _outdated(self, places: range) -> Iterator[int]:
        """Those of objects that a pack has, too, which was taken up later."""
        seen: set[bytes] = set()
        for place in reversed(places):
            name = self._id(int(self._many.numbers[place]))
            if name in seen:
                yield place
            seen.add(name)

    def _among_many(self, name: bytes) -> int | None:
        if not self._many:
            return None
        for place in self._many.places(name):
            row = int(self._many.numbers[place])
            if self._id(row) == name:
                return row
        return None

    def _id(self, row: int) -> bytes:
        place = bisect_right(self._starts, row) - 1
        at = (row - self._starts[place]) * BLOB.size
        return bytes(self._packed[place][at : at + ID_BYTES])

    def holds(self, ids: bytes) -> npt.NDArray[np.bool_]:
        """Which of ``ids``, which follow each other, are there."""
        return np.array(
            self.hold([ids[at : at + ID_BYTES] for at in range(0, len(ids), ID_BYTES)]), bool
        )

    def hold(self, names: Sequence[bytes]) -> list[bool]:
        """Whether each of ``names`` is there."""
        if not self._many:
            return list(map(self._few.__contains__, names))
        ids = b"".join(names)
        may_be, rows = self._many.last_of(ids)
        there = np.zeros(len(names), bool)
        there[may_be] = self._are(ids, np.flatnonzero(may_be), rows[may_be])
        # Those that only begin alike are as rare as can be.
        alike = (may_be & ~there).tolist()
        return [
            found or name in self._few or (begins and self._among_many(name) is not None)
            for name, found, begins in zip(names, there.tolist(), alike, strict=True)
        ]

    def _are(
        self, ids: bytes, places: npt.NDArray[np.intp], rows: Numbers
    ) -> npt.NDArray[np.bool_]:
        """Whether those of ``ids`` at ``places`` are the ids of these ``rows``."""
        same = np.zeros(len(rows), bool)
        wanted = np.frombuffer(ids, f"V{ID_BYTES}")[places]
        order = np.argsort(rows, kind="stable")
        of_pack = np.split(order, np.searchsorted(rows[order], self._starts[1:]))
        for pack, start, some in zip(self._order, self._starts, of_pack, strict=True):
            same[some] = pack.blobs["id"][rows[some] - start] == wanted[some]
        return same

    def find(self, name: bytes) -> Location | None:
        """Where an object is; None if nowhere."""
        row = self._row(name)
        if row is None:
            return None
        # Asked for every file and every piece of it.
        place = bisect_right(self._starts, row) - 1
        entry = entry_at(self._packed[place], row - self._starts[place])
        return Location(self._order[place], *entry)

    def _row(self, name: bytes) -> int | None:
        row = self._few.get(name)
        return self._among_many(name) if row is None else row

    def pack_of(self, name: bytes) -> str:
        """The pack that serves an object; raises KeyError."""
        row = self._row(name)
        if row is None:
            raise KeyError(name)
        return self._order[bisect_right(self._starts, row) - 1].name


def _without(pack: PackIndex, start: int, bad: frozenset[bytes] | None) -> tuple[Keys, Numbers]:
    """The keys of a pack's ids, and their rows, but for the ``bad`` ones."""
    rows = np.arange(start, start + len(pack.blobs), dtype=np.uint32)
    if not bad:
        return keys_of(pack.blobs["id"].tobytes()), rows
    good = np.array([blob not in bad for blob in pack.ids()], bool)
    return keys_of(pack.blobs["id"][good].tobytes()), rows[good]


def read_tail(place: Place, name: str, size: int) -> PackIndex:
    """The index of one pack; raises PackDamageError."""
    path = f"{PACKS}/{name}"
    tail = place.read(path, max(0, size - TAIL_BYTES))
    length = index_size(tail)
    if length > len(tail):
        if length > size:
            raise PackDamageError("cut short")
        tail = place.read(path, size - length)
    return read_index(name, tail)
