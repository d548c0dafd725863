"""The items of a plan in columns: a run may be of a million files, and most are alike."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress
from typing import NamedTuple, overload

from synthstore.model.facts import Stat

_ABSENT = -1


class Copy(NamedTuple):
    """One version of a file: its identity, and what else is kept of it."""

    sha256: str
    size: int
    mode: int
    uid: int
    gid: int
    mtime_ns: int

    @classmethod
    def of(cls, sha256: str, stat: Stat) -> Copy:
        """The version with these bytes and this status."""
        return cls(sha256, stat.size, stat.mode, stat.uid, stat.gid, stat.mtime_ns)


class Item(NamedTuple):
    """One path of a committed plan."""

    slot: int
    """Names the item's files in the run's ``new`` and ``old`` folders."""
    path: str
    order: int
    old: Copy | None
    new: Copy | None


class Items(Sequence[Item]):
    """Items in the order in which they came; each is put together when it is asked for."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._paths: list[str] = []
        self._slots, self._orders = array("q"), array("b")
        self._new, self._old = _Copies(), _Copies()
        self.extend(items)

    def extend(self, items: Iterable[Item]) -> None:
        """Take in more."""
        for item in items:
            self._paths.append(item.path)
            self._slots.append(item.slot)
            self._orders.append(item.order)
            self._new.append(item.new)
            self._old.append(item.old)

    def in_order(self) -> Items:
        """The items in the order in which a plan is applied."""
        if all(map(int.__le__, self._orders, self._orders[1:])):
            return self
        return Items(sorted(self, key=lambda item: item.order))

    @property
    def paths(self) -> Sequence[str]:
        """The path of each."""
        return self._paths

    @property
    def staged(self) -> Iterator[int]:
        """The slots that hold new bytes."""
        return compress(self._slots, self._new.there())

    @property
    def old_bytes(self) -> int:
        """Size of all pre-images."""
        return self._old.bytes

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[Item]:
        return map(self._item, range(len(self)))

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | Sequence[Item]:
        if isinstance(index, slice):
            return [self._item(n) for n in range(*index.indices(len(self)))]
        return self._item(range(len(self))[index])

    def _item(self, n: int) -> Item:
        new, old = self._new.get(n), self._old.get(n)
        return Item(self._slots[n], self._paths[n], self._orders[n], old, new)


class _Copies:
    """Versions of files; where there is none, nothing but its place is taken."""

    def __init__(self) -> None:
        self._at = array("q")
        self._digests: list[str] = []
        self._sizes, self._times = array("q"), array("q")
        self._access: list[tuple[int, int, int]] = []
        self._shared: dict[tuple[int, int, int], tuple[int, int, int]] = {}

    def append(self, copy: Copy | None) -> None:
        if copy is None:
            self._at.append(_ABSENT)
            return
        self._at.append(len(self._digests))
        self._digests.append(copy.sha256)
        self._sizes.append(copy.size)
        self._times.append(copy.mtime_ns)
        access = copy.mode, copy.uid, copy.gid
        self._access.append(self._shared.setdefault(access, access))

    @property
    def bytes(self) -> int:
        return sum(self._sizes)

    def there(self) -> Iterator[bool]:
        """Of each place, whether it has a version."""
        return (at != _ABSENT for at in self._at)

    def get(self, n: int) -> Copy | None:
        at = self._at[n]
        if at == _ABSENT:
            return None
        return Copy(self._digests[at], self._sizes[at], *self._access[at], self._times[at])
