"""Entities as their layout's documents, and back: keys, times, what a new document begins with.

What an entity did not change keeps the spelling that it has in the document it came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from synthstore.layout.base import Layout
from synthstore.layout.fields import number
from synthstore.layout.spellings import CORE_ASSEMBLY, Document, Spelling, spelling
from synthstore.model.embedding import FloatVector, judge
from synthstore.model.entities import Entity, MemoryAssembly, MemoryEntry
from synthstore.model.ids import EntityRef
from synthstore.model.times import instant_us, iso_text, seconds

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TIMES = frozenset({"created_at", "updated_at"})
_ARRAYS = frozenset({"embedding", "composite_embedding"})

Members = Mapping[str, Mapping[str, object]]
"""Documents of an assembly's memories by id, for layouts that embed copies of them."""


# Reading


def read_entity(layout: Layout, ref: EntityRef, document: Mapping[str, Any]) -> Entity:
    """The entity that a whole ``document`` is; fields of a wrong kind count as not there."""
    spelt, document = spelling(layout, ref.kind), layout.plain(ref.kind, document)
    values = {name: document[key] for name, key in spelt.keys.items() if key in document}
    known = set(spelt.keys.values())
    extra = {key: value for key, value in document.items() if key not in known}
    if ref.kind == "memory":
        entity: Entity = _memory(ref.id, values)
    else:
        members = layout.read_record("assembly", document).members
        entity = _assembly(ref.id, values, members)
        extra.pop("assembly_id" if spelt is CORE_ASSEMBLY else "", None)
    entity.created_at = _moment(values.get("created_at"))
    entity.updated_at = _moment(values.get("updated_at")) or entity.created_at
    entity.extra = extra
    return entity


def _memory(memory_id: str, values: Mapping[str, Any]) -> MemoryEntry:
    score, metadata = number(values.get("quickrecal_score")), values.get("metadata")
    count = values.get("access_count")
    return MemoryEntry(
        str(values.get("content", "")),
        judge(values.get("embedding")).vector,
        memory_id,
        quickrecal_score=score,
        metadata=metadata if isinstance(metadata, dict) else {},
        access_count=count if type(count) is int else 0,
    )


def _assembly(
    assembly_id: str, values: Mapping[str, Any], members: Sequence[str]
) -> MemoryAssembly:
    tags = values.get("tags")
    return MemoryAssembly(
        str(values.get("name", "")),
        list(members),
        judge(values.get("composite_embedding")).vector,
        assembly_id,
        description=str(values.get("description", "")),
        tags=[tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else [],
    )


def _moment(value: object) -> datetime | None:
    us = instant_us(value)
    return None if us is None else _EPOCH + us * _MICROSECOND


def moment_us(moment: datetime | None) -> int | None:
    """Microseconds since the epoch."""
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND


# Writing


def spell_entity(
    layout: Layout, entity: Entity, old: Mapping[str, Any] | None, members: Members | None = None
) -> Document:
    """The document of ``entity``; what it shares with the document ``old`` stays as it is there.

    Keys that a closed layout's readers do not know go into the metadata.
    """
    ref = entity.ref
    spelt = spelling(layout, ref.kind)
    before = read_entity(layout, ref, old) if old is not None else None
    document: Document = dict(old) if old is not None else {}
    for name, key in spelt.keys.items():
        value = getattr(entity, name)
        if before is not None and key in document and _unchanged(name, before, entity):
            continue
        if key not in document and value is None and before is not None:
            continue
        document[key] = _spelt(layout, name, value, document.get(key), members)
    if old is None:
        _fill(layout, document, spelt, entity)
    _put_extra(document, spelt, entity, before)
    return document


def _fill(layout: Layout, document: Document, spelt: Spelling, entity: Entity) -> None:
    for key, value in spelt.fresh.items():
        document.setdefault(key, list(value) if isinstance(value, list) else value)
    if spelt is CORE_ASSEMBLY:
        document["assembly_id"] = document["id"]
        document["last_activation"] = _time(layout, entity.created_at, None)


def _put_extra(document: Document, spelt: Spelling, entity: Entity, before: Entity | None) -> None:
    known = {*spelt.keys.values(), *spelt.fresh, "assembly_id"}
    for key in before.extra if before is not None else ():
        if key not in entity.extra:
            document.pop(key, None)
    for key, value in entity.extra.items():
        if key in spelt.keys.values():
            continue
        if spelt.closed and key not in known and key not in document:
            document.setdefault(spelt.keys["metadata"], {}).setdefault(key, value)
        else:
            document[key] = value


def _unchanged(name: str, before: Entity, entity: Entity) -> bool:
    one, other = getattr(before, name), getattr(entity, name)
    if name in _ARRAYS:
        return _equal(one, other)
    return bool(one == other) and (name != "updated_at" or one is not None)


def _equal(one: FloatVector | None, other: FloatVector | None) -> bool:
    if one is None or other is None:
        return one is other
    # By bits: NaN equals itself here, and a changed sign of a zero is a change.
    return one.shape == other.shape and one.tobytes() == other.tobytes()


def _spelt(layout: Layout, name: str, value: Any, old: object, members: Members | None) -> object:
    if name in _ARRAYS:
        return None if value is None else numbers(value)
    if name in _TIMES:
        return _time(layout, value, old)
    if name == "memory_ids" and members is not None:
        return list(_embedded(value, old, members))
    if isinstance(value, np.generic):
        return value.item()
    return value


def numbers(vector: FloatVector) -> list[float]:
    """A float32 vector as every writer of these stores spells it: widened to double."""
    widened: list[float] = vector.astype(np.float64).tolist()
    return widened


def _embedded(ids: Sequence[str], old: object, members: Members) -> Iterator[object]:
    """Members as the old list has them, new ones as the copy that their memory's document is."""
    items = old if isinstance(old, list) else []
    by_id = {item.get("id") if isinstance(item, dict) else item: item for item in items}
    strings = bool(items) and all(isinstance(item, str) for item in items)
    for member in ids:
        if member in by_id:
            yield by_id[member]
        else:
            yield member if strings or member not in members else dict(members[member])


def _time(layout: Layout, moment: datetime | None, old: object) -> object:
    us = moment_us(moment)
    if us is None:
        return None
    if layout.name != "native" and isinstance(old, float):
        return seconds(us)
    if layout.name != "native" or (isinstance(old, str) and _has_offset(old)):
        return iso_text(us)
    return native_time(us)


def _has_offset(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def native_time(us: int) -> str:
    """An instant as the design spells it: naive, with microseconds."""
    return (_EPOCH + us * _MICROSECOND).replace(tzinfo=None).isoformat(timespec="microseconds")


def stamp_catalog(layout: Layout, document: Document) -> None:
    """Note in a catalog that it was written now, where its layout has a place for that."""
    metadata = document.get("metadata")
    if layout.name == "native" and isinstance(metadata, dict):
        now = moment_us(datetime.now(UTC))
        metadata["last_updated"] = native_time(now or 0)
