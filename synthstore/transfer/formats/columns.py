"""Records as rows of columns, for formats that have them; nothing is lost on the way.

A field goes into its column where the column can hold it exactly. What cannot, and every key that
has no column, goes into one more column as JSON. An empty cell is a field that is not there, so a
null is among the JSON too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from synthstore.files.jsonio import Style, dump
from synthstore.transfer.records import Record

Cells = dict[str, Any]

OTHER = "other"
"""The column of what has no column, as one JSON object."""
ORDER = "order"
"""The keys of the record as a JSON list, where they stand in another order than the columns."""
VERSION = "record"

_LINE = Style("orjson", None)
_INT64 = 2**63


class Holds(StrEnum):
    """What a column holds."""

    TEXT = "text"
    NUMBER = "number"
    """A float."""
    COUNT = "count"
    """A 64-bit integer."""
    TEXTS = "texts"
    """A list of strings."""
    VECTOR = "vector"
    """A list of floats."""
    JSON = "json"


COLUMNS: Mapping[str, Holds] = {
    "kind": Holds.TEXT,
    "layout": Holds.TEXT,
    "id": Holds.TEXT,
    "content": Holds.TEXT,
    "name": Holds.TEXT,
    "description": Holds.TEXT,
    "memory_ids": Holds.TEXTS,
    "embedding": Holds.VECTOR,
    "composite_embedding": Holds.VECTOR,
    "created_at": Holds.TEXT,
    "updated_at": Holds.TEXT,
    "quickrecal_score": Holds.NUMBER,
    "metadata": Holds.JSON,
    "access_count": Holds.COUNT,
    "tags": Holds.TEXTS,
    OTHER: Holds.JSON,
    ORDER: Holds.JSON,
    VERSION: Holds.COUNT,
}
"""The last column is never empty, so that a row which is cut short is seen to be."""

_OWN = frozenset({OTHER, ORDER})
FIELDS = tuple(name for name in COLUMNS if name not in _OWN)
VECTORS = ("embedding", "composite_embedding")


def json_text(value: object) -> str:
    """``value``, which holds no NaN, on one line."""
    return dump(value, _LINE, finite=True).decode("utf-8")


def fits(holds: Holds, value: object) -> bool:
    """Whether a column of this kind gives ``value`` back as it is."""
    return _FITS[holds](value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != "" and _encodable(value)


def _is_number(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _is_count(value: object) -> bool:
    return type(value) is int and -_INT64 <= value < _INT64


def _are_texts(value: object) -> bool:
    if not isinstance(value, list):
        return False
    return all(isinstance(item, str) and _encodable(item) for item in value)


def _are_floats(value: object) -> bool:
    return isinstance(value, list) and {float}.issuperset(map(type, value))


_FITS: Mapping[Holds, Callable[[object], bool]] = {
    Holds.TEXT: _is_text,
    Holds.NUMBER: _is_number,
    Holds.COUNT: _is_count,
    Holds.TEXTS: _are_texts,
    Holds.VECTOR: _are_floats,
    Holds.JSON: lambda value: value is not None,
}


def _encodable(text: str) -> bool:
    # Columns are UTF-8; JSON escapes what that cannot hold.
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def cells_of(record: Record) -> Cells:
    """What goes into each column; a column that is missing stays empty."""
    cells: Cells = {}
    other: Record = {}
    for key, value in record.items():
        holds = COLUMNS.get(key) if key not in _OWN else None
        if holds is not None and fits(holds, value):
            cells[key] = value
        else:
            other[key] = value
    if list(record) != [key for key in FIELDS if key in cells] + list(other):
        cells[ORDER] = list(record)
    if other:
        cells[OTHER] = other
    return cells


def record_from(cells: Mapping[str, Any]) -> Record:
    """The record that was put into ``cells``; raises ValueError where ours are no JSON of ours."""
    other, order = cells.get(OTHER), cells.get(ORDER)
    record = {key: value for key, value in cells.items() if key not in _OWN}
    if not isinstance(other, dict | None) or not isinstance(order, list | None):
        raise ValueError(f"its columns {OTHER} and {ORDER} are no JSON object and list")  # noqa: TRY004
    record |= other or {}
    if order is None:
        return record
    ordered = [key for key in order if isinstance(key, str) and key in record]
    return {key: record[key] for key in dict.fromkeys([*ordered, *record])}
