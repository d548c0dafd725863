"""Where every object of a repository is: the indexes of all packs as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from synthstore.repository.packs import (
    TAIL_BYTES,
    Blob,
    PackDamageError,
    PackIndex,
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
        self._rows: dict[bytes, tuple[str, int]] = {}

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
        name = pack.name
        rows = enumerate(pack.ids())
        self._rows.update((blob, (name, row)) for row, blob in rows if blob not in bad)

    def find(self, name: bytes) -> Location | None:
        """Where an object is; None if nowhere."""
        found = self._rows.get(name)
        if found is None:
            return None
        pack = self.packs[found[0]]
        return Location(pack, *pack.entry(found[1]))

    def pack_of(self, name: bytes) -> str:
        """The pack that serves an object; raises KeyError."""
        return self._rows[name][0]


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
