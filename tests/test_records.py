"""Records: what goes in comes out, whatever the layout and however odd the keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from synthstore.layout.base import Layout
from synthstore.layout.conversion import NOTE, to_native
from synthstore.migrate.converting import same
from synthstore.model.ids import Kind
from synthstore.transfer.crossing import document_of, needs_memories
from synthstore.transfer.records import RecordError, field_keys, record_of, require_record
from tests.layouts import CORE3, CORE4, LAYOUTS, NATIVE

Doc = dict[str, Any]

TEN = frozenset(
    {
        "id", "content", "embedding", "timestamp", "quickrecal_score", "quickrecal_updated",
        "metadata", "access_count", "last_access_time", "hyperbolic_embedding",
    }
)  # fmt: skip
WORDS = (
    "id", "memory_id", "assembly_id", "kind", "layout", "record", "members", "memories", "spelt",
    "timestamp", "created_at", "$created_at", "$$timestamp", "memory_ids", "text", NOTE, "mood",
)  # fmt: skip
numbers = st.one_of(st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, width=64))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
keys = st.one_of(st.sampled_from(WORDS), st.text(min_size=1, max_size=6))
times = st.sampled_from(
    ["2025-03-15T14:32:01.123456", "2025-03-15T14:32:01", "2025-03-15T16:32:01+02:00", 1742049121.5]
)
vectors = st.one_of(st.none(), st.lists(st.floats(-1, 1), min_size=3, max_size=3))
native_memories = st.fixed_dictionaries(
    {"memory_id": st.just("a"), "content": st.text(max_size=9)},
    optional={
        "embedding": vectors,
        "created_at": times,
        "updated_at": times,
        "quickrecal_score": st.floats(0, 1),
        "metadata": st.dictionaries(keys, values, max_size=3),
        "access_count": st.integers(0, 2**63),
    },
)
native_assemblies = st.fixed_dictionaries(
    {"assembly_id": st.just("a"), "memory_ids": st.lists(st.sampled_from("xyz"), unique=True)},
    optional={
        "name": st.text(max_size=5),
        "description": st.text(max_size=5),
        "composite_embedding": vectors,
        "created_at": times,
        "updated_at": times,
        "tags": st.lists(st.text(max_size=3), max_size=2),
    },
)
extras = st.dictionaries(keys, values, max_size=4)
CORE_KEYS = ("id", "content", "timestamp", "memories", "memory_ids", "assembly_id", *WORDS)


def spelling(document: Mapping[str, Any]) -> str:
    """The text of a document: order, and 1 beside 1.0, count."""
    return json.dumps(document)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@pytest.mark.parametrize("kind", ["memory", "assembly"])
@settings(max_examples=40, deadline=None)
@given(document=st.dictionaries(st.one_of(keys, st.sampled_from(CORE_KEYS)), values, max_size=8))
def test_any_document_comes_back_as_it_was(layout: Layout, kind: Kind, document: Doc) -> None:
    document |= {layout.id_key(kind): "an id"}
    record = json.loads(json.dumps(record_of(layout, kind, document)))
    assert require_record(record)["id"] == "an id"
    assert spelling(document_of(record, layout)) == spelling(document)


@settings(max_examples=40, deadline=None)
@given(document=native_memories, extra=extras)
@example(document={"memory_id": "a", "content": ""}, extra={"$created_at": None})
def test_a_native_memory_goes_through_a_memory_core_and_back(document: Doc, extra: Doc) -> None:
    document = extra | document
    there = document_of(record_of(NATIVE, "memory", document), CORE4)
    assert there.keys() == TEN
    back = document_of(record_of(CORE4, "memory", there), NATIVE)
    assert same(back, document)


@settings(max_examples=40, deadline=None)
@given(document=native_assemblies)
def test_a_native_assembly_goes_through_a_memory_core_and_back(document: Doc) -> None:
    memories = {name: {"id": name, "content": name} for name in "xy"}
    record = record_of(NATIVE, "assembly", document)
    assert needs_memories(record, CORE4)
    there = document_of(record, CORE4, memories.get)
    wanted = [name for name in document["memory_ids"] if name in memories]
    assert there["memories"] == [memories[name] for name in wanted]
    back = document_of(record_of(CORE4, "assembly", there), NATIVE, memories.get)
    assert same(back, document)


def test_a_copy_of_a_memory_that_is_nowhere_else_is_kept() -> None:
    copy = {"id": "lost", "content": "only here"}
    core = {"id": "a", "assembly_id": "a", "memories": [copy, {"id": "x", "content": "x"}]}
    record = record_of(CORE4, "assembly", core)
    assert record["memory_ids"] == ["lost", "x"]
    native = document_of(record, NATIVE, {"x": {"memory_id": "x"}}.get)
    assert (native["memory_ids"], native["memories"]) == (["lost", "x"], [copy])
    assert "$assembly_id" not in native
    again = document_of(record_of(NATIVE, "assembly", native), CORE4, {"x": {"id": "x"}}.get)
    renewed, other = again["memories"]
    assert renewed.keys() == TEN
    assert (renewed["content"], other) == ("only here", {"id": "x"})


def test_an_older_memory_becomes_one_of_the_newest() -> None:
    older = {"id": "m", "content": "c", "timestamp": 1742049121.25, "quickrecal_updated": 5.5}
    newest = document_of(record_of(CORE3, "memory", older), CORE4)
    assert newest.keys() == TEN
    assert newest["timestamp"] == "2025-03-15T14:32:01.250000+00:00"
    assert newest["last_access_time"] == newest["timestamp"]
    assert newest["quickrecal_updated"] == "1970-01-01T00:00:05.500000+00:00"


def test_older_keys_are_one_field_and_come_back_as_they_were() -> None:
    document = {"assembly_id": "a", "memories": [], "memory_ids": ["x"]}
    record = record_of(CORE3, "assembly", document)
    assert (record["id"], record["memory_ids"]) == ("a", ["x"])
    assert document_of(record, CORE3) == document


def test_a_row_of_nobody_is_written_as_it_is() -> None:
    record = require_record({"kind": "memory", "id": "a", "content": "c", "mood": "calm"})
    assert document_of(record, NATIVE) == {"memory_id": "a", "content": "c", "mood": "calm"}
    core = document_of(record, CORE4)
    assert core == {
        "id": "a",
        "content": "c",
        "metadata": {"mood": "calm", NOTE: {"moved": {"mood": "mood"}}},
    }
    assert to_native(CORE4, "memory", core)["mood"] == "calm"


def test_a_native_document_is_a_record_too() -> None:
    record = require_record({"memory_id": "a", "content": "c"})
    assert (record["kind"], record["id"], record["layout"]) == ("memory", "a", "native")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([], "no JSON object"),
        ({}, "no kind"),
        ({"kind": "dream", "id": "a"}, "neither"),
        ({"kind": "memory"}, "no id"),
        ({"kind": "memory", "id": 7}, "no id"),
        ({"kind": "memory", "id": "a", "record": 2}, "version 2"),
        ({"kind": "memory", "id": "a", "record": True}, "no version"),
        ({"kind": "memory", "id": "a", "layout": 3}, "no name"),
        ({"kind": "memory", "id": "a", "spelt": 3}, "no object"),
    ],
)
def test_what_is_no_record_is_told(value: object, why: str) -> None:
    with pytest.raises(RecordError, match=why):
        require_record(value)


def test_two_fields_that_are_one_are_refused() -> None:
    row = require_record({"kind": "memory", "id": "a", "created_at": "x", "timestamp": "y"})
    row["metadata"] = {}
    assert document_of(row, NATIVE)["timestamp"] == "y"
    lists = {"kind": "assembly", "id": "a", "memory_ids": [], "memories": [], "layout": "native"}
    with pytest.raises(RecordError, match="two fields"):
        document_of(lists | {"members": []}, NATIVE)


def test_the_fields_have_an_order() -> None:
    assert tuple(field_keys(NATIVE, "memory"))[:3] == ("id", "content", "embedding")
    assert "members" in field_keys(NATIVE, "assembly")
