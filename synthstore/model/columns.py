"""Facts of many files as columns: objects for a million of them take most of a gigabyte."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from itertools import accumulate, chain, compress, groupby, islice, repeat
from operator import attrgetter
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from synthstore.model.facts import EntityFile, FileStatus, Record, Stat
from synthstore.model.ids import Kind
from synthstore.model.squeezed import (
    Column,
    Digests,
    Same,
    Times,
    squeezed,
    squeezed_field,
    value_at,
    values_of,
)
from synthstore.model.states import EmbeddingState

Bools = npt.NDArray[np.bool_]

RUN = 250
"""Files whose columns stand together: enough for what a column itself takes not to count."""

_STAT = EntityFile._fields.index("stat")
_RECORD = EntityFile._fields.index("record")


class FileRun:
    """Some files, column by column."""

    __slots__ = ("_files", "_records", "_stats", "count")

    def __init__(
        self,
        count: int,
        files: tuple[Column, ...],
        stats: tuple[Column, ...],
        records: tuple[Column, ...],
    ) -> None:
        self.count = count
        self._files, self._stats, self._records = files, stats, records

    @classmethod
    def of(cls, files: Sequence[EntityFile]) -> FileRun:
        """The columns of ``files``, at least one."""
        columns = list(zip(*files, strict=True))
        stats, records = columns[_STAT], columns[_RECORD]
        # In its place stands whether there is one.
        columns[_RECORD] = tuple([record is not None for record in records])
        columns[_STAT] = (None,) * len(files)
        there = [record for record in records if record is not None]
        return cls(
            len(files),
            tuple(map(squeezed, columns)),
            _stat_columns(list(zip(*stats, strict=True))),
            tuple(map(squeezed_field, Record._fields, zip(*there, strict=True))),
        )

    @classmethod
    def unread(
        cls, kinds: Sequence[Kind], paths: Sequence[str], stats: Sequence[Sequence[int]]
    ) -> FileRun:
        """The columns of files that nobody looked into, at least one.

        ``stats``: each field of their statuses, in the order that ``Stat`` has.
        """
        count = len(paths)
        given: dict[str, Column] = {
            "kind": squeezed(tuple(kinds)),
            "path": squeezed(tuple(paths)),
            "status": Same(FileStatus.UNREAD, count),
            "stat": Same(None, count),
            "record": Same(value=False, times=count),
        }
        others = {name: Same(value, count) for name, value in EntityFile._field_defaults.items()}
        columns = {**others, **given}
        files = tuple(columns[name] for name in EntityFile._fields)
        return cls(count, files, _stat_columns(stats), ())

    def __reduce__(self) -> tuple[object, ...]:
        """What a pickle makes of it."""
        return FileRun, (self.count, self._files, self._stats, self._records)

    def __iter__(self) -> Iterator[EntityFile]:
        """Each file, made anew."""
        columns = list(map(values_of, self._files))
        stats = zip(*map(values_of, self._stats), strict=True)
        columns[_STAT] = map(Stat._make, stats)
        columns[_RECORD] = self._with_gaps(self._each_record())
        return map(EntityFile._make, zip(*columns, strict=True))

    def file(self, at: int) -> EntityFile:
        """One of them, made anew."""
        values = [value_at(column, at) for column in self._files]
        values[_STAT] = Stat._make(value_at(column, at) for column in self._stats)
        values[_RECORD] = self._record(at) if values[_RECORD] else None
        return EntityFile._make(values)

    def _record(self, at: int) -> Record:
        there = self._files[_RECORD]
        place = at if isinstance(there, Same) else sum(map(there.__getitem__, range(at)))
        return Record._make(value_at(column, place) for column in self._records)

    def column(self, name: str) -> Iterable[Any]:
        """As ``column_of``."""
        part, _, field = name.rpartition(".")
        if part == "stat":
            return values_of(self._stats[Stat._fields.index(field)])
        if part == "record":
            at = Record._fields.index(field)
            return self._with_gaps(values_of(self._records[at]) if self._records else ())
        return values_of(self._files[EntityFile._fields.index(field)])

    def packed(self, name: str) -> bytes | None:
        """A column of digests, times or doubles as the bytes of all values; None for any other.

        Two columns of one kind and as many values have the same ones if their bytes are equal.
        """
        part, _, field = name.rpartition(".")
        if part == "record" and not self.all_read:
            return None
        fields, columns = (Record, self._records) if part else (EntityFile, self._files)
        column = columns[fields._fields.index(field)]
        if isinstance(column, Digests):
            return column.digests
        if isinstance(column, Times):
            return column.joined
        return column.tobytes() if isinstance(column, array) and column.typecode == "d" else None

    def with_field(self, name: str, values: tuple[Any, ...]) -> FileRun:
        """The same files, all of which have records, with other values in a field of these."""
        records, at = list(self._records), Record._fields.index(name)
        records[at] = squeezed_field(name, values)
        return FileRun(self.count, self._files, self._stats, tuple(records))

    @property
    def all_read(self) -> bool:
        """Whether each of them has a record."""
        there = self._files[_RECORD]
        return isinstance(there, Same) and bool(there.value)

    def has_stats(self, stats: Sequence[Sequence[int]]) -> bool:
        """Whether these are the fields of all statuses, as ``unread`` takes them."""
        return _stat_columns(stats) == self._stats

    def same(self, name: str) -> Any:
        """The one value that all have in a field of files; None where they differ."""
        column = self._files[EntityFile._fields.index(name)]
        return column.value if isinstance(column, Same) else None

    def _each_record(self) -> Iterable[Record]:
        return map(Record._make, zip(*map(values_of, self._records), strict=True))

    def _with_gaps(self, values: Iterable[Any]) -> Iterable[Any]:
        """What the files have of their records, None where there is none."""
        there = self._files[_RECORD]
        if isinstance(there, Same):
            return values if there.value else repeat(None, self.count)
        each = iter(values)
        return (next(each) if has else None for has in there)


def _stat_columns(stats: Sequence[Sequence[int]]) -> tuple[Column, ...]:
    return tuple(squeezed(tuple(field)) for field in stats)


class FileTable(Sequence[EntityFile]):
    """Files that are kept as columns until somebody needs all of them as objects."""

    def __init__(self, runs: Iterable[FileRun]) -> None:
        self._runs = list(runs)
        self._ends = list(accumulate(run.count for run in self._runs))
        self._made: tuple[EntityFile, ...] | None = None

    @classmethod
    def of(cls, files: Iterable[EntityFile]) -> FileTable:
        """The ``files`` as columns; of those that are made on the way, few stand at a time."""
        each = iter(files)
        return cls(map(FileRun.of, iter(lambda: list(islice(each, RUN)), [])))

    @classmethod
    def joined(cls, tables: Iterable[Sequence[EntityFile]]) -> FileTable:
        """The files of all ``tables``, one after the other."""
        each = (one if isinstance(one, FileTable) else cls.of(one) for one in tables)
        return cls(run for table in each for run in table.runs)

    @classmethod
    def chosen(cls, files: Sequence[EntityFile], wanted: Sequence[bool]) -> FileTable:
        """Those of the ``files`` that are ``wanted``; runs of which all are stay as they are."""
        table = files if isinstance(files, FileTable) else cls.of(files)
        left = iter(wanted)
        parts = ((run, list(islice(left, run.count))) for run in table.runs)
        return cls(
            run if all(part) else FileRun.of(list(compress(run, part)))
            for run, part in parts
            if any(part)
        )

    @property
    def runs(self) -> Sequence[FileRun]:
        """The columns, run by run."""
        return self._runs if self._made is None else FileTable.of(self._made).runs

    @property
    def is_made(self) -> bool:
        """Whether all stand as objects now."""
        return self._made is not None

    def some(self, places: Iterable[int]) -> Iterator[EntityFile]:
        """Those at ``places``, which ascend; where most of a run are meant, all of it is made."""
        if self._made is not None:
            yield from map(self._made.__getitem__, places)
            return
        # Somebody may keep all of them as objects meanwhile.
        runs, ends = self._runs, self._ends
        for number, group in groupby(places, partial(bisect_right, ends)):
            run, wanted = runs[number], list(group)
            start = ends[number] - run.count
            made = list(run) if 2 * len(wanted) > run.count else None
            for at in wanted:
                yield run.file(at - start) if made is None else made[at - start]

    def kept(self) -> tuple[EntityFile, ...]:
        """All as objects, which take the place of the columns."""
        if self._made is None:
            made: list[EntityFile] = []
            # Whoever is going through them goes on with the list that was there.
            left, self._runs = self._runs[::-1], []
            while left:
                made.extend(left.pop())
            self._made = tuple(made)
        return self._made

    def spent(self) -> Iterator[FileRun]:
        """The columns, run by run, for the last time: each goes as soon as it is through."""
        left = list(self.runs)[::-1]
        self._runs, self._ends, self._made = [], [], None
        while left:
            yield left.pop()

    def each(self, name: str) -> Iterator[Any]:
        """As ``each_of``."""
        if self._made is not None:
            return each_of(self._made, name)
        return chain.from_iterable(run.column(name) for run in self._runs)

    def __len__(self) -> int:
        """How many there are."""
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[EntityFile]:
        """Each in turn."""
        return iter(self._made) if self._made is not None else chain.from_iterable(self._runs)

    @overload
    def __getitem__(self, at: int) -> EntityFile: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[EntityFile]: ...
    def __getitem__(self, at: int | slice) -> EntityFile | Sequence[EntityFile]:
        """One of them, or some."""
        if isinstance(at, slice):
            return [self[place] for place in range(*at.indices(len(self)))]
        if self._made is not None:
            return self._made[at]
        place = range(len(self))[at]
        number = bisect_right(self._ends, place)
        run = self._runs[number]
        return run.file(place - (self._ends[number] - run.count))

    def __eq__(self, other: object) -> bool:
        """Whether ``other`` are the same files, however they are kept."""
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


def column_of(files: Sequence[EntityFile], name: str) -> list[Any]:
    """A field of all ``files`` in their order, as in ``path``, ``stat.size`` or ``record.id``.

    None where a file has no record.
    """
    return list(each_of(files, name))


def each_of(files: Sequence[EntityFile], name: str) -> Iterator[Any]:
    """As ``column_of``, one after the other."""
    if isinstance(files, FileTable):
        return files.each(name)
    if not name.startswith("record."):
        return map(attrgetter(name), files)
    read = attrgetter(name.removeprefix("record."))
    return (None if file.record is None else read(file.record) for file in files)


def picked(files: Sequence[EntityFile], name: str, which: Bools) -> Iterator[Any]:
    """A field of those files ``which`` are meant; they often are all."""
    each = each_of(files, name)
    return each if which.all() else compress(each, which.tolist())


def equal_to(files: Sequence[EntityFile], name: str, *values: object) -> Bools:
    """Which ``files`` have one of the ``values``, which are hashable, in a field of theirs.

    Shape (files,).
    """
    wanted = frozenset(values)
    if not runs_of(files):
        return np.array([own in wanted for own in each_of(files, name)], dtype=np.bool_)
    return np.concatenate([_equal_to(run, name, wanted) for run in runs_of(files)])


def _equal_to(run: FileRun, name: str, wanted: AbstractSet[object]) -> Bools:
    if run.same(name) is not None:
        return np.full(run.count, run.same(name) in wanted)
    return np.array([own in wanted for own in run.column(name)], dtype=np.bool_)


def embedded(files: Sequence[EntityFile], dim: int | None) -> Bools:
    """Which ``files`` hold a valid embedding of dimension ``dim``: shape (files,)."""
    return equal_to(files, "embedding", EmbeddingState.VALID) & equal_to(files, "dim", dim)


def runs_of(files: Sequence[EntityFile]) -> Sequence[FileRun]:
    """The columns that they are kept as, run by run; none where they are kept as objects."""
    return files.runs if isinstance(files, FileTable) and not files.is_made else ()


def some_of(files: Sequence[EntityFile], which: Bools) -> Iterator[EntityFile]:
    """Those of the ``files`` that are meant."""
    places = np.flatnonzero(which).tolist()
    if isinstance(files, FileTable):
        return files.some(places)
    return map(files.__getitem__, places)


def spent(files: Sequence[EntityFile]) -> Iterator[FileRun]:
    """As ``FileTable.spent``, for files however they are kept."""
    return (files if isinstance(files, FileTable) else FileTable.of(files)).spent()


def kept(files: Sequence[EntityFile]) -> Sequence[EntityFile]:
    """The files as objects that stay the same ones, for whoever keeps most of them."""
    return files.kept() if isinstance(files, FileTable) else files
