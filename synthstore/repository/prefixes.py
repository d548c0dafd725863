"""Numbers by the beginnings of ids, in twelve bytes each: a dict of as many takes two hundred."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Self

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.uint32]
Keys = npt.NDArray[np.uint64]

ID_BYTES = 32
_KEY_BYTES = 8
_BITS_BETWEEN = 3


def keys_of(ids: bytes) -> Keys:
    """The first bytes of each of ``ids``, which follow each other, as a number."""
    return np.frombuffer(ids, ">u8")[:: ID_BYTES // _KEY_BYTES].astype(np.uint64)


class Prefixes:
    """Which numbers the ids of a beginning have; whoever asks looks at the ids themselves."""

    def __init__(self, keys: Keys, numbers: Numbers) -> None:
        """Take ``keys`` in their order, equal ones in that in which they came."""
        self._keys, self.numbers = keys, numbers
        self._each = keys.data
        """What gives one of them in no time."""
        # Digests are spread evenly, so that between two starts there are about as many.
        bits = max(1, len(keys).bit_length() - _BITS_BETWEEN)
        self._shift = 8 * _KEY_BYTES - bits
        tops = np.arange(1 << bits, dtype=np.uint64) << np.uint64(self._shift)
        self._starts = np.append(np.searchsorted(keys, tops), len(keys)).data
        """Where the keys of each beginning start, and where the last ones end."""

    @classmethod
    def none(cls) -> Self:
        """Of nothing."""
        return cls(np.zeros(0, np.uint64), np.zeros(0, np.uint32))

    def __len__(self) -> int:
        """How many there are."""
        return len(self.numbers)

    def with_more(self, keys: Keys, numbers: Numbers) -> Self:
        """These and as many more: the ``keys`` of ids, and the number of each."""
        keys = np.concatenate((self._keys, keys))
        # Stable, which is a merge here; of equal ones the last to come stays behind the others.
        order = np.argsort(keys, kind="stable")
        return type(self)(keys[order], np.concatenate((self.numbers, numbers))[order])

    def without(self, places: npt.NDArray[np.intp]) -> Self:
        """These but for some."""
        return type(self)(np.delete(self._keys, places), np.delete(self.numbers, places))

    def places(self, name: bytes) -> range:
        """Places of those that begin as ``name`` does, the last to come last."""
        key = int.from_bytes(name[:_KEY_BYTES], "big")
        top = key >> self._shift
        first, end = self._starts[top], self._starts[top + 1]
        first = bisect_left(self._each, key, first, end)
        return range(first, bisect_right(self._each, key, first, end))

    def last_of(self, ids: bytes) -> tuple[npt.NDArray[np.bool_], Numbers]:
        """Whether each of ``ids`` may be here, and the last number that it would have then."""
        keys = keys_of(ids)
        places = np.searchsorted(self._keys, keys, "right") - 1
        there = places >= 0
        there[there] = self._keys[places[there]] == keys[there]
        return there, self.numbers[places]

    def alike(self) -> Iterator[range]:
        """Places of two or more that begin alike."""
        twins = np.flatnonzero(self._keys[:-1] == self._keys[1:])
        for run in np.split(twins, np.flatnonzero(np.diff(twins) > 1) + 1):
            if len(run):
                yield range(int(run[0]), int(run[-1]) + 2)
