"""Documents of one layout as those of another, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthstore.layout.conversion import NOTE, conforms, to_native
from synthstore.layout.core_conversion import to_core
from synthstore.model.times import instant_us
from synthstore.testing import spelling
from synthstore.testing.spelling import Doc
from tests.layouts import CORE3, CORE4, NATIVE

TEN = {
    "id", "content", "embedding", "timestamp", "quickrecal_score", "quickrecal_updated", "metadata",
    "access_count", "last_access_time", "hyperbolic_embedding",
}  # fmt: skip

VECTOR = np.array([0.5, -0.25, 0.125], dtype=np.float32)

keys = st.one_of(
    st.sampled_from([*sorted(TEN), NOTE, "mood", "memories", "assembly_id", "updated", "core_id"]),
    st.text(min_size=1, max_size=6),
)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**63),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=6),
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
instants = st.datetimes().map(lambda moment: moment.isoformat(timespec="microseconds"))
times = st.one_of(instants, instants.map(lambda text: text + "Z"), leaves)
extras = st.dictionaries(keys, values, max_size=4)


@st.composite
def memories(draw: st.DrawFn) -> Doc:
    doc = draw(extras)
    fields: dict[str, st.SearchStrategy[Any]] = {
        "content": st.text(max_size=5),
        "embedding": st.one_of(st.none(), st.just([0.5, 1]), values),
        "created_at": times,
        "updated_at": times,
        "quickrecal_score": st.one_of(st.floats(0, 1), values),
        "metadata": st.one_of(extras, values),
        "access_count": st.one_of(st.integers(0, 9), values),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(fields))))
    doc |= {key: draw(fields[key]) for key in fields if key in chosen or key == "content"}
    return doc | {"memory_id": "m"}


@st.composite
def assemblies(draw: st.DrawFn) -> Doc:
    doc = draw(extras)
    fields: dict[str, st.SearchStrategy[Any]] = {
        "name": leaves,
        "description": leaves,
        "composite_embedding": st.just([0.5, 1]),
        "created_at": times,
        "updated_at": times,
        "tags": values,
        "last_activation": times,
        "keywords": values,
    }
    doc |= {key: draw(fields[key]) for key in draw(st.sets(st.sampled_from(sorted(fields))))}
    members = st.lists(st.sampled_from(["m1", "m2", "gone"]), max_size=4)
    return doc | {"assembly_id": "a", "memory_ids": draw(members)}


def same(one: object, other: object) -> bool:
    """Equal, and of the same types: to Python True is 1 is 1.0."""
    return one == other and repr(sorted_keys(one)) == repr(sorted_keys(other))


def sorted_keys(value: object) -> object:
    if isinstance(value, dict):
        return {key: sorted_keys(value[key]) for key in sorted(value)}
    return [sorted_keys(item) for item in value] if isinstance(value, list) else value


@given(memories())
def test_every_memory_has_the_ten_keys_and_comes_back(doc: Doc) -> None:
    core = to_core("memory", doc, {})
    assert core.keys() == TEN
    assert isinstance(core["metadata"], dict)
    assert same(to_native(CORE4, "memory", core), doc)


@given(assemblies())
def test_every_assembly_comes_back(doc: Doc) -> None:
    copies = {name: {"id": name, "content": "c"} for name in ("m1", "m2")}
    core = to_core("assembly", doc, copies)
    wanted = [member for member in doc["memory_ids"] if member != "gone"]
    assert [copy["id"] for copy in core["memories"]] == wanted
    assert same(to_native(CORE4, "assembly", core, copies.keys()), doc)


@pytest.mark.parametrize("index", [0, 1])
def test_a_memory_of_a_core_comes_back_with_iso_times(index: int) -> None:
    old = spelling.memory("core-3", "mem_0", index, VECTOR)
    native = to_native(CORE3, "memory", old)
    assert native["created_at"] == spelling.native_time(spelling.instant(index))
    new = to_core("memory", native, {})
    assert new.keys() == TEN
    assert NOTE not in new["metadata"]
    for key in ("timestamp", "last_access_time"):
        assert isinstance(new[key], str)
        assert instant_us(new[key]) == instant_us(old[key])
    whole = {"quickrecal_updated": None, **old, "timestamp": 0, "last_access_time": 0}
    assert {**new, "timestamp": 0, "last_access_time": 0} == whole


def test_what_core_has_no_place_for_is_seen_in_the_metadata() -> None:
    doc = spelling.memory("native", "m", 0, VECTOR) | {"mood": "calm", "source": [1.5]}
    core = to_core("memory", doc, {})
    assert core["metadata"]["mood"] == "calm"
    assert core["metadata"]["source"] == "lab"
    assert core["metadata"]["source_2"] == [1.5]
    assert core["metadata"][NOTE] == {"moved": {"mood": "mood", "source": "source_2"}}


def test_an_ordinary_memory_needs_no_note() -> None:
    doc = spelling.memory("native", "m", 0, VECTOR)
    assert NOTE not in to_core("memory", doc, {})["metadata"]


def test_what_a_core_changed_meanwhile_stays_changed() -> None:
    doc = spelling.memory("native", "m", 0, VECTOR) | {"updated_at": "2025-03-15T15:00:00Z"}
    core = to_core("memory", doc | {"mood": "calm"}, {})
    core["last_access_time"] = "2025-04-01T00:00:00+00:00"
    core["metadata"] |= {"mood": "angry", "fresh": True}
    back = to_native(CORE4, "memory", core)
    assert back["updated_at"] == "2025-04-01T00:00:00.000000"
    assert back["mood"] == "angry"
    assert back["metadata"] == {**doc["metadata"], "fresh": True}


def test_the_only_copy_of_a_member_stays_in_the_assembly() -> None:
    members = [spelling.memory("core-4", name, n, VECTOR) for n, name in enumerate(("a", "b"))]
    core = spelling.assembly("core-4", "asm:1", 0, members)
    native = to_native(CORE4, "assembly", core, {"a"})
    assert native["memory_ids"] == ["a", "b"]
    assert native["memories"] == [members[1]]
    assert to_core("assembly", native, {"a": members[0]}) == core


def test_string_members_are_embedded() -> None:
    members = [spelling.memory("core-3", name, n, VECTOR) for n, name in enumerate(("a", "b"))]
    old = spelling.assembly("core-3", "asm:1", 0, members) | {"memories": ["a", "b"]}
    assert not conforms("assembly", old)
    copies = {m["id"]: to_core("memory", to_native(CORE3, "memory", m), {}) for m in members}
    new = to_core("assembly", to_native(CORE3, "assembly", old, copies), copies)
    assert new == old | {"memories": list(copies.values())}
    assert conforms("assembly", new)


def test_older_assemblies_list_their_members_elsewhere() -> None:
    old = spelling.assembly("core-3", "asm:1", 0, [spelling.memory("core-3", "a", 0, VECTOR)])
    old = {key: value for key, value in old.items() if key != "memories"} | {"memory_ids": ["a"]}
    native = to_native(CORE3, "assembly", old, {"a"})
    assert native["memory_ids"] == ["a"]
    assert not [key for key in native if key.startswith("core_")]


def test_native_documents_stay_as_they_are() -> None:
    doc = {"memory_id": "m", "content": "c", "zebra": 1}
    assert to_native(NATIVE, "memory", doc) == doc
