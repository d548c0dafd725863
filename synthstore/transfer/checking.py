"""Rows judged: each into the bytes of an entity file, or into the reason why not.

A reason never quotes a row: it is shown, and written to logs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthstore.errors import UsageError
from synthstore.files.jsonio import Parsed, ParseFailure, Style, dump, parse, parse_numbers
from synthstore.layout.base import Layout
from synthstore.layout.detect import SUPPORTED
from synthstore.layout.lucidia import Lucidia
from synthstore.layout.native import Native
from synthstore.model.embedding import EmbeddingState
from synthstore.model.facts import EntityFile, Stat
from synthstore.model.ids import EntityRef, Kind, id_problem
from synthstore.scan.shard import DEFAULT_CAPS
from synthstore.store.entity import Hashed, judge_document
from synthstore.transfer.crossing import Lookup, document_of, needs_memories
from synthstore.transfer.formats.base import Found, Row
from synthstore.transfer.making import embedding_for
from synthstore.transfer.outcomes import Entry, Outcome, Ready, Refused, Waiting
from synthstore.transfer.records import (
    Record,
    RecordError,
    id_in,
    record_of,
    require_record,
    restored,
    same_layout,
)

MADE = "synthstore_embedding"
"""The key in a memory's metadata that says that its embedding was made for tests."""

_STYLE = Style()
_EMBEDDING = "embedding"
_NUMBER = (int, float)
_TYPES: Mapping[str, tuple[type, ...]] = {
    "content": (str,),
    "metadata": (dict,),
    "access_count": (int,),
    "quickrecal_score": _NUMBER,
    "created_at": (str, *_NUMBER),
    "updated_at": (str, *_NUMBER),
    "name": (str,),
    "description": (str,),
    "tags": (list,),
    "memory_ids": (list,),
}
_WORDS: Mapping[type, str] = {
    str: "text", dict: "object", int: "number", float: "number", list: "list",
}  # fmt: skip
_FORBIDDEN = ("duplicate keys", "lone surrogate", "nested deeper")


@dataclass(frozen=True, slots=True)
class Terms:
    """What rows are brought to, and by which rules."""

    root: str
    layout: Layout
    access: Stat
    """Mode and owner of files that replace none."""
    embed: int = 0
    """Numbers in the embedding that a memory without one gets; 0: none."""
    bare: bool = False
    """Whether nothing stands in the store yet, so that no file needs to be looked for."""
    keep: bool = False
    """Whether rows that are fine are kept too, since a later look may refuse them."""


def judged(terms: Terms, some: Iterable[Found]) -> list[Outcome]:
    """What becomes of each of a few rows; all of them are parsed before any is looked into."""
    return [_outcome(terms, one, None) for one in list(map(_parse, some))]


def finish(terms: Terms, waiting: Waiting, memories: Lookup) -> Outcome:
    """What becomes of an assembly once all memories are known."""
    return _outcome(terms, _parse(Row(waiting.number, waiting.source)), memories)


class _BadRowError(ValueError):
    """The row cannot be imported; the text says why."""


def _parse(found: Found) -> tuple[Row, Parsed] | Refused:
    if not isinstance(found, Row):
        return Refused(found.number, found.reason, found.text, found.cut)
    try:
        return found, _parsed(found)
    except _BadRowError as error:
        return Refused(found.number, str(error), source_of(found))


def _outcome(terms: Terms, found: tuple[Row, Parsed] | Refused, memories: Lookup | None) -> Outcome:
    if isinstance(found, Refused):
        return found
    row, parsed = found
    try:
        return _read(terms, row, parsed, memories)
    except (_BadRowError, RecordError) as error:
        reason = str(error)
    except UsageError as error:
        reason = error.message
    return Refused(row.number, reason, source_of(row), id=id_in(parsed.value))


def source_of(row: Row) -> bytes:
    """The row as JSON text, as far as it is JSON at all."""
    return row.value if isinstance(row.value, bytes) else dump(row.value, Style("orjson", None))


def _read(terms: Terms, row: Row, parsed: Parsed, memories: Lookup | None) -> Outcome:
    record = _listed(require_record(parsed.value), terms.layout)
    record = _made_whole(terms, _plain(record, terms.layout))
    ref = EntityRef(record["kind"], record["id"])
    problem = id_problem(ref.id, kind=ref.kind, native=terms.layout.name == Native.name)
    if problem is not None:
        raise _BadRowError(f"its id {problem}")
    _require_types(record)
    if needs_memories(record, terms.layout) and memories is None:
        return Waiting(row.number, source_of(row))
    document = document_of(record, terms.layout, memories or (lambda _: None))
    return _ready(terms, row, ref, Parsed(document, parsed.rigid))


def _parsed(row: Row) -> Parsed:
    if not isinstance(row.value, bytes):
        return Parsed(row.value)
    try:
        parsed = _by_numbers(row.value)
    except ParseFailure as error:
        raise _BadRowError(f"is no JSON: {error}") from None
    if parsed.nan:
        raise _BadRowError("holds NaN, Infinity or a number beyond a double")
    for reason in parsed.rigid:
        if reason.startswith(_FORBIDDEN):
            raise _BadRowError(f"could not be written again: {reason}")
    return parsed


def _by_numbers(raw: bytes) -> Parsed:
    """As ``parse``; an embedding may come as an array, where that is spelt as its list would be."""
    parsed = parse_numbers(raw, _EMBEDDING)
    numbers = parsed.value.get(_EMBEDDING) if isinstance(parsed.value, dict) else None
    if isinstance(numbers, np.ndarray) and np.count_nonzero(np.trunc(numbers) == numbers):
        # It may have been an integer, and must not become a float.
        return parse(raw)
    return parsed


def _listed(record: Record, layout: Layout) -> Record:
    """The record, its embedding as a list unless it goes into the document as it is."""
    numbers = record.get(_EMBEDDING)
    if not isinstance(numbers, np.ndarray):
        return record
    if same_layout(record, layout) and record["kind"] == "memory":
        return record
    return {**record, _EMBEDDING: numbers.tolist()}


def _plain(record: Record, layout: Layout) -> Record:
    """A record of an ancestor, which spells one thing in several ways, in the one that others read.

    In its own layout it is left as it is.
    """
    source = SUPPORTED.get(record.get("layout") or "")
    if source is None or same_layout(record, layout) or not issubclass(source, Lucidia):
        return record
    kind: Kind = record["kind"]
    ancestor = source()
    return record_of(ancestor, kind, ancestor.plain(kind, restored(record, ancestor)))


def _made_whole(terms: Terms, record: Record) -> Record:
    """The record with the embedding that it is to be given."""
    given = record.get(_EMBEDDING)
    if not terms.embed or record["kind"] != "memory" or isinstance(given, np.ndarray) or given:
        return record
    metadata = record.get("metadata")
    if not isinstance(metadata, dict | None) or not isinstance(record.get("content"), str):
        return record
    made = f"hash:{terms.embed}, made for tests"
    return {
        **record,
        _EMBEDDING: embedding_for(record["content"], terms.embed),
        "metadata": {**(metadata or {}), MADE: made},
    }


def _require_types(record: Record) -> None:
    for field, types in _TYPES.items():
        value: object = record.get(field)
        if value is None:
            continue
        if not isinstance(value, types) or isinstance(value, bool):
            words = " or ".join(dict.fromkeys(_WORDS[one] for one in types))
            raise _BadRowError(f"its {field} is no {words}")
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise _BadRowError(f"its {field} is no list of texts")


def _ready(terms: Terms, row: Row, ref: EntityRef, parsed: Parsed) -> Ready:
    content = dump(parsed.value, _STYLE, finite=True)
    if len(content) > DEFAULT_CAPS.of(ref.kind):
        raise _BadRowError(f"would be a file of more than {DEFAULT_CAPS.of(ref.kind)} bytes")
    digest = hashlib.sha256(content).hexdigest()
    hashed = Hashed(ref.kind, terms.layout.path_for(ref), terms.access, digest)
    file, vector = judge_document(terms.layout, hashed, parsed)
    if file.ref != ref:
        raise _BadRowError(file.problem or "its id is not where the layout has it")
    if file.embedding is EmbeddingState.MISTYPED:
        raise _BadRowError("its embedding is no list of numbers")
    if file.embedding is EmbeddingState.NOT_FINITE:
        raise _BadRowError("its embedding holds a number that no float32 can")
    numbers = vector.tobytes() if vector is not None else None
    source = source_of(row) if terms.keep else None
    facts = _entry(terms.layout, ref, file, digest) if terms.bare else _unhashed(file)
    return Ready(row.number, ref, content, facts, numbers, source)


def _entry(layout: Layout, ref: EntityRef, file: EntityFile, sha256: str) -> Entry:
    row = layout.row_for(file, None, ())
    return Entry(ref, file.path, sha256, file.embedding, file.dim, row)


def _unhashed(file: EntityFile) -> EntityFile:
    """The file without the hash of its text, for as many are held as there are rows."""
    if file.record is None:
        return file
    return file._replace(record=file.record._replace(content_sha256=None))


def memory_documents(get: Callable[[str], bytes | None]) -> Lookup:
    """Memories by id as documents, from their bytes; what does not parse is not there."""

    def look_up(memory_id: str) -> Mapping[str, Any] | None:
        raw = get(memory_id)
        try:
            value = parse(raw).value if raw is not None else None
        except ParseFailure:
            return None
        return value if isinstance(value, dict) else None

    return look_up
