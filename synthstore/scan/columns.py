"""Facts of many files as columns: a pickle takes them in at a fraction of the time of tuples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from synthstore.model.facts import EntityFile, Record, Stat

Columns = tuple[tuple[Any, ...], ...]

_STAT = EntityFile._fields.index("stat")
_RECORD = EntityFile._fields.index("record")


def packed(files: Sequence[EntityFile]) -> tuple[Columns, Columns, Columns]:
    """The columns of the files, of their statuses, and of the records that there are.

    In the first, a file has whether it has a record in the place of that, and no status.
    """
    columns = list(zip(*files, strict=True)) or [()] * len(EntityFile._fields)
    stats, records = columns[_STAT], columns[_RECORD]
    columns[_STAT] = ()
    columns[_RECORD] = tuple([record is not None for record in records])
    there = (record for record in records if record is not None)
    return tuple(columns), tuple(zip(*stats, strict=True)), tuple(zip(*there, strict=True))


def unpacked(files: Columns, stats: Columns, records: Columns) -> tuple[EntityFile, ...]:
    """The files of which ``packed`` made these columns."""
    columns: list[Iterable[Any]] = list(files)
    columns[_STAT] = map(Stat._make, zip(*stats, strict=True))
    columns[_RECORD] = _each(files[_RECORD], map(Record._make, zip(*records, strict=True)))
    return tuple(map(EntityFile._make, zip(*columns, strict=True)))


def _each(there: Iterable[bool], records: Iterator[Record]) -> Iterator[Record | None]:
    return (next(records) if has else None for has in there)
