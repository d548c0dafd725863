"""What a store holds: memories and assemblies, as plain values that do no I/O."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from synthstore.errors import UsageError
from synthstore.model.embedding import FloatVector
from synthstore.model.ids import EntityRef

Time = datetime | str | None
Numbers = npt.ArrayLike | None


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


@dataclass(slots=True, eq=False, init=False)
class MemoryEntry(_Entity):
    """One memory. Raises UsageError for a field of the wrong kind."""

    content: str
    embedding: FloatVector | None
    """float32, shape (dim,)."""
    memory_id: str
    """1 to 200 bytes of UTF-8, no path separators."""
    created_at: datetime | None
    """Aware; None only where the file names none."""
    updated_at: datetime | None
    """A save sets it to a later moment."""
    quickrecal_score: float | None
    """0 to 1."""
    metadata: dict[str, Any]
    access_count: int
    extra: dict[str, Any]
    """Fields of the file that have no attribute here, in their order."""

    def __init__(
        self,
        content: str,
        embedding: Numbers = None,
        memory_id: str | None = None,
        *,
        created_at: Time = None,
        updated_at: Time = None,
        quickrecal_score: float | None = 0.5,
        metadata: dict[str, Any] | None = None,
        access_count: int = 0,
        extra: dict[str, Any] | None = None,
    ) -> None:
        """Take any sequence of numbers as the embedding, and ISO text for times.

        Naive times are UTC. Without a ``memory_id`` it gets a new UUID, without times it is now.
        """
        if not isinstance(content, str):
            raise UsageError(f"a memory's content is a text, not {type(content).__name__}")
        self._base = None
        self.content = content
        self.memory_id = _id(memory_id)
        self.embedding = as_vector(embedding)
        self.created_at, self.updated_at = _times(created_at, updated_at)
        self.quickrecal_score = quickrecal_score
        self.metadata = {} if metadata is None else metadata
        self.access_count = access_count
        self.extra = {} if extra is None else extra

    @property
    def ref(self) -> EntityRef:
        """What the entity is called in a store."""
        return EntityRef("memory", self.memory_id)

    def touch(self) -> None:
        """Say that it was changed now, which decides a conflict with another writer."""
        self.updated_at = datetime.now(UTC)


@dataclass(slots=True, eq=False, init=False)
class MemoryAssembly(_Entity):
    """A named group of memories. Raises UsageError for a field of the wrong kind."""

    name: str
    memory_ids: list[str]
    composite_embedding: FloatVector | None
    """float32, shape (dim,)."""
    assembly_id: str
    """As a memory's id."""
    description: str
    created_at: datetime | None
    updated_at: datetime | None
    tags: list[str]
    extra: dict[str, Any]
    """Fields of the file that have no attribute here, in their order."""

    def __init__(
        self,
        name: str,
        memory_ids: Iterable[str] = (),
        composite_embedding: Numbers = None,
        assembly_id: str | None = None,
        *,
        description: str = "",
        created_at: Time = None,
        updated_at: Time = None,
        tags: Iterable[str] = (),
        extra: dict[str, Any] | None = None,
    ) -> None:
        """Take what ``MemoryEntry`` takes."""
        if not isinstance(name, str):
            raise UsageError(f"an assembly's name is a text, not {type(name).__name__}")
        self._base = None
        self.name = name
        self.memory_ids = list(memory_ids)
        self.composite_embedding = as_vector(composite_embedding)
        self.assembly_id = _id(assembly_id)
        self.description = description
        self.created_at, self.updated_at = _times(created_at, updated_at)
        self.tags = list(tags)
        self.extra = {} if extra is None else extra

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
    if value is None:
        return None
    if isinstance(value, np.ndarray) and value.dtype == np.float32 and value.ndim == 1:
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
