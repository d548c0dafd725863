"""The files of a snapshot, as columns: objects for a million of them take most of a gigabyte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, compress, islice, repeat
from operator import attrgetter
from typing import Any, Final, NamedTuple, Self, overload

import numpy as np
import numpy.typing as npt

from synthstore.repository.path_column import RUN, PathColumn

Mask = npt.NDArray[np.bool_]
Table = npt.NDArray[np.void]

STATUS: Final = np.dtype([("size", "<i8"), ("mtime_ns", "<i8"), ("mode", "<u4"), ("inode", "<u8")])
"""What a row has of a file's status."""

_TABLE: Final = np.dtype([*STATUS.descr, ("object", "V32")])
FEW: Final = 1 << 18
"""Rows that may stand as objects, too."""

_DIGITS: Final = 64
_SUFFIX: Final = ".json"


class FileRow(NamedTuple):
    """One file of a snapshot."""

    path: str
    """Store-relative, POSIX."""
    size: int
    mtime_ns: int
    mode: int
    """Permission bits."""
    inode: int
    """As it was read; 0 where the file may have changed since within one tick of its clock."""
    sha256: str
    """Of its bytes, and the id of the object that holds them."""
    state: str = ""
    """What parsing found: empty, or the status of a hurt entity file."""
    id: str = ""
    """The entity that it bears, where that could be read."""

    @property
    def safe_mode(self) -> int:
        """The mode to restore: no program of another's becomes set-user-id by us."""
        return self.mode & 0o777

    @property
    def object(self) -> bytes:
        """The object's id."""
        return bytes.fromhex(self.sha256)


Columns = Sequence[Sequence[Any]]
"""The fields of some rows, one after the other."""

Note = tuple[str, str] | None
"""State and id of a row; None where there is no state, and the file's name tells the id."""


class FileRows(Sequence[FileRow]):
    """Rows that are made for whoever asks for them."""

    __slots__ = ("_made", "notes", "paths", "table")

    def __init__(self, paths: PathColumn, table: Table, notes: Sequence[Note]) -> None:
        """Take the columns: ``table`` has the status and the object of each."""
        self.paths, self.table, self.notes = paths, table, notes
        self._made: tuple[FileRow, ...] | None = None
        """All of them, if they are few: who goes through them does so again as a rule."""

    @classmethod
    def of(cls, rows: Iterable[FileRow]) -> FileRows:
        """The same rows; raises OverflowError, ValueError for what no file has."""
        if isinstance(rows, FileRows):
            return rows
        each = iter(rows)
        runs = iter(lambda: list(islice(each, RUN)), [])
        return cls.of_columns(list(zip(*run, strict=True)) for run in runs)

    @classmethod
    def of_columns(cls, runs: Iterable[Columns]) -> Self:
        """As ``of``, of rows that come as columns, some at a time."""
        tables: list[Table] = [np.zeros(0, _TABLE)]
        notes: list[Note] = []

        def paths() -> Iterator[str]:
            for path, *others, state, name in runs:
                tables.append(_table(*others))
                notes.extend(_notes(path, state, name))
                yield from path

        column = PathColumn(paths())
        return cls(column, np.concatenate(tables), notes)

    @classmethod
    def joined(cls, parts: Iterable[FileRows]) -> FileRows:
        """The rows of all ``parts`` in the order of their paths, each of which only one has."""
        some = [part for part in parts if part]
        if len(some) == 1:
            return some[0]
        paths = list(chain.from_iterable(part.paths for part in some))
        notes = list(chain.from_iterable(part.notes for part in some))
        order = sorted(range(len(paths)), key=paths.__getitem__)
        table = np.concatenate([np.zeros(0, _TABLE), *(part.table for part in some)])
        return cls(
            PathColumn(map(paths.__getitem__, order)),
            table[np.array(order, np.int64)],
            list(map(notes.__getitem__, order)),
        )

    def taken(self, mask: Mask) -> FileRows:
        """Some of them."""
        if mask.all():
            return self
        paths = PathColumn(compress(self.paths, mask))
        return FileRows(paths, self.table[mask], list(compress(self.notes, mask)))

    def with_modes(self, modes: npt.NDArray[np.uint32]) -> FileRows:
        """These, each with its mode of ``modes``."""
        if np.array_equal(self.table["mode"], modes):
            return self
        table = self.table.copy()
        table["mode"] = modes
        return FileRows(self.paths, table, self.notes)

    @property
    def ascending(self) -> FileRows:
        """These, in the order of their paths."""
        return self if self.paths.ascend else FileRows.of(sorted(self, key=attrgetter("path")))

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return int(self.table["size"].sum())

    @property
    def objects(self) -> bytes:
        """The ids of their objects, one after the other."""
        return self.table["object"].tobytes()

    @property
    def hurt(self) -> bool:
        """Whether parsing found something about any of them."""
        return any(note is not None and note[0] for note in self.notes)

    def runs(self) -> Iterator[Columns]:
        """The columns of some rows at a time."""
        return map(self._columns, self.paths.runs(), range(0, len(self), RUN))

    def columns(self, places: range) -> Columns:
        """The columns of the rows at ``places``, which follow each other."""
        return self._columns(self.paths[places.start : places.stop], places.start)

    def _columns(self, paths: Sequence[str], start: int) -> Columns:
        table = self.table[start : start + len(paths)]
        digits = table["object"].tobytes().hex()
        notes, names = self.notes[start : start + len(paths)], _names(paths)
        states = [""] * len(paths)
        for place, note in enumerate(notes) if any(notes) else ():
            if note is not None:
                states[place], names[place] = note
        return [
            paths,
            *(table[name].tolist() for name in STATUS.names or ()),
            [digits[at : at + _DIGITS] for at in range(0, len(digits), _DIGITS)],
            states,
            names,
        ]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.table)

    def __iter__(self) -> Iterator[FileRow]:
        """Each in turn."""
        if self._made is not None:
            return iter(self._made)
        each = chain.from_iterable(map(rows_of, self.runs()))
        if len(self) > FEW:
            return each
        self._made = tuple(each)
        return iter(self._made)

    @overload
    def __getitem__(self, at: int) -> FileRow: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[FileRow]: ...
    def __getitem__(self, at: int | slice) -> FileRow | Sequence[FileRow]:
        """One of them, or some."""
        if isinstance(at, slice):
            return [self[place] for place in range(*at.indices(len(self)))]
        place = range(len(self))[at]
        if self._made is not None:
            return self._made[place]
        return next(rows_of(self._columns([self.paths[place]], place)))

    def __eq__(self, other: object) -> bool:
        """Whether ``other`` are the same rows, however they are kept."""
        if isinstance(other, FileRows):
            here, there = self.table.view(np.uint8), other.table.view(np.uint8)
            same = self.paths == other.paths and np.array_equal(here, there)
            return same and list(self.notes) == list(other.notes)
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


def paths_of(files: Sequence[FileRow]) -> Iterable[str]:
    """The paths of ``files``, without a row made for any of them."""
    return files.paths if isinstance(files, FileRows) else map(attrgetter("path"), files)


def rows_of(columns: Columns) -> Iterator[FileRow]:
    """The rows that have these fields."""
    return map(FileRow._make, zip(*columns, strict=True))


def _table(
    size: Sequence[int],
    mtime_ns: Sequence[int],
    mode: Sequence[int],
    inode: Sequence[int],
    sha256: Sequence[str],
) -> Table:
    table = np.empty(len(size), _TABLE)
    for name, values in zip(STATUS.names or (), (size, mtime_ns, mode, inode), strict=True):
        table[name] = np.array(values, STATUS[name])
    table["object"] = np.frombuffer(bytes.fromhex("".join(sha256)), "V32")
    return table


def _notes(paths: Sequence[str], states: Sequence[str], names: Sequence[str]) -> Iterable[Note]:
    told = _names(paths)
    if not any(states) and list(names) == told:
        return repeat(None, len(paths))
    return map(_note, states, names, told)


def _note(state: str, name: str, told: str) -> Note:
    return None if not state and name == told else (state, name)


def _names(paths: Iterable[str]) -> list[str]:
    """The ids that the names of files tell, as of most entities."""
    return [path[path.rfind("/") + 1 :].removesuffix(_SUFFIX) for path in paths]
