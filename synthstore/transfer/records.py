"""The record: one entity as a row that no layout owns, and that loses nothing of its document.

A record is a JSON object. Its head says what it is, the rest is the entity's document in its own
order, its keys brought to one vocabulary and its values as they are::

    {"record": 1, "kind": "memory", "layout": "core-4",
     "id": "mem_1", "content": "…", "embedding": [0.25, …], "created_at": "…", …}

- ``record``: the version of this format; a reader refuses a newer one. Missing: 1.
- ``kind``: ``memory`` or ``assembly``.
- ``layout``: whose document it was. Into a store of that layout it goes back as it was, into
  another one ``crossing`` spells it anew. Missing: nobody's, so that the fields count as they are.
- ``id``, and of a memory ``content, embedding, created_at, updated_at, quickrecal_score, metadata,
  access_count``; of an assembly ``name, description, memory_ids, composite_embedding, created_at,
  updated_at, tags``. A field that the document lacks is missing here too.
- ``members``: what an assembly lists beside ids, which is copies of its memories.
- ``spelt``: field → key, where the document has another key than its layout usually has.
- All other keys are the document's own. One that could be taken for a word of this vocabulary has
  a ``$`` before it.

Where a row has no ``kind`` but a ``memory_id`` or an ``assembly_id``, it is a native document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, cast

from synthstore.layout.base import Layout
from synthstore.layout.core import Core4
from synthstore.layout.native import Native
from synthstore.layout.spellings import embeds_members, spelling
from synthstore.model.ids import MAX_ID_BYTES, Kind

VERSION = 1
"""The newest version of the format that is understood here."""

HEAD = ("record", "kind", "layout")
KINDS: tuple[Kind, ...] = ("memory", "assembly")

Record = dict[str, Any]
Document = dict[str, Any]

_NATIVE = Native()
_ESCAPE = "$"
_MANY = 64
"""Keys of a document beyond which how they are said is not kept for the next one."""
_IDS = {"memory_id": "id", "assembly_id": "id"}
_OTHERS: Mapping[str, tuple[str, ...]] = {
    "id": ("assembly_id",),
    "content": ("text",),
    "quickrecal_score": ("significance",),
    "memory_ids": ("memory_ids",),
}
"""Keys that documents of some eras have in the place of the usual one."""


class RecordError(ValueError):
    """A row is no record; the text says why, and never quotes the row."""


@lru_cache(32)
def field_keys(layout: Layout, kind: Kind) -> Mapping[str, str]:
    """Field → key, as ``layout`` usually spells ``kind``, in the order of its new documents."""
    keys = {_IDS.get(name, name): key for name, key in spelling(layout, kind).keys.items()}
    if kind == "assembly" and not embeds_members(layout, kind):
        keys["members"] = "memories"
    return keys


def _words(layout: Layout, kind: Kind) -> Iterator[str]:
    for field, key in field_keys(layout, kind).items():
        yield field
        yield key


_TAKEN: Mapping[Kind, frozenset[str]] = {
    kind: frozenset(
        {
            *HEAD,
            "spelt",
            "members",
            *(key for keys in _OTHERS.values() for key in keys),
            *(word for layout in (Native(), Core4()) for word in _words(layout, kind)),
        }
    )
    for kind in KINDS
}
"""Words that a key of the document's own must not be taken for."""


# Out of a document


def record_of(layout: Layout, kind: Kind, document: Mapping[str, Any]) -> Record:
    """The record of a whole ``document`` of ``layout``; values are shared with it."""
    embeds = embeds_members(layout, kind)
    if embeds or len(document) > _MANY:
        words = _words_for(layout, kind, tuple(document), _members_key(document))
    else:
        words = _usual_words(layout, kind, tuple(document))
    record: Record = {"record": VERSION, "kind": kind, "layout": layout.name}
    if words.spelt:
        record["spelt"] = dict(words.spelt)
    said = zip(words.words, document.values(), strict=True)
    if not embeds:
        record.update(said)
        return record
    for word, value in said:
        if word == "memory_ids" and not _are_ids(value):
            record["memory_ids"] = list(layout.read_record(kind, document).members)
            record["members"] = value
        else:
            record[word] = value
    return record


class _Spelt(NamedTuple):
    """How the keys of one document are said in its record."""

    words: tuple[str, ...]
    """Of each key, in their order."""
    spelt: tuple[tuple[str, str], ...]
    """Field and key, where that is not the usual one."""


def _words_for(layout: Layout, kind: Kind, keys: tuple[str, ...], members: str | None) -> _Spelt:
    usual = field_keys(layout, kind)
    found = dict(_keys_in(layout, kind, keys, members))
    fields = {key: field for field, key in found.items()}
    words = tuple(fields.get(key) or _escaped(key, kind) for key in keys)
    return _Spelt(words, tuple((f, key) for f, key in found.items() if key != usual[f]))


@lru_cache(64)
def _usual_words(layout: Layout, kind: Kind, keys: tuple[str, ...]) -> _Spelt:
    """As ``_words_for``; nearly all documents of a store have the same keys."""
    return _words_for(layout, kind, keys, None)


def _keys_in(
    layout: Layout, kind: Kind, keys: tuple[str, ...], members: str | None
) -> Iterator[tuple[str, str]]:
    """Each field that a document of these ``keys`` has, and the key under which."""
    native = layout.name == Native.name
    for field, key in field_keys(layout, kind).items():
        if field == "memory_ids" and embeds_members(layout, kind):
            wanted: tuple[str, ...] = (members or key,)
        else:
            wanted = (key, *(() if native else _OTHERS.get(field, ())))
        found = next((one for one in wanted if one in keys), None)
        if found is not None:
            yield field, found


def _members_key(document: Mapping[str, Any]) -> str | None:
    """Which list names the members: the older key counts only where the newer names none."""
    lists = [key for key in ("memories", "memory_ids") if isinstance(document.get(key), list)]
    return next((key for key in lists if document[key]), lists[0] if lists else None)


def _are_ids(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _escaped(key: str, kind: Kind) -> str:
    """A key of the document's own as the record has it."""
    return _ESCAPE + key if key.lstrip(_ESCAPE) in _TAKEN[kind] else key


# Back into a document


def require_record(value: object) -> Record:
    """``value`` as a record, its head in order; raises RecordError."""
    if not isinstance(value, dict):
        raise RecordError("is no JSON object")
    record = _of_native(value) if "kind" not in value else cast("Record", value)
    version = record.get("record", VERSION)
    if type(version) is not int or version < 1:
        raise RecordError("its record says no version")
    if version > VERSION:
        raise RecordError(f"is of version {version} of the format; {VERSION} is the newest known")
    if record.get("kind") not in KINDS:
        raise RecordError("its kind is neither memory nor assembly")
    if not isinstance(record.get("id"), str):
        raise RecordError("has no id")
    if not isinstance(record.get("layout", ""), str | None):
        raise RecordError("its layout is no name")
    if not isinstance(record.get("spelt", {}), dict):
        raise RecordError("its spelt is no object")
    return record


def id_in(value: object) -> str | None:
    """The id that a row bears, whatever else is wrong with it; None where no entity could bear it.

    What is too long or no Unicode is no name to find a row by.
    """
    named = (value.get(key) for key in _ID_KEYS) if isinstance(value, dict) else ()
    name = next((name for name in named if isinstance(name, str)), "")
    size = len(name.encode("utf-8", "replace"))
    plain = size <= MAX_ID_BYTES and not any("\ud800" <= char <= "\udfff" for char in name)
    return name if name and plain else None


_ID_KEYS = ("id", *(f"{kind}_id" for kind in KINDS))


def _of_native(value: dict[str, Any]) -> Record:
    for kind in KINDS:
        if f"{kind}_id" in value:
            return record_of(_NATIVE, kind, value)
    raise RecordError("has no kind")


def same_layout(record: Record, layout: Layout) -> bool:
    """Whether the record came from a document of ``layout``."""
    return record.get("layout") == layout.name


def restored(record: Record, layout: Layout) -> Document:
    """The very document of ``layout`` that ``record`` was made of; raises RecordError."""
    kind: Kind = record["kind"]
    spelt = record.get("spelt") if same_layout(record, layout) else None
    if spelt or len(record) > _MANY:
        words = _keys_for(layout, kind, tuple(record), spelt or {})
    else:
        words = _usual_keys(layout, kind, tuple(record))
    splits = "members" in record and embeds_members(layout, kind)
    document: Document = {}
    for word, key in words:
        if word == "members" and splits:
            continue
        if key in document:
            raise RecordError(f"two fields of it are {key!r} in {layout.name}")
        document[key] = record["members" if splits and word == "memory_ids" else word]
    return document


def _keys_for(
    layout: Layout, kind: Kind, words: tuple[str, ...], spelt: Mapping[str, Any]
) -> tuple[tuple[str, str], ...]:
    """The words of a record, its head aside, and the key of each in the document."""
    usual = field_keys(layout, kind)
    keys = {field: str(spelt.get(field, key)) for field, key in usual.items()}
    own = (word for word in words if not _is_head(word))
    return tuple((word, keys.get(word) or unescaped(word, kind)) for word in own)


@lru_cache(64)
def _usual_keys(layout: Layout, kind: Kind, words: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """As ``_keys_for``; nearly all records of a file have the same words."""
    return _keys_for(layout, kind, words, {})


def own_items(record: Record) -> Iterator[tuple[str, Any]]:
    """The record without its head: fields, and keys of the document's own, in their order."""
    for word, value in record.items():
        if not _is_head(word):
            yield word, value


def _is_head(word: str) -> bool:
    return word in HEAD or word == "spelt"


def unescaped(word: str, kind: Kind) -> str:
    """The key in a document of ``word``, which is no field."""
    return word.removeprefix(_ESCAPE) if word.lstrip(_ESCAPE) in _TAKEN[kind] else word
