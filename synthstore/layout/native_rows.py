"""Rows of the native catalog, read a section at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any, cast

from synthstore.layout.fields import (
    DIGEST_PREFIX,
    Reader,
    count,
    digest,
    number,
    scalar,
    sorted_out,
    text,
)
from synthstore.model.catalog import Row
from synthstore.model.digests import are_digests
from synthstore.model.ids import Kind

ROW_READERS: Mapping[str, Reader] = {
    "filepath": text,
    "created_at": scalar,
    "updated_at": scalar,
    "quickrecal_score": number,
    "member_count": count,
    "content_hash": digest,
    "deleted_at": text,
}

_NONE = type(None)
_USUAL: Mapping[str, frozenset[type]] = {
    "filepath": frozenset({str}),
    "created_at": frozenset({str, _NONE}),
    "updated_at": frozenset({str, _NONE}),
    "quickrecal_score": frozenset({float, int, _NONE}),
    "member_count": frozenset({int, _NONE}),
    "content_hash": frozenset({str}),
    "deleted_at": frozenset({_NONE}),
}
"""Types of values that need no closer look."""

LARGE = 1e308
"""Integers may be beyond a double, and doubles may be none: such a score is looked at alone."""


def read_rows(kind: Kind, section: Mapping[str, object]) -> list[Row]:
    """The rows of one section; what is malformed comes back with ``problems``."""
    rows = _usual_rows(kind, section)
    return [_row(kind, *item) for item in section.items()] if rows is None else rows


def _usual_rows(kind: Kind, section: Mapping[str, object]) -> list[Row] | None:
    """All rows by columns, if each is living and nothing is missing or mistyped in any."""
    if not {dict}.issuperset(map(type, section.values())):
        return None
    raws = cast("list[dict[str, Any]]", list(section.values()))
    columns = {key: [raw.get(key) for raw in raws] for key in _USUAL}
    if not all(_USUAL[key].issuperset(map(type, column)) for key, column in columns.items()):
        return None
    hashes = digests(cast("list[str]", columns["content_hash"]))
    if hashes is None or not all(n is None or n >= 0 for n in columns["member_count"]):
        return None
    if not all(n is None or -LARGE < n < LARGE for n in columns["quickrecal_score"]):
        return None
    readable = ("created_at", "updated_at", "quickrecal_score", "member_count")
    rest = (columns[key] for key in readable)
    return list(map(Row, repeat(kind), section, columns["filepath"], raws, *rest, hashes))


def digests(hashes: Sequence[str]) -> list[str] | None:
    """The digits of hashes, if each is ``sha256:`` and 64 of them in lower case."""
    start = len(DIGEST_PREFIX)
    digits = [text[start:] for text in hashes if text.startswith(DIGEST_PREFIX)]
    return digits if len(digits) == len(hashes) and are_digests(digits) else None


def _row(kind: Kind, entity_id: str, raw: object) -> Row:
    if not isinstance(raw, dict):
        return Row(kind, entity_id, None, {}, problems=("is no object",))
    found, malformed = sorted_out(raw, ROW_READERS)
    problems = tuple(f"{key} is mistyped" for key in malformed)
    if raw.get("filepath") is None:
        problems += ("filepath is missing",)
    if kind == "memory" and raw.get("content_hash") is None:
        # Without it, bit rot in the file would go unseen from now on.
        problems += ("content_hash is missing",)
    return Row(
        kind,
        entity_id,
        found.get("filepath"),
        raw,
        created_at=found.get("created_at"),
        updated_at=found.get("updated_at"),
        score=found.get("quickrecal_score"),
        member_count=found.get("member_count"),
        content_hash=found.get("content_hash"),
        deleted_at=found.get("deleted_at"),
        problems=problems,
    )
