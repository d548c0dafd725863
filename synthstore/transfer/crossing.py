"""Records into documents of another layout, so that the way back gives the same entity again.

A Memory Core drops a memory whose file has a key that it does not know. Such fields travel in the
memory's metadata, under one key of ours, and come out again in a layout that has room for them.
Copies of memories inside an assembly are put in where a layout wants them, and left out where it
does not and the memory itself is at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from synthstore.layout.base import Layout
from synthstore.layout.core import Core3, Core4
from synthstore.layout.documents import embeds_members, native_time, spelling
from synthstore.layout.native import Native
from synthstore.model.ids import Kind
from synthstore.model.times import instant_us, iso_text
from synthstore.transfer.records import (
    Document,
    Record,
    RecordError,
    field_keys,
    own_items,
    record_of,
    restored,
    same_layout,
    unescaped,
)

CARRIED = "synthstore_fields"
"""The key in a memory's metadata that holds fields which its layout has no room for."""

_WHOLE_METADATA = "$metadata"
_TIMES = frozenset({"created_at", "updated_at"})
_CORE_TIMES = frozenset({"quickrecal_updated", "last_activation", "vector_index_updated_at"})
_EMPTY: Mapping[str, Callable[[], object]] = {
    "metadata": dict, "tags": list, "name": str, "description": str, "access_count": int,
}  # fmt: skip
_OFFSETS = ("+00:00", "Z")
_DATE = len("2025-03-15")

Lookup = Callable[[str], Mapping[str, Any] | None]
"""The document of a memory by its id, in the layout that is written; None where there is none."""


def _nothing(_memory_id: str) -> None:
    return None


def document_of(record: Record, layout: Layout, memories: Lookup = _nothing) -> Document:
    """The document of ``layout`` that ``record`` stands for.

    The very one that it was made of, where that was of this layout. ``memories`` is asked for the
    members of an assembly that comes from elsewhere. Raises RecordError.
    """
    if same_layout(record, layout):
        return restored(record, layout)
    return _Crossing(record, layout, memories).document()


def needs_memories(record: Record, layout: Layout) -> bool:
    """Whether ``document_of`` would ask for the assembly's members."""
    if record["kind"] != "assembly" or same_layout(record, layout):
        return False
    return embeds_members(layout, "assembly") or "members" in record


class _Crossing:
    def __init__(self, record: Record, layout: Layout, memories: Lookup) -> None:
        self.layout, self.memories = layout, memories
        self.kind: Kind = record["kind"]
        self.closed = spelling(layout, self.kind).closed
        self.record = record if self.closed else _unpacked(record)
        # A row of nobody's layout is written as it is; one of ours is completed.
        self.completes = record.get("layout") is not None and layout.name != Native.name

    def document(self) -> Document:
        document = self._fields()
        carried: dict[str, object] = {}
        known = {*field_keys(self.layout, self.kind), "members"}
        for word, value in own_items(self.record):
            if word in known or self._is_the_id_again(word, value):
                continue
            key = unescaped(word, self.kind)
            if self.closed and key not in spelling(self.layout, self.kind).fresh:
                carried[word] = value
            elif key in document:
                raise RecordError(f"two fields of it are {key!r} in {self.layout.name}")
            else:
                document[key] = _iso(value) if self._is_older_time(word) else value
        if self.completes:
            self._complete(document)
        if self.closed:
            _pack(document, carried)
        return document

    def _fields(self) -> Document:
        document: Document = {}
        for field, key in field_keys(self.layout, self.kind).items():
            if field == "memory_ids" and embeds_members(self.layout, self.kind):
                document[key] = self._embedded()
            elif field == "members":
                left = self._copies_left()
                if left:
                    document[key] = left
            elif field in self.record:
                document[key] = self._timed(field in _TIMES, self.record[field])
            elif self.completes:
                document[key] = self._absent(field)
        return document

    def _absent(self, field: str) -> object:
        if field == "updated_at":
            return self._timed(True, self.record.get("created_at"))
        empty = _EMPTY.get(field)
        return None if empty is None else empty()

    def _timed(self, is_time: bool, value: object) -> object:
        if not is_time:
            return value
        return _native(value) if self.layout.name == Native.name else _iso(value)

    def _is_older_time(self, word: str) -> bool:
        """Whether an older Memory Core spelt this time in seconds, which the newest may not."""
        cores = self.completes and self.record["layout"] != Native.name
        return cores and word in _CORE_TIMES

    def _is_the_id_again(self, word: str, value: object) -> bool:
        """Whether this is a Memory Core's second spelling of an assembly's id."""
        twice = self.kind == "assembly" and word == "$assembly_id"
        return twice and not self.completes and value == self.record["id"]

    def _complete(self, document: Document) -> None:
        for key, value in spelling(self.layout, self.kind).fresh.items():
            document.setdefault(key, list(value) if isinstance(value, list) else value)
        if self.kind == "assembly":
            document.setdefault("assembly_id", self.record["id"])
            if document["last_activation"] is None:
                document["last_activation"] = self._timed(True, self.record.get("created_at"))

    # Members

    def _copies(self) -> tuple[dict[str, Mapping[str, Any]], list[object]]:
        """Copies by id, and what else the list of members holds."""
        members = self.record.get("members", [])
        if not isinstance(members, list):
            return {}, [members]
        copies: dict[str, Mapping[str, Any]] = {}
        others: list[object] = []
        for item in members:
            if isinstance(item, dict) and isinstance(item.get("id"), str):
                copies[item["id"]] = item
            elif not isinstance(item, str):
                others.append(item)
        return copies, others

    def _embedded(self) -> list[object]:
        copies, others = self._copies()
        ids = self.record.get("memory_ids")
        if not isinstance(ids, list):
            raise RecordError("its memory_ids are no list")
        return [*(self._member(member, copies) for member in ids), *others]

    def _member(self, member: object, copies: Mapping[str, Mapping[str, Any]]) -> object:
        if not isinstance(member, str):
            return member
        copy = copies.get(member)
        if copy is not None:
            return self._converted(copy)
        found = self.memories(member)
        return member if found is None else dict(found)

    def _converted(self, copy: Mapping[str, Any]) -> Mapping[str, Any]:
        source = {Core3.name: Core3(), Core4.name: Core4()}.get(self.record.get("layout", ""))
        if source is None:
            return copy
        return document_of(record_of(source, "memory", copy), self.layout)

    def _copies_left(self) -> list[object]:
        """Copies of memories that are nowhere else."""
        copies, others = self._copies()
        alone = [copy for member, copy in copies.items() if self.memories(member) is None]
        return [*alone, *others]


# What a closed layout has no room for


def _pack(document: Document, carried: dict[str, object]) -> None:
    metadata = document.get("metadata")
    if isinstance(metadata, dict) and CARRIED not in metadata:
        own = dict(metadata)
    else:
        own = {}
        if metadata is not None:
            carried[_WHOLE_METADATA] = metadata
    if carried:
        own[CARRIED] = carried
    if own or "metadata" in document:
        document["metadata"] = own


def _unpacked(record: Record) -> Record:
    """``record`` with the fields that its metadata carried back in their place."""
    metadata = record.get("metadata")
    if record.get("layout") is None or not isinstance(metadata, dict):
        return record
    carried = metadata.get(CARRIED)
    if not isinstance(carried, dict):
        return record
    unpacked = {**record, "metadata": {k: v for k, v in metadata.items() if k != CARRIED}}
    for word, value in carried.items():
        if word == _WHOLE_METADATA:
            unpacked["metadata"] = value
        else:
            unpacked.setdefault(word, value)
    return unpacked


# Times: the text stays, but for the offset by which one layout says what the other leaves unsaid


def _native(value: object) -> object:
    us = instant_us(value)
    if us is None:
        return value
    if not isinstance(value, str):
        return native_time(us)
    return next((value.removesuffix(o) for o in _OFFSETS if value.endswith(o)), value)


def _iso(value: object) -> object:
    us = instant_us(value)
    if us is None:
        return value
    if isinstance(value, str):
        if datetime.fromisoformat(value).tzinfo is not None:
            return value
        return value + _OFFSETS[0] if len(value) > _DATE else iso_text(us)
    return iso_text(us)
