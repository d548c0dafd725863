"""Rows of native memories as columns: objects for a million of them take a gigabyte.

Only rows as our own writer makes them fit; where one does not, all rows are kept as objects.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, cast, overload

from synthstore.layout.fields import DIGEST_PREFIX
from synthstore.layout.names import SUFFIX
from synthstore.layout.native_rows import LARGE, digests
from synthstore.model.catalog import Row, RowColumns
from synthstore.model.texts import Texts

_TYPES: Mapping[str, type] = {
    "filepath": str,
    "created_at": str,
    "updated_at": str,
    "quickrecal_score": float,
    "content_hash": str,
}
_DIGEST_BYTES = 32
_FOLDER = "memories/"


class _Columns:
    """The rows of memories; whoever reads them has them to the end, as none is ever taken out."""

    __slots__ = ("_created", "_hashes", "_keys", "_scores", "_updated", "ids")

    def __init__(self) -> None:
        self._keys: tuple[str, ...] = ()
        """The keys of each row, in their order."""
        self.ids: list[str] = []
        self._created, self._updated = Texts(), Texts()
        self._scores = array("d")
        self._hashes = bytearray()

    def take(self, part: Mapping[str, object]) -> bool:
        """Append the rows of one part of the section, if all of them fit."""
        columns = _usual_columns(part, self._keys)
        hashes = columns and digests(columns["content_hash"])
        if not columns or hashes is None:
            return not part
        self._keys = tuple(columns)
        self.ids += part
        self._created.extend(columns["created_at"])
        self._updated.extend(columns["updated_at"])
        self._scores.extend(columns["quickrecal_score"])
        self._hashes += bytes.fromhex("".join(hashes))
        return True

    def reader(self, name: str) -> Callable[[int], Any]:
        """What gives a field of the row at a place."""
        readers: Mapping[str, Callable[[int], Any]] = {
            "kind": lambda _: "memory",
            "id": self.ids.__getitem__,
            "path": lambda at: _path(self.ids[at]),
            "created_at": self._created.__getitem__,
            "updated_at": self._updated.__getitem__,
            "score": self._scores.__getitem__,
            "content_hash": self._digits,
            "raw": self._raw,
        }
        return readers.get(name) or (lambda _: Row._field_defaults[name])

    def row(self, at: int) -> Row:
        """The row at a place, made anew."""
        raw, digits = self._raw(at), self._digits(at)
        path, created, updated = raw["filepath"], raw["created_at"], raw["updated_at"]
        score = self._scores[at]
        return Row("memory", self.ids[at], path, raw, created, updated, score, None, digits)

    def _raw(self, at: int) -> dict[str, Any]:
        values = {
            "filepath": _path(self.ids[at]),
            "created_at": self._created[at],
            "updated_at": self._updated[at],
            "quickrecal_score": self._scores[at],
            "content_hash": DIGEST_PREFIX + self._digits(at),
        }
        return {key: values[key] for key in self._keys}

    def _digits(self, at: int) -> str:
        return self._hashes[at * _DIGEST_BYTES : (at + 1) * _DIGEST_BYTES].hex()


class NativeRows(RowColumns):
    """Rows of memories as columns, and behind them the ``others`` as they are."""

    __slots__ = ("_own", "others")

    def __init__(self) -> None:
        self._own = _Columns()
        self.others: Sequence[Row] = ()

    def take(self, part: Mapping[str, object]) -> bool:
        """Append the rows of one part of the section, if all of them fit."""
        return self._own.take(part)

    def is_sound(self) -> bool:
        """Whether no id stands in two parts."""
        return len(set(self._own.ids)) == len(self._own.ids)

    def __len__(self) -> int:
        """How many rows there are, the others among them."""
        return len(self._own.ids) + len(self.others)

    def __iter__(self) -> Iterator[Row]:
        """Each in turn."""
        return chain(map(self._own.row, range(len(self._own.ids))), self.others)

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Row]: ...
    def __getitem__(self, at: int | slice) -> Row | Sequence[Row]:
        """One row, or some."""
        if isinstance(at, slice):
            return [self[place] for place in range(*at.indices(len(self)))]
        place = range(len(self))[at]
        own = len(self._own.ids)
        return self._own.row(place) if place < own else self.others[place - own]

    def at(self, name: str, places: Iterable[int]) -> Iterator[Any]:
        """One field of the rows at ``places``."""
        own, others, read = len(self._own.ids), self.others, self._own.reader(name)
        if not others:
            return map(read, places)
        return (
            read(place) if place < own else getattr(others[place - own], name) for place in places
        )

    def places(self, paths: Iterable[str]) -> array[int]:
        """Where among the rows that of each path stands, -1 for that of none."""
        # By ids, which there are already: as many paths more would take as much room again.
        ids = self._own.ids
        place_of = {entity_id: place for place, entity_id in enumerate(ids)}
        others = {row.path: place for place, row in enumerate(self.others, len(ids))}
        return array("q", (place_of.get(_id(path), others.get(path, -1)) for path in paths))


def _usual_columns(
    part: Mapping[str, object], keys: tuple[str, ...]
) -> dict[str, list[Any]] | None:
    """The values of each key, if all rows have the same ones: ``keys``, where any are given."""
    if not part or "" in part or not {dict}.issuperset(map(type, part.values())):
        return None
    raws = cast("list[dict[str, Any]]", list(part.values()))
    keys = keys or tuple(raws[0])
    if set(keys) != _TYPES.keys() or not {keys}.issuperset(map(tuple, raws)):
        return None
    columns = {key: [raw[key] for raw in raws] for key in keys}
    if not all({_TYPES[key]}.issuperset(map(type, column)) for key, column in columns.items()):
        return None
    small = all(-LARGE < score < LARGE for score in columns["quickrecal_score"])
    return columns if small and columns["filepath"] == list(map(_path, part)) else None


def _path(entity_id: str) -> str:
    return f"{_FOLDER}{entity_id}{SUFFIX}"


def _id(path: str) -> str:
    """The id of which ``_path`` makes this; empty where it makes it of none."""
    usual = path.startswith(_FOLDER) and path.endswith(SUFFIX)
    return path[len(_FOLDER) : -len(SUFFIX)] if usual else ""
