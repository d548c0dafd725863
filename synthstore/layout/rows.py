"""Rows held against files: what a row repeats of its file, and whether it still fits."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

from synthstore.layout.fields import number, same_score, scalar
from synthstore.model.times import same_time

_PATHS = frozenset({"filepath", "path"})
_TIMES = frozenset({"created_at", "updated_at", "timestamp"})
_TEXTS = frozenset({"type"})


def disagreeing(raw: Mapping[str, object], claims: Mapping[str, object]) -> tuple[str, ...]:
    """Keys of ``claims`` (what the file says) with another value, or none, in the row ``raw``."""
    return tuple(key for key, claim in claims.items() if not _agree(key, raw.get(key), claim))


def _agree(key: str, listed: object, claim: object) -> bool:
    if key in _PATHS:
        return isinstance(listed, str) and posixpath.normpath(listed) == claim
    if key in _TIMES:
        spelt = scalar(listed)
        return spelt is not None and same_time(spelt, scalar(claim))
    if key in _TEXTS:
        return listed == claim
    one, other = number(listed), number(claim)
    return one is not None and other is not None and same_score(one, other)


def in_old_order(row: Mapping[str, object], raw: Mapping[str, object]) -> dict[str, object]:
    """``row`` with the keys of ``raw`` where they stood there, the new ones behind."""
    order = dict.fromkeys((*raw, *row))
    return {key: row[key] for key in order if key in row}
