"""Rows held against files: what a row repeats of its file, and whether it still fits."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence

from synthstore.layout.fields import number, same_score, scalar
from synthstore.model.catalog import Row
from synthstore.model.facts import EntityFile
from synthstore.model.times import in_seconds, same_time

_PATHS = frozenset({"filepath", "path"})
_TIMES = frozenset({"created_at", "updated_at", "timestamp"})
_TEXTS = frozenset({"type"})


class TheseRows:
    """Rows as a key of a cache: the very same sequence, whatever it holds."""

    __slots__ = ("rows",)

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows

    def __hash__(self) -> int:
        return id(self.rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TheseRows) and other.rows is self.rows


def disagreeing(
    raw: Mapping[str, object], claims: Mapping[str, object], *, any_unit: bool = False
) -> tuple[str, ...]:
    """Keys of ``claims`` (what the file says) with another value, or none, in the row ``raw``.

    With ``any_unit`` a time may be milliseconds in one and seconds in the other.
    """
    if not raw:
        # A new row has none of it yet.
        return tuple(key for key, claim in claims.items() if claim is not None)
    return tuple(
        key
        for key, claim in claims.items()
        if not (_same(raw.get(key), claim) or _agree(key, raw.get(key), claim, any_unit))
    )


def repeats(row: Row, file: EntityFile) -> bool:
    """Whether a row is spelt as its whole file in all that a native row repeats.

    If so they agree; other spellings may agree as well.
    """
    record = file.record
    if record is None or row.path != file.path or row.score != record.score:
        return False
    if not isinstance(row.created_at, str) or not isinstance(row.updated_at, str):
        return False
    members = None if file.kind == "memory" else len(record.members)
    times = row.created_at == record.created_at and row.updated_at == record.updated_at
    return times and row.member_count == members


def _same(listed: object, claim: object) -> bool:
    """Whether both are spelt alike, as nearly all are: then they need not be understood."""
    return listed == claim and type(listed) is type(claim)


def _agree(key: str, listed: object, claim: object, any_unit: bool) -> bool:
    if key in _PATHS:
        return isinstance(listed, str) and posixpath.normpath(listed) == claim
    if key in _TIMES:
        spelt, said = scalar(listed), scalar(claim)
        if any_unit:
            spelt, said = in_seconds(spelt), in_seconds(said)
        return spelt is not None and same_time(spelt, said)
    if key in _TEXTS:
        return listed == claim
    one, other = number(listed), number(claim)
    return one is not None and other is not None and same_score(one, other)


def in_old_order(row: Mapping[str, object], raw: Mapping[str, object]) -> dict[str, object]:
    """``row`` with the keys of ``raw`` where they stood there, the new ones behind."""
    order = dict.fromkeys((*raw, *row))
    return {key: row[key] for key in order if key in row}
