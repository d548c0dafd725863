"""Documents of any layout as the design's own, with every field and every number.

The design's own documents are the common vocabulary; ``core_conversion`` leads from there to a
Memory Core's. What a Memory Core has no place for goes into the metadata; a note beside it says
what must be put back where, so that nothing is lost on the way there and back. What was changed
meanwhile stays changed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from synthstore.layout.base import Layout
from synthstore.layout.core import Core4
from synthstore.layout.documents import native_time
from synthstore.layout.native import Native
from synthstore.layout.spellings import Document, spelling
from synthstore.model.facts import Record
from synthstore.model.ids import Kind
from synthstore.model.times import instant_us

NOTE = "synthstore"
"""The key of the note: in the metadata of a memory, at the top of an assembly."""

_NATIVE, _CORE = Native(), Core4()
_MEMORY_KEYS = (*spelling(_CORE, "memory").keys.values(), *spelling(_CORE, "memory").fresh)
_TIME_KEYS = ("timestamp", "last_access_time", "quickrecal_updated")
_CLASH = "core_"
_MISSING = object()


def conforms(kind: Kind, document: Mapping[str, object]) -> bool:
    """Whether the newest Memory Core reads ``document`` as it is, with all its members."""
    if kind == "memory":
        times = (document.get(key) for key in _TIME_KEYS)
        right = document.keys() == set(_MEMORY_KEYS) and isinstance(document["metadata"], dict)
        return right and all(time is None or isinstance(time, str) for time in times)
    members = document.get("memories")
    if not isinstance(members, list) or _CORE.read_record("assembly", document).id is None:
        return False
    return all(isinstance(member, dict) and conforms("memory", member) for member in members)


# To the design's own documents


def to_native(
    layout: Layout, kind: Kind, document: Mapping[str, Any], known: Collection[str] = ()
) -> Document:
    """``document`` of ``layout`` as the design's own.

    An assembly's copies of memories that are not among the ``known`` ids stay in it, for there may
    be no others.
    """
    if layout.name == _NATIVE.name:
        return dict(document)
    body, note = parted(kind, layout.plain(kind, document))
    moved = taken_out(body, note["moved"])
    return _restored(plain(layout, kind, body, known) | moved, note)


def taken_out(body: Document, moved: Mapping[str, str]) -> Document:
    """The fields that were put into the metadata; they go from there."""
    metadata = body.get("metadata", {})
    return {key: metadata.pop(place) for key, place in moved.items() if place in metadata}


def parted(kind: Kind, document: Mapping[str, Any]) -> tuple[Document, dict[str, Document]]:
    """The document without our note, and the note."""
    body: Document = dict(document)
    holder: object = body
    if kind == "memory" and isinstance(body.get("metadata"), dict):
        holder = body["metadata"] = dict(body["metadata"])
    found = holder.get(NOTE) if isinstance(holder, dict) else None
    note: dict[str, Document] = {"moved": {}, "kept": {}, "absent": {}}
    if isinstance(found, dict) and found.keys() <= note.keys() and _sound(found):
        note |= found
        if isinstance(holder, dict):
            del holder[NOTE]
    return body, note


def _sound(note: Mapping[str, object]) -> bool:
    """Whether it is a note of ours: anybody may have metadata of that name."""
    if not all(isinstance(part, dict) for part in note.values()):
        return False
    kept, moved = note.get("kept", {}), note.get("moved", {})
    return (
        isinstance(kept, dict)
        and all(isinstance(pair, dict) and "was" in pair for pair in kept.values())
        and isinstance(moved, dict)
        and all(isinstance(place, str) for place in moved.values())
    )


def _restored(native: Document, note: Mapping[str, Document]) -> Document:
    """What the way through the other layout changed, as it was; not what others changed since."""
    for key, value in note["absent"].items():
        if native.get(key, _MISSING) == value:
            del native[key]
    for key, pair in note["kept"].items():
        if native.get(key, _MISSING) == pair.get("as", _MISSING):
            native[key] = pair["was"]
    return native


def plain(layout: Layout, kind: Kind, body: Mapping[str, Any], known: Collection[str]) -> Document:
    """The document as the design's, but for what a note says."""
    spelt = spelling(layout, kind)
    record = layout.read_record(kind, body)
    native: Document = {}
    for name in spelling(_NATIVE, kind).keys:
        value = _value(name, spelt.keys[name], body, record)
        if value is not _MISSING:
            native[name] = value
    used = set(spelt.keys.values())
    told = {"assembly_id": record.id, "memory_ids": list(record.members)}
    used |= {key for key, value in told.items() if kind == "assembly" and body.get(key) == value}
    extra = {key: value for key, value in body.items() if key not in used}
    extra |= _more_times(spelt.keys["updated_at"], body, record)
    if kind == "assembly":
        extra |= _orphans(body, record, known)
    for key, value in extra.items():
        if not _says_nothing(key, value, spelt.fresh, record):
            native[f"{_CLASH}{key}" if key in native else key] = value
    return native


def _value(name: str, key: str, body: Mapping[str, Any], record: Record) -> object:
    """What the design's field ``name`` is, where ``key`` is what the layout calls it."""
    if name in ("memory_id", "assembly_id"):
        return record.id
    if name == "memory_ids":
        return list(record.members)
    if name in ("created_at", "updated_at"):
        us = record.created_us if name == "created_at" else record.updated_us
        return body.get(key, _MISSING) if us is None else native_time(us)
    return body.get(key, _MISSING)


def _more_times(key: str, body: Mapping[str, Any], record: Record) -> Document:
    """The time of the last access, where another is newer and so the one of the last update."""
    value = body.get(key)
    if value is None or instant_us(value) in (None, record.updated_us):
        return {}
    return {key: value}


def _orphans(body: Mapping[str, Any], record: Record, known: Collection[str]) -> Document:
    """Copies of memories of which the store has no other."""
    wanted = {member for member in record.embedded if member not in known}
    if not wanted:
        return {}
    items = body["memories"]
    found = [item for item in items if isinstance(item, dict) and item.get("id") in wanted]
    return {"memories": found}


def _says_nothing(key: str, value: object, fresh: Mapping[str, object], record: Record) -> bool:
    """Whether it is what every new document of the layout says there."""
    if key == "last_activation" and value is not None:
        return instant_us(value) == record.created_us
    return key in fresh and type(value) is type(fresh[key]) and value == fresh[key]
