"""What a store holds: memories and assemblies, as plain values that do no I/O."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Self

import numpy as np

from synthstore.errors import UsageError
from synthstore.model.embedding import FloatVector
from synthstore.model.ids import EntityRef

Time = datetime | str | None
Numbers = FloatVector | Sequence[float] | None


@dataclass(slots=True, eq=False)
class _Entity:
    """What both kinds share; see them for the fields."""

    _base: str | None = field(default=None, init=False, repr=False)
    """sha256 of the file that the entity was loaded from or last saved to; None: of none."""

    @property
    def base(self) -> str | None:
        """sha256 (hex) of the file that this was loaded from, or last saved to."""
        return self._base

    def based_on(self, sha256: str | None) -> Self:
        """Note the file that this now equals; the library's own bookkeeping."""
        self._base = sha256
        return self

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        names = (f.name for f in fields(self) if f.name != "_base")
        return all(_same(getattr(self, name), getattr(other, name)) for name in names)

    __hash__ = None  # type: ignore[assignment]


@dataclass(slots=True, eq=False)
class MemoryEntry(_Entity):
    """One memory. Times are UTC (naive ones are taken for it), ISO text is understood.

    Raises UsageError for a field of the wrong kind.
    """

    content: str
    embedding: FloatVector | None = None
    """float32, shape (dim,); any sequence of numbers is converted."""
    memory_id: str = None  # type: ignore[assignment]
    """1 to 200 bytes of UTF-8, no path separators; a new UUID where none is given."""
    created_at: datetime | None = None
    """Now, where none is given; None only where the file names none."""
    updated_at: datetime | None = None
    """As created_at where none is given; a save sets it to a later moment."""
    quickrecal_score: float | None = 0.5
    """0 to 1."""
    metadata: dict[str, Any] = field(default_factory=dict)
    access_count: int = 0
    extra: dict[str, Any] = field(default_factory=dict)
    """Fields of the file that have no attribute here, in their order."""

    def __post_init__(self) -> None:
        if not isinstance(self.content, str):
            raise UsageError(f"a memory's content is a text, not {type(self.content).__name__}")
        self.memory_id = _id(self.memory_id)
        self.embedding = as_vector(self.embedding)
        self.created_at, self.updated_at = _times(self.created_at, self.updated_at)

    @property
    def ref(self) -> EntityRef:
        """What the entity is called in a store."""
        return EntityRef("memory", self.memory_id)

    def touch(self) -> None:
        """Say that it was changed now, which decides a conflict with another writer."""
        self.updated_at = datetime.now(UTC)


@dataclass(slots=True, eq=False)
class MemoryAssembly(_Entity):
    """A named group of memories. Times as in ``MemoryEntry``."""

    name: str
    memory_ids: list[str] = field(default_factory=list)
    composite_embedding: FloatVector | None = None
    """float32, shape (dim,); any sequence of numbers is converted."""
    assembly_id: str = None  # type: ignore[assignment]
    """As a memory's id; a new UUID where none is given."""
    description: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    tags: list[str] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)
    """Fields of the file that have no attribute here, in their order."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise UsageError(f"an assembly's name is a text, not {type(self.name).__name__}")
        self.assembly_id = _id(self.assembly_id)
        self.memory_ids = list(self.memory_ids)
        self.composite_embedding = as_vector(self.composite_embedding)
        self.created_at, self.updated_at = _times(self.created_at, self.updated_at)

    @property
    def ref(self) -> EntityRef:
        """What the entity is called in a store."""
        return EntityRef("assembly", self.assembly_id)

    def touch(self) -> None:
        """Say that it was changed now, which decides a conflict with another writer."""
        self.updated_at = datetime.now(UTC)


Entity = MemoryEntry | MemoryAssembly


def as_vector(value: Numbers) -> FloatVector | None:
    """``value`` as float32 of shape (dim,); raises UsageError for what is no such thing."""
    if value is None or (
        isinstance(value, np.ndarray) and value.dtype == np.float32 and value.ndim == 1
    ):
        return value
    try:
        vector = np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise UsageError(f"an embedding is a list of numbers: {error}") from error
    if vector.ndim != 1:
        raise UsageError(f"an embedding has one dimension, not the shape {vector.shape}")
    return vector


def as_time(value: Time) -> datetime | None:
    """``value`` as an aware moment, UTC; raises UsageError for a text that is no time."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise UsageError(f"{value!r} is no time in ISO 8601") from error
    if value is None or value.tzinfo is not None:
        return value
    return value.replace(tzinfo=UTC)


def _times(created: Time, updated: Time) -> tuple[datetime, datetime]:
    first = as_time(created) or as_time(updated) or datetime.now(UTC)
    return first, as_time(updated) or first


def _id(value: object) -> str:
    if value is None:
        return str(uuid.uuid4())
    if not isinstance(value, str):
        raise UsageError(f"an id is a text, not {type(value).__name__}")
    return value


def copy_entity(entity: Any) -> Any:
    """An entity of its own, equal to ``entity``; arrays are shared, and never written to."""
    twin = object.__new__(type(entity))
    for name in _NAMES[type(entity)]:
        value = getattr(entity, name)
        setattr(twin, name, copy_value(value) if type(value) in _DEEP else value)
    return twin


def copy_value(value: Any) -> Any:
    """A JSON value of its own."""
    if type(value) is dict:
        return {k: copy_value(v) if type(v) in _DEEP else v for k, v in value.items()}
    if type(value) is list:
        return [copy_value(v) if type(v) in _DEEP else v for v in value]
    return value


_DEEP = frozenset({dict, list})
_NAMES: Mapping[type, tuple[str, ...]] = {
    kind: tuple(f.name for f in fields(kind)) for kind in (MemoryEntry, MemoryAssembly)
}


def _same(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return np.array_equal(one, other)  # type: ignore[arg-type]
    return one == other
