"""The design's own documents as the newest Memory Core's; ``conversion`` gives them back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from synthstore.layout.conversion import NOTE, conforms, parted, plain, taken_out, to_native
from synthstore.layout.core import Core4
from synthstore.layout.fields import number
from synthstore.layout.native import Native
from synthstore.layout.spellings import Document, spelling
from synthstore.model.ids import Kind
from synthstore.model.times import instant_us, iso_text

Copies = Mapping[str, Mapping[str, object]]
"""Memories by id, as documents of the newest Memory Core: what assemblies embed."""

_NATIVE, _CORE = Native(), Core4()


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
    body = parted(kind, document)[0]
    moved_out = taken_out(body, moved)
    back = plain(_CORE, kind, body, copies.keys()) | moved_out
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
