"""Records into documents of another layout, so that the way back gives the same entity again.

Documents of one layout become those of another as ``layout.conversion`` has it, the same way as
in a migration. A row that was no layout's is written as it is; of a memory whose file a Memory
Core would drop for a key that it does not know, such fields go into the metadata.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from synthstore.layout.base import Layout
from synthstore.layout.conversion import conforms, to_native
from synthstore.layout.core import Core
from synthstore.layout.core_conversion import to_core, with_extras
from synthstore.layout.detect import SUPPORTED
from synthstore.layout.documents import native_time
from synthstore.layout.native import Native
from synthstore.layout.spellings import embeds_members, spelling
from synthstore.model.ids import Kind
from synthstore.model.times import instant_us, iso_text
from synthstore.transfer.records import (
    Document,
    Record,
    RecordError,
    field_keys,
    own_items,
    restored,
    same_layout,
    unescaped,
)

_TIMES = frozenset({"created_at", "updated_at"})
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
    source = SUPPORTED.get(record.get("layout") or "")
    if source is None:
        return _Row(record, layout, memories).document()
    return _converted(record, source(), layout, _Memories(memories))


def needs_memories(record: Record, layout: Layout) -> bool:
    """Whether ``document_of`` would ask for the assembly's members."""
    if record["kind"] != "assembly" or same_layout(record, layout):
        return False
    return embeds_members(layout, "assembly") or "members" in record


def _converted(record: Record, source: Layout, layout: Layout, memories: _Memories) -> Document:
    kind: Kind = record["kind"]
    document = restored(record, source)
    to_a_core = layout.name != Native.name
    if to_a_core and isinstance(source, Core) and conforms(kind, document):
        return document
    native = to_native(source, kind, document, memories)
    return to_core(kind, native, memories) if to_a_core else native


class _Memories(Mapping[str, Mapping[str, Any]]):
    """A lookup as the mapping that a conversion asks; nobody goes through it."""

    def __init__(self, memories: Lookup) -> None:
        self._memories = memories

    def __getitem__(self, memory_id: str) -> Mapping[str, Any]:
        found = self._memories(memory_id)
        if found is None:
            raise KeyError(memory_id)
        return found

    def __iter__(self) -> Iterator[str]:
        raise TypeError("a lookup has no end")

    def __len__(self) -> int:
        raise TypeError("a lookup has no length")


class _Row:
    """A row of nobody's layout."""

    def __init__(self, record: Record, layout: Layout, memories: Lookup) -> None:
        self.record, self.layout, self.memories = record, layout, memories
        self.kind: Kind = record["kind"]

    def document(self) -> Document:
        document = self._fields()
        spelt = spelling(self.layout, self.kind)
        extras: dict[str, object] = {}
        known = {*field_keys(self.layout, self.kind), "members"}
        for word, value in own_items(self.record):
            if word in known or (word == "$assembly_id" and value == self.record["id"]):
                continue
            key = unescaped(word, self.kind)
            if spelt.closed and key not in spelt.fresh:
                extras[key] = value
            elif key in document:
                raise RecordError(f"two fields of it are {key!r} in {self.layout.name}")
            else:
                document[key] = value
        if extras:
            document["metadata"] = with_extras(document.get("metadata"), extras)
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
        return document

    def _timed(self, is_time: bool, value: object) -> object:
        if not is_time:
            return value
        return _native(value) if self.layout.name == Native.name else _iso(value)

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
            return copy
        found = self.memories(member)
        return member if found is None else dict(found)

    def _copies_left(self) -> list[object]:
        """Copies of memories that are nowhere else."""
        copies, others = self._copies()
        alone = [copy for member, copy in copies.items() if self.memories(member) is None]
        return [*alone, *others]


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
