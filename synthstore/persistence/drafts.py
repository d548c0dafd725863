"""What one save will write, worked out before the first byte: document, path, conflict."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from synthstore.errors import ConflictError, RefusedError, UsageError
from synthstore.files.jsonio import Parsed, ParseFailure, Style, dump, parse, style_of
from synthstore.layout.base import Layout
from synthstore.layout.documents import Members, moment_us, spell_entity
from synthstore.layout.spellings import Document, spelling
from synthstore.model.embedding import FloatVector
from synthstore.model.entities import Entity, MemoryAssembly, MemoryEntry, as_vector, copy_entity
from synthstore.model.facts import Stat
from synthstore.model.ids import EntityRef, id_problem
from synthstore.persistence.listed import Listed
from synthstore.shell import cited
from synthstore.store.changes import Deed, Logged

_MICROSECOND = timedelta(microseconds=1)
_MAX_DEPTH = 200
_PLAIN = re.compile(r"(?!asm:)[A-Za-z0-9_][A-Za-z0-9_.:-]{0,199}")
"""Ids that need no closer look."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One entity about to be saved."""

    entity: Entity
    path: str
    content: bytes
    sha256: str
    updated_at: datetime
    listed: Listed
    """What the catalog will say of it."""
    stands: bool = True
    """False: a newer state stands on the disk, and this one only goes to quarantine."""
    displaced: bytes | None = None
    """The other writer's bytes, where they lose."""
    stat: Stat | None = None
    """Of the file that is replaced."""

    @property
    def logged(self) -> Logged:
        """What the log says of it."""
        return Logged(Deed.SAVE, self.entity.ref, self.sha256, moment_us(self.updated_at))

    @property
    def vector(self) -> FloatVector | None:
        """The entity's embedding."""
        return embedding_of(self.entity)


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands at an entity's path now."""

    raw: bytes
    stat: Stat


def require_fit(entity: Entity, layout: Layout) -> None:
    """Raise UsageError for an entity that no store should hold: before anything is written.

    Its embedding is float32 of shape (dim,) from then on.
    """
    ref = entity.ref
    if _PLAIN.fullmatch(ref.id) is None:
        _require_fit_id(ref, layout)
    # Whoever loaded or made the entity may have set it to any sequence of numbers since.
    if isinstance(entity, MemoryEntry):
        entity.embedding = as_vector(entity.embedding)
    else:
        entity.composite_embedding = as_vector(entity.composite_embedding)
    vector = embedding_of(entity)
    if vector is not None and not np.isfinite(vector).all():
        raise UsageError(f"the embedding of {ref.id!r} holds NaN or infinity")
    parts: Sequence[tuple[str, object]] = [("extra", entity.extra)]
    if isinstance(entity, MemoryEntry):
        parts = [*parts, ("metadata", entity.metadata), ("content", entity.content)]
    else:
        parts = [*parts, ("name", entity.name), ("memory_ids", entity.memory_ids)]
    for name, value in parts:
        trouble = _trouble(value, _MAX_DEPTH)
        if trouble is not None:
            raise UsageError(f"{name} of {ref.id!r} {trouble}", hint="JSON has no way to hold it")


def _require_fit_id(ref: EntityRef, layout: Layout) -> None:
    problem = id_problem(ref.id, kind=ref.kind, native=layout.name == "native")
    if problem is not None:
        raise UsageError(f"the id {ref.id[:80]!r} {problem}", hint="choose another id")


def embedding_of(entity: Entity) -> FloatVector | None:
    """A memory's embedding, an assembly's composite."""
    return entity.embedding if isinstance(entity, MemoryEntry) else entity.composite_embedding


def _trouble(value: object, depth: int) -> str | None:
    """Why JSON cannot hold ``value`` without changing it."""
    if isinstance(value, str):
        return None if value.isascii() else _encodable(value)
    if isinstance(value, dict | list):
        return _inner_trouble(value, depth)
    return _scalar_trouble(value)


def _scalar_trouble(value: object) -> str | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int):
        return None if -(2**63) <= value < 2**64 else "holds an integer beyond 64 bits"
    if isinstance(value, float):
        return None if math.isfinite(value) else "holds NaN or infinity"
    return f"holds a {type(value).__name__}"


def _inner_trouble(value: dict[Any, Any] | list[Any], depth: int) -> str | None:
    if depth == 0:
        return "is nested too deep"
    if isinstance(value, list):
        return _first(value, depth)
    if not all(isinstance(key, str) for key in value):
        return "has a key that is no text"
    return _first([*value, *value.values()], depth)


def _first(values: Sequence[object], depth: int) -> str | None:
    return next((t for v in values if (t := _trouble(v, depth - 1)) is not None), None)


def _encodable(text: str) -> str | None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return "holds a lone surrogate"
    return None


class Drafter:
    """Works out drafts for one layout and one way to settle conflicts."""

    def __init__(self, layout: Layout, on_conflict: str) -> None:
        self._layout, self._on_conflict = layout, on_conflict

    def draft(
        self, entity: Entity, path: str, standing: Standing | None, members: Members | None
    ) -> Draft:
        """What saving ``entity`` at ``path`` comes to.

        Raises ConflictError where another writer was there and that is to be told, RefusedError
        where the file must not be written over.
        """
        parsed = None if standing is None else _parsed(standing.raw)
        old = self._own(entity, path, standing, parsed)
        sha256 = None if standing is None else hashlib.sha256(standing.raw).hexdigest()
        conflict = standing is not None and sha256 != entity.base
        if (conflict or (standing is None and entity.base)) and self._on_conflict == "error":
            raise ConflictError(
                f"{entity.ref.kind} {entity.ref.id!r} was changed by another writer since it was "
                "loaded",
                hint="load it again, make the change anew, and save that",
            )
        old_us = self._updated_us(entity, old)
        stands = not conflict or _ours_is_newer(entity, old_us)
        updated_at = _later(old_us) if stands else (entity.updated_at or datetime.now(UTC))
        document = self._document(entity, updated_at, old, members)
        style = Style() if old is None or standing is None else style_of(standing.raw, old)
        content = dump(document, style)
        loser = standing.raw if conflict and stands and standing is not None else None
        return Draft(
            entity,
            path,
            content,
            digest := hashlib.sha256(content).hexdigest(),
            updated_at,
            self._listed(entity, path, document, digest),
            stands,
            loser,
            standing.stat if standing is not None else None,
        )

    def _own(
        self, entity: Entity, path: str, standing: Standing | None, parsed: Parsed | None
    ) -> Mapping[str, Any] | None:
        """The entity's document as it stands; None where none does, or none that is readable."""
        if standing is None or parsed is None or not isinstance(parsed.value, dict):
            return None
        record = self._layout.read_record(entity.ref.kind, parsed.value)
        if record.id not in (entity.ref.id, None):
            raise RefusedError(
                f"{path} is the file of {record.id!r}, not of {entity.ref.id!r}",
                hint=f"look at it with {cited('synthstore verify')}, or choose another id",
            )
        if parsed.rigid:
            raise RefusedError(
                f"{path} cannot be written again without changing it: {', '.join(parsed.rigid)}",
                hint=f"look at it with {cited('synthstore verify')} (M010)",
            )
        return parsed.value

    def _updated_us(self, entity: Entity, old: Mapping[str, Any] | None) -> int | None:
        return None if old is None else self._layout.read_record(entity.ref.kind, old).updated_us

    def _document(
        self,
        entity: Entity,
        updated_at: datetime,
        old: Mapping[str, Any] | None,
        members: Members | None,
    ) -> Document:
        stamped: Entity = copy_entity(entity)
        stamped.updated_at = updated_at
        return spell_entity(self._layout, stamped, old, members)

    def _listed(self, entity: Entity, path: str, document: Document, sha256: str) -> Listed:
        kind, entity_id = entity.ref
        keys = spelling(self._layout, kind).keys
        hashed = self._layout.has_content_hash
        return Listed(
            kind,
            entity_id,
            path,
            document.get(keys["created_at"]),
            document.get(keys["updated_at"]) if hashed else None,
            entity.quickrecal_score if isinstance(entity, MemoryEntry) else None,
            len(entity.memory_ids) if isinstance(entity, MemoryAssembly) else None,
            sha256 if hashed else None,
        )


def _parsed(raw: bytes) -> Parsed | None:
    try:
        return parse(raw)
    except ParseFailure:
        return None


def _ours_is_newer(entity: Entity, old_us: int | None) -> bool:
    ours = moment_us(entity.updated_at)
    return old_us is None or (ours is not None and ours > old_us)


def _later(old_us: int | None) -> datetime:
    """Now, but in any case later than what stands."""
    now = datetime.now(UTC)
    if old_us is None:
        return now
    return max(now, datetime.fromtimestamp(0, UTC) + (old_us + 1) * _MICROSECOND)
