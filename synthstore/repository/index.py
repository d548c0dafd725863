"""Where every object of a repository is: the indexes of all packs as one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import NamedTuple

from synthstore.repository.packs import (
    TAIL_BYTES,
    Blob,
    PackDamageError,
    PackIndex,
    entry_at,
    index_size,
    read_index,
)
from synthstore.repository.place import PACKS, Place


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
        self._rows: dict[bytes, int] = {}
        """Where each object is among the rows of all packs, one pack after the other."""
        self._order: list[PackIndex] = []
        self._packed: list[memoryview] = []
        """The rows of each."""
        self._starts: list[int] = []
        """The first row of each."""

    def __contains__(self, name: bytes) -> bool:
        return name in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._rows)

    def load(self, place: Place, bad: Mapping[str, frozenset[bytes]]) -> None:
        """Read the indexes of all packs; ``bad`` are blobs to leave out, by pack."""
        for name, size in sorted(place.names(PACKS).items()):
            try:
                self.add(read_tail(place, name, size), bad.get(name, frozenset()))
            except PackDamageError as error:
                self.unreadable[name] = str(error)
            except FileNotFoundError:
                # Prune took it away since the folder was listed.
                continue
            self.sizes[name] = size

    def add(self, pack: PackIndex, bad: frozenset[bytes] = frozenset()) -> None:
        """Take up one more pack, but for its ``bad`` blobs, which another may have whole."""
        self.packs[pack.name] = pack
        start = self._starts[-1] + len(self._order[-1].blobs) if self._order else 0
        self._order.append(pack)
        self._packed.append(pack.packed())
        self._starts.append(start)
        rows: Iterable[tuple[bytes, int]] = zip(pack.ids(), count(start), strict=False)
        if bad:
            rows = ((blob, row) for blob, row in rows if blob not in bad)
        self._rows.update(rows)

    def find(self, name: bytes) -> Location | None:
        """Where an object is; None if nowhere."""
        row = self._rows.get(name)
        if row is None:
            return None
        # Asked for every file and every piece of it.
        place = bisect_right(self._starts, row) - 1
        entry = entry_at(self._packed[place], row - self._starts[place])
        return Location(self._order[place], *entry)

    def pack_of(self, name: bytes) -> str:
        """The pack that serves an object; raises KeyError."""
        return self._order[bisect_right(self._starts, self._rows[name]) - 1].name


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
