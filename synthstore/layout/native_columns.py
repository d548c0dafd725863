"""Rows of native memories as columns: objects for a million of them take a gigabyte.

Only rows as our own writer makes them fit; where more than a few do not, all are kept as objects.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast, overload

from synthstore.layout.fields import DIGEST_PREFIX
from synthstore.layout.names import SUFFIX, ids_between
from synthstore.layout.native_rows import LARGE, digests, read_rows
from synthstore.model.catalog import Row, RowColumns
from synthstore.model.texts import Texts

if TYPE_CHECKING:
    from synthstore.model.embedding import Places

_TYPES: Mapping[str, type] = {
    "filepath": str,
    "created_at": str,
    "updated_at": str,
    "quickrecal_score": float,
    "content_hash": str,
}
_READ = frozenset({"created_at", "updated_at", "score", "content_hash"})
"""Fields that a row need not have, and that these have."""

MOST_ODD = 1_000
"""Rows that need not fit; where more do not, columns are not worth it."""

_USUAL_ORDER = tuple(_TYPES)
_DIGEST_BYTES = 32
_FOLDER = "memories/"
_BEHIND_FOLDER = "memories0"
"""The least text that comes after all that begin with it."""


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

    def plain(self, name: str) -> Sequence[Any] | None:
        """A field of all rows that needs no reading: ids, and what all have alike."""
        if name in Row._field_defaults and name not in _READ:
            return [Row._field_defaults[name]] * len(self.ids)
        return {"id": self.ids, "kind": ["memory"] * len(self.ids)}.get(name)

    def packed(self, name: str, places: Places) -> bytes | None:
        """As ``NativeRows.packed``, of these rows."""
        import numpy as np  # noqa: PLC0415 - who only reads rows needs none

        if name == "score":
            return np.frombuffer(self._scores, np.float64)[places].tobytes()
        whole = {
            "created_at": self._created.packed,
            "updated_at": self._updated.packed,
            "content_hash": (self._hashes, _DIGEST_BYTES),
        }
        found = whole[name]
        if found is None:
            return None
        joined, size = found
        return np.frombuffer(joined, np.uint8).reshape(-1, size)[places].tobytes()

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
        usual = self._keys == _USUAL_ORDER
        return values if usual else {key: values[key] for key in self._keys}

    def _digits(self, at: int) -> str:
        return self._hashes[at * _DIGEST_BYTES : (at + 1) * _DIGEST_BYTES].hex()


class NativeRows(RowColumns):
    """Rows of memories as columns, those that do not fit among them, and behind them ``others``."""

    __slots__ = ("_odd", "_own", "_places_of_odd", "others")

    def __init__(self) -> None:
        self._own = _Columns()
        self._odd: list[Row] = []
        self._places_of_odd = array("q")
        self.others: Sequence[Row] = ()

    def take(self, part: Mapping[str, object]) -> bool:
        """Append the rows of one part of the section, if all but a few fit."""
        if self._own.take(part):
            return True
        if len(part) == 1:
            return self._take_odd(part)
        items = iter(part.items())
        half = dict(islice(items, len(part) // 2))
        return self.take(half) and self.take(dict(items))

    def _take_odd(self, part: Mapping[str, object]) -> bool:
        if len(self._odd) == MOST_ODD or "" in part or not all(map(_is_object, part.values())):
            return False
        self._places_of_odd.append(len(self))
        self._odd += read_rows("memory", part)
        return True

    def is_sound(self) -> bool:
        """Whether no id stands in two parts."""
        ids = set(self._own.ids)
        ids.update(row.id for row in self._odd)
        return len(ids) == len(self)

    def __len__(self) -> int:
        """How many rows there are, the others among them."""
        return len(self._own.ids) + len(self._odd) + len(self.others)

    def __iter__(self) -> Iterator[Row]:
        """Each in turn."""
        return map(self._row, range(len(self)))

    def _row(self, place: int) -> Row:
        at, apart = self._find(place)
        return self._own.row(at) if apart is None else apart

    def _find(self, place: int) -> tuple[int, Row | None]:
        """Where in the columns the row at a place is, or the row itself if it is in none."""
        odd = bisect_left(self._places_of_odd, place)
        if odd < len(self._odd) and self._places_of_odd[odd] == place:
            return -1, self._odd[odd]
        at = place - odd
        own = len(self._own.ids)
        return (at, None) if at < own else (-1, self.others[at - own])

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Row]: ...
    def __getitem__(self, at: int | slice) -> Row | Sequence[Row]:
        """One row, or some."""
        if isinstance(at, slice):
            return [self[place] for place in range(*at.indices(len(self)))]
        return self._row(range(len(self))[at])

    def at(self, name: str, places: Iterable[int]) -> Iterator[Any]:
        """One field of the rows at ``places``."""
        read, own, others = self._own.reader(name), len(self._own.ids), self.others
        values = self._own.plain(name) if not self._odd else None
        if values is not None:
            behind = map(attrgetter(name), others)
            return map(([*values, *behind] if others else values).__getitem__, places)
        if not (self._odd or others):
            return map(read, places)
        if not self._odd:
            return (read(at) if at < own else getattr(others[at - own], name) for at in places)
        found = map(self._find, places)
        return (read(at) if apart is None else getattr(apart, name) for at, apart in found)

    def packed(self, name: str, places: Places) -> bytes | None:
        """A field of the rows at ``places``, integers of shape (rows,), as the bytes of all."""
        at = self._in_columns(places) if self._odd else places
        own = len(self._own.ids)
        return None if at is None or not own or (at >= own).any() else self._own.packed(name, at)

    def _in_columns(self, places: Places) -> Places | None:
        """Where in the columns the rows at ``places`` are; None if one of them is odd."""
        import numpy as np  # noqa: PLC0415 - as in ``_Columns.packed``

        odd = np.array(self._places_of_odd)
        before, upto = (np.searchsorted(odd, places, side=side) for side in ("left", "right"))
        return places - before if np.array_equal(before, upto) else None

    def places(self, paths: Iterable[str]) -> array[int]:
        """Where among the rows that of each path stands, -1 for that of none."""
        import numpy as np  # noqa: PLC0415 - as in ``_Columns.packed``

        from synthstore.model.text_places import NOWHERE, TextPlaces  # noqa: PLC0415

        # By ids, which there are already: as many paths more would take as much room again.
        paths = list(paths)
        found = TextPlaces(self._own.ids).of(_ids_in(paths))
        own = np.delete(np.arange(len(self) - len(self.others)), self._places_of_odd)
        found[found != NOWHERE] = own[found[found != NOWHERE]]
        behind = len(own) + len(self._odd)
        apart = {row.path: place for place, row in zip(self._places_of_odd, self._odd, strict=True)}
        apart |= {row.path: place for place, row in enumerate(self.others, behind)}
        for at in np.flatnonzero(found == NOWHERE).tolist() if apart else ():
            found[at] = apart.get(paths[at], NOWHERE)
        return array("q", found.astype(np.int64).tobytes())


def _is_object(raw: object) -> bool:
    return isinstance(raw, dict)


def _usual_columns(
    part: Mapping[str, object], keys: tuple[str, ...]
) -> dict[str, tuple[Any, ...]] | None:
    """The values of each key, if all rows have the same ones: ``keys``, where any are given."""
    if not part or "" in part or not {dict}.issuperset(map(type, part.values())):
        return None
    raws = cast("list[dict[str, Any]]", list(part.values()))
    keys = keys or tuple(raws[0])
    if set(keys) != _TYPES.keys() or not {keys}.issuperset(map(tuple, raws)):
        return None
    columns = dict(zip(keys, zip(*map(dict.values, raws), strict=True), strict=True))
    if not all({_TYPES[key]}.issuperset(map(type, column)) for key, column in columns.items()):
        return None
    # There is no NaN among them: no parser here takes that for plain JSON.
    if max(map(abs, columns["quickrecal_score"])) >= LARGE:
        return None
    ids = list(part)
    together = ids_between(columns["filepath"], _FOLDER, SUFFIX) == ids
    return columns if together or columns["filepath"] == tuple(map(_path, ids)) else None


def _ids_in(paths: Sequence[str]) -> list[str]:
    """The id in the path of each memory; no text at all for what is none."""
    # Most times they ascend: then those of memories stand together, and are asked at once.
    first, last = (bisect_left(paths, end) for end in (_FOLDER, _BEHIND_FOLDER))
    together = ids_between(paths[first:last], _FOLDER, SUFFIX)
    if together is None:
        return list(map(_id_in, paths))
    return [*map(_id_in, paths[:first]), *together, *map(_id_in, paths[last:])]


def _id_in(path: str) -> str:
    inside = path.startswith(_FOLDER) and path.endswith(SUFFIX)
    return path[len(_FOLDER) : -len(SUFFIX)] if inside else ""


def _path(entity_id: str) -> str:
    return f"{_FOLDER}{entity_id}{SUFFIX}"
