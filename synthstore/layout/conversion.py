"""Documents of one layout as those of another, with every field and every number, and back again.

The design's own documents are the common vocabulary. What a Memory Core has no place for goes into
the metadata; a note beside it says what must be put back where, so that nothing is lost on the way
there and back. What was changed meanwhile stays changed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from synthstore.layout.base import Layout
from synthstore.layout.core import Core4
from synthstore.layout.documents import Document, native_time, spelling
from synthstore.layout.fields import number
from synthstore.layout.native import Native
from synthstore.model.facts import Record
from synthstore.model.ids import Kind
from synthstore.model.times import instant_us, iso_text

NOTE = "synthstore"
"""The key of the note: in the metadata of a memory, at the top of an assembly."""

Copies = Mapping[str, Mapping[str, object]]
"""Memories by id, as documents of the newest Memory Core: what assemblies embed."""

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
    body, note = _parted(kind, layout.plain(kind, document))
    moved = _taken_out(body, note["moved"])
    return _restored(_plain(layout, kind, body, known) | moved, note)


def _taken_out(body: Document, moved: Mapping[str, str]) -> Document:
    """The fields that were put into the metadata; they go from there."""
    metadata = body.get("metadata", {})
    return {key: metadata.pop(place) for key, place in moved.items() if place in metadata}


def _parted(kind: Kind, document: Mapping[str, Any]) -> tuple[Document, dict[str, Document]]:
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


def _plain(layout: Layout, kind: Kind, body: Mapping[str, Any], known: Collection[str]) -> Document:
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


# To the newest Memory Core's


def to_core(kind: Kind, native: Mapping[str, Any], copies: Copies) -> Document:
    """The design's document ``native`` as one that the newest Memory Core reads.

    A memory has exactly the keys that it knows; an assembly holds the ``copies`` of its members.
    """
    document, moved = _memory(native) if kind == "memory" else (_assembly(native, copies), {})
    note = _note(kind, native, document, moved, copies)
    if note and kind == "memory":
        document["metadata"] = {**document["metadata"], NOTE: note}
    elif note:
        document[NOTE] = note
    return document


def with_extras(metadata: object, extras: Mapping[str, object]) -> Document:
    """``metadata`` that hold ``extras`` too, fields for which a Memory Core has no place.

    ``to_native`` gives all of them back.
    """
    whole = metadata if isinstance(metadata, dict) and NOTE not in metadata else None
    inside = dict(whole or {})
    note: Document = {"moved": {}}
    for key, value in extras.items():
        note["moved"][key] = place = _free(key, inside)
        inside[place] = value
    if whole is None and metadata is not None:
        note["kept"] = {"metadata": {"as": {}, "was": metadata}}
    return {**inside, NOTE: note}


def _note(
    kind: Kind,
    native: Mapping[str, Any],
    document: Document,
    moved: Mapping[str, str],
    copies: Copies,
) -> Document:
    """What it takes to have ``native`` back, found by going there."""
    body = _parted(kind, document)[0]
    moved_out = _taken_out(body, moved)
    back = _plain(_CORE, kind, body, copies.keys()) | moved_out
    kept = {
        key: {"as": back[key], "was": value} if key in back else {"was": value}
        for key, value in native.items()
        if key not in back or not _same(back[key], value)
    }
    absent = {key: value for key, value in back.items() if key not in native}
    note = {"moved": dict(moved), "kept": kept, "absent": absent}
    return {part: value for part, value in note.items() if value}


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other


def _memory(native: Mapping[str, Any]) -> tuple[Document, dict[str, str]]:
    """The document, and where in its metadata the fields are that Memory Cores do not know."""
    metadata, count = native.get("metadata"), native.get("access_count")
    score, hyperbolic = native.get("quickrecal_score"), native.get("hyperbolic_embedding")
    inside = dict(metadata) if isinstance(metadata, dict) else {}
    inside.pop(NOTE, None)
    own, moved = _own_keys(native), dict[str, str]()
    for key in (key for key in native if key not in own):
        moved[key] = _free(key, inside)
        inside[moved[key]] = native[key]
    return {
        "id": native["memory_id"],
        "content": native.get("content"),
        "embedding": native.get("embedding"),
        "timestamp": _iso(native.get("created_at")),
        "quickrecal_score": None if number(score) is None else score,
        "quickrecal_updated": None
        if "quickrecal_updated" in moved
        else _iso(native.get("quickrecal_updated")),
        "metadata": inside,
        "access_count": count if type(count) is int else 0,
        "last_access_time": _last_access(native, "quickrecal_updated"),
        "hyperbolic_embedding": hyperbolic if isinstance(hyperbolic, list) else None,
    }, moved


def _own_keys(native: Mapping[str, Any]) -> set[str]:
    """The keys for which a Memory Core has a place of its own."""
    own = {*spelling(_NATIVE, "memory").keys, "last_access_time"}
    if _is_time(native.get("quickrecal_updated")):
        own.add("quickrecal_updated")
    if isinstance(native.get("hyperbolic_embedding"), list | None):
        own.add("hyperbolic_embedding")
    return own


def _is_time(value: object) -> bool:
    return value is None or instant_us(value) is not None


def _assembly(native: Mapping[str, Any], copies: Copies) -> Document:
    spelt = spelling(_CORE, "assembly")
    created = _iso(native.get("created_at"))
    document: Document = {"id": native["assembly_id"], "assembly_id": native["assembly_id"]}
    document |= {key: native.get(name) for name, key in spelt.keys.items() if key not in document}
    document |= {
        "memories": list(_embedded(native, copies)),
        "creation_time": created,
        "last_access_time": _last_access(native, "last_activation"),
    }
    for key, value in {**spelt.fresh, "last_activation": created}.items():
        document[key] = native.get(key, list(value) if isinstance(value, list) else value)
    used = {*spelling(_NATIVE, "assembly").keys, *document, NOTE}
    return document | {key: value for key, value in native.items() if key not in used}


def _embedded(native: Mapping[str, Any], copies: Copies) -> Iterator[Document]:
    """Copies of all members of which there is one, here or in the assembly itself."""
    spare = native.get("memories")
    items = spare if isinstance(spare, list) else []
    own = {item["id"]: item for item in items if isinstance(item, dict) and "id" in item}
    ids = native.get("memory_ids")
    for member in ids if isinstance(ids, list) else ():
        if not isinstance(member, str):
            continue
        found = copies.get(member)
        if found is not None or member in own:
            yield dict(found) if found is not None else _renewed(own[member])


def _renewed(copy: Document) -> Document:
    """A copy of a memory that an older Memory Core embedded, as the newest one reads it."""
    if conforms("memory", copy) or not isinstance(copy["id"], str):
        return dict(copy)
    return to_core("memory", to_native(_CORE, "memory", copy), {})


def _last_access(native: Mapping[str, Any], other: str) -> object:
    """The access noted beside the update, unless the document was updated since."""
    noted, updated = native.get("last_access_time"), native.get("updated_at")
    times = (instant_us(native.get(key)) for key in ("created_at", other, "last_access_time"))
    newest = max((us for us in times if us is not None), default=None)
    fits = instant_us(noted) is not None and newest == instant_us(updated)
    return _iso(noted if fits else updated)


def _iso(value: object) -> object:
    us = instant_us(value)
    return value if us is None else iso_text(us)


def _free(key: str, taken: Mapping[str, object]) -> str:
    """A key that the metadata do not have yet: ``key`` itself, if it can be."""
    name, tries = key, 1
    while name in taken or name == NOTE:
        tries += 1
        name = f"{key}_{tries}"
    return name
