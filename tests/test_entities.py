"""Memories and assemblies as values, and as documents of each layout."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from synthstore import MemoryAssembly, MemoryEntry, UsageError
from synthstore.layout.core import Core3, Core4
from synthstore.layout.documents import read_entity, spell_entity
from synthstore.layout.native import Native
from synthstore.model.entities import copy_entity
from synthstore.model.ids import EntityRef
from synthstore.testing import spelling
from synthstore.testing.stores import unit_vectors

LAYOUTS = {"native": Native(), "core-4": Core4(), "core-3": Core3()}
VECTOR = unit_vectors(1, 8, seed=3)[0]


def test_what_nobody_gives_is_made() -> None:
    entry = MemoryEntry("a note")
    assert len(entry.memory_id) == 36
    assert entry.memory_id != MemoryEntry("a note").memory_id
    assert entry.created_at == entry.updated_at
    assert entry.created_at is not None
    assert entry.created_at.tzinfo is UTC
    assert (entry.embedding, entry.metadata, entry.extra, entry.base) == (None, {}, {}, None)


def test_embeddings_become_float32_vectors() -> None:
    entry = MemoryEntry("a note", [1, 2.5])
    assert entry.embedding is not None
    assert entry.embedding.dtype == np.float32
    assert entry.embedding.shape == (2,)


@pytest.mark.parametrize(
    "fields",
    [
        {"content": None},
        {"content": "x", "embedding": [[1.0]]},
        {"content": "x", "embedding": ["one"]},
        {"content": "x", "memory_id": 7},
        {"content": "x", "created_at": "yesterday"},
    ],
)
def test_what_is_of_the_wrong_kind_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        MemoryEntry(**fields)


def test_naive_times_are_utc_and_text_is_understood() -> None:
    entry = MemoryEntry("x", created_at=datetime(2025, 3, 15, 14, 32))  # noqa: DTZ001
    assert entry.created_at == datetime(2025, 3, 15, 14, 32, tzinfo=UTC)
    late = MemoryEntry("x", updated_at="2025-03-15T14:32:01+02:00")
    assert late.updated_at == datetime(2025, 3, 15, 12, 32, 1, tzinfo=UTC)


def test_a_copy_shares_nothing_that_can_be_changed() -> None:
    entry = MemoryEntry("x", VECTOR, metadata={"a": {"b": [1]}})
    twin: MemoryEntry = copy_entity(entry)
    assert twin == entry
    twin.metadata["a"]["b"].append(2)
    assert entry.metadata == {"a": {"b": [1]}}
    assert twin != entry
    assert entry != MemoryAssembly("x")


def test_touching_makes_it_newer() -> None:
    for entity in (MemoryEntry("x", updated_at=datetime(2020, 1, 1, tzinfo=UTC)),
                   MemoryAssembly("x", updated_at=datetime(2020, 1, 1, tzinfo=UTC))):  # fmt: skip
        entity.touch()
        assert entity.updated_at is not None
        assert entity.updated_at.year > 2020


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_document_read_and_spelt_again_is_the_same(name: Any) -> None:
    document = spelling.memory(name, "m1", 3, VECTOR)
    document["flavour"] = {"z": 1, "a": [None]}
    layout = LAYOUTS[name]
    entity = read_entity(layout, EntityRef("memory", "m1"), document)
    again = spell_entity(layout, entity, document)
    assert list(again.items()) == list(document.items())
    assert isinstance(entity, MemoryEntry)
    assert entity.extra["flavour"] == {"z": 1, "a": [None]}
    assert np.array_equal(entity.embedding, VECTOR)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", LAYOUTS)
def test_an_assembly_read_and_spelt_again_is_the_same(name: Any) -> None:
    members = [spelling.memory(name, f"m{n}", n, VECTOR) for n in range(3)]
    document = spelling.assembly(name, "a1", 1, members)
    layout = LAYOUTS[name]
    entity = read_entity(layout, EntityRef("assembly", "a1"), document)
    assert isinstance(entity, MemoryAssembly)
    assert entity.memory_ids == ["m0", "m1", "m2"]
    again = spell_entity(layout, entity, document, {})
    assert list(again.items()) == list(document.items())


def test_what_did_not_change_keeps_its_digits() -> None:
    document = spelling.memory("native", "m1", 3, VECTOR)
    document["embedding"] = [0.1, 0.2, 0.12345678901234567]
    document["created_at"] = "2025-03-15 14:32:01"
    entity = read_entity(Native(), EntityRef("memory", "m1"), document)
    assert isinstance(entity, MemoryEntry)
    entity.content = "other"
    again = spell_entity(Native(), entity, document)
    assert again == {**document, "content": "other"}


def test_a_new_memory_is_spelt_as_its_layout_does() -> None:
    made = datetime(2025, 3, 15, 14, 32, 1, 5, tzinfo=UTC)
    entry = MemoryEntry("x", [1.0], memory_id="m", created_at=made, extra={"mood": "calm"})
    native = spell_entity(Native(), entry, None)
    assert native["created_at"] == "2025-03-15T14:32:01.000005"
    assert native["mood"] == "calm"
    core = spell_entity(Core4(), entry, None)
    assert core["timestamp"] == "2025-03-15T14:32:01.000005+00:00"
    assert "mood" not in core, "a Memory Core drops files with unknown keys"
    assert core["metadata"] == {"mood": "calm"}
    known = spelling.memory("core-4", "m", 1, VECTOR)
    assert core.keys() == known.keys()


def test_core_assemblies_embed_their_new_members() -> None:
    docs = {f"m{n}": spelling.memory("core-4", f"m{n}", n, VECTOR) for n in range(2)}
    made = MemoryAssembly("theme", ["m0", "m1", "lost"], assembly_id="asm:1")
    document = spell_entity(Core4(), made, None, docs)
    assert document["memories"] == [docs["m0"], docs["m1"], "lost"]
    assert document["id"] == document["assembly_id"] == "asm:1"


def test_lists_of_ids_stay_lists_of_ids() -> None:
    docs = {"m1": spelling.memory("core-3", "m1", 1, VECTOR)}
    old = {**spelling.assembly("core-3", "asm:1", 1, [docs["m1"]]), "memories": ["m0"]}
    entity = read_entity(Core3(), EntityRef("assembly", "asm:1"), old)
    assert isinstance(entity, MemoryAssembly)
    entity.memory_ids.append("m1")
    assert spell_entity(Core3(), entity, old, docs)["memories"] == ["m0", "m1"]


def test_fields_taken_away_go() -> None:
    document = {**spelling.memory("native", "m1", 3, VECTOR), "mood": "calm"}
    entity = read_entity(Native(), EntityRef("memory", "m1"), document)
    del entity.extra["mood"]
    assert "mood" not in spell_entity(Native(), entity, document)
