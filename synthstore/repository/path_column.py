"""Paths of many files without an object for each."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from operator import le
from typing import Final, overload

import numpy as np
import numpy.typing as npt

RUN: Final = 1000
"""Paths that stand together."""

_END: Final = "\0"
"""Between two paths: none can hold it."""

_CODE: Final = ("utf-8", "surrogatepass")

Places = npt.NDArray[np.int64]


class PathColumn(Sequence[str]):
    """Paths in their order, as their bytes."""

    __slots__ = ("_count", "_firsts", "_last", "_runs")

    def __init__(self, paths: Iterable[str] = ()) -> None:
        """Take ``paths``; raises ValueError for what is none."""
        self._runs: list[bytes] = []
        self._firsts: list[bytes] = []
        """The first path of each run: bytes ascend as the paths do, and keep none of them alive."""
        self._count = 0
        self._last: tuple[int, list[str]] = -1, []
        """The run of which a path was asked for last."""
        each = iter(paths)
        while run := list(islice(each, RUN)):
            joined = _END.join(run)
            if joined.count(_END) != len(run) - 1:
                raise ValueError("a path cannot hold a zero byte")
            self._runs.append(joined.encode(*_CODE))
            self._firsts.append(run[0].encode(*_CODE))
            self._count += len(run)

    def __len__(self) -> int:
        """How many there are."""
        return self._count

    def __iter__(self) -> Iterator[str]:
        """Each in turn."""
        return chain.from_iterable(self.runs())

    def runs(self) -> Iterator[list[str]]:
        """Some at a time: as many as ``RUN``, fewer in the end."""
        return map(_paths, self._runs)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[str]: ...
    def __getitem__(self, at: int | slice) -> str | Sequence[str]:
        """One of them, or some."""
        if isinstance(at, slice):
            return self._some(*at.indices(self._count))
        number, place = divmod(range(self._count)[at], RUN)
        return self._run(number)[place]

    def _some(self, start: int, stop: int, step: int) -> Sequence[str]:
        if step != 1 or start >= stop:
            return [self[place] for place in range(start, stop, step)]
        first = start // RUN
        found = list(self._run(first))
        for number in range(first + 1, -(-stop // RUN)):
            found += self._run(number)
        return found[start - first * RUN : stop - first * RUN]

    def _run(self, number: int) -> list[str]:
        if self._last[0] != number:
            self._last = number, _paths(self._runs[number])
        return self._last[1]

    def __eq__(self, other: object) -> bool:
        """Whether ``other`` are the same paths."""
        # Runs are cut alike, so that equal columns have equal ones.
        return isinstance(other, PathColumn) and self._runs == other._runs

    __hash__ = None  # type: ignore[assignment]

    @property
    def ascend(self) -> bool:
        """Whether each comes behind the one before it, or is the same."""
        return all(map(le, self, islice(self, 1, None)))

    def place(self, path: str) -> int | None:
        """Where ``path`` stands, if they ascend and it does."""
        number = bisect_right(self._firsts, path.encode(*_CODE)) - 1
        run = self._run(number) if number >= 0 else []
        at = bisect_left(run, path)
        return number * RUN + at if at < len(run) and run[at] == path else None

    def places(self, paths: PathColumn) -> Places:
        """Where each of ``paths`` stands, -1 where it does not; both ascend."""
        if paths == self:
            return np.arange(self._count)
        if not (self and paths):
            return np.full(len(paths), -1)
        return np.frombuffer(array("q", _met(paths, self)), np.int64)


def _paths(run: bytes) -> list[str]:
    return run.decode(*_CODE).split(_END)


def _met(paths: Iterable[str], among: Iterable[str]) -> Iterator[int]:
    """Where each of ``paths`` is met on a walk through others, which ascend as they do."""
    others = enumerate(among)
    place, other = _next(others)
    for path in paths:
        while other is not None and other < path:
            place, other = _next(others)
        yield place if other == path else -1


def _next(others: Iterator[tuple[int, str]]) -> tuple[int, str | None]:
    return next(others, (-1, None))
