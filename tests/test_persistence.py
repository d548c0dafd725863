"""The library's daily business on a store of its own and on real Memory Cores' layouts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthstore import (
    CorruptEntityError,
    MemoryEntry,
    MemoryPersistence,
    NotAStoreError,
    RefusedError,
    StoreConfig,
    UsageError,
)
from synthstore.files.appending import GrowingFile
from synthstore.testing.spelling import Name
from synthstore.testing.stores import build, unit_vectors
from tests import oracle
from tests.persistence_stores import (
    DIM,
    assembly,
    catalog,
    log_lines,
    memories,
    memory,
    rows,
    run_count,
)
from tests.trees import sha_tree

LAYOUTS: tuple[Name, ...] = ("native", "core-4", "core-3")


async def test_the_constructor_touches_nothing(tmp_path: Path) -> None:
    p = MemoryPersistence(tmp_path / "store")
    assert not (tmp_path / "store").exists()
    for call in (p.flush, p.list_memories, p.stats):
        with pytest.raises(UsageError, match="not open"):
            await call()
    await p.close()
    with pytest.raises(UsageError):
        MemoryPersistence(tmp_path, on_conflict="maybe")  # type: ignore[arg-type]


@pytest.mark.parametrize("there", [True, False])
async def test_an_empty_folder_becomes_a_native_store(tmp_path: Path, there: bool) -> None:
    root = tmp_path / "deep" / "store"
    if there:
        root.mkdir(parents=True)
    p = await MemoryPersistence(StoreConfig(storage_path=root)).open()
    assert (await p.stats())["layout"] == "native"
    assert await p.open() is p
    await p.save_memory(memory())
    await p.close()
    await p.close()
    assert oracle.problems(root, "native") == []
    assert catalog(root)["metadata"]["memory_count"] == 1


async def test_a_folder_with_something_else_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear all")
    before = sha_tree(tmp_path, skip="")
    with pytest.raises(NotAStoreError):
        await MemoryPersistence(tmp_path).open()
    assert sha_tree(tmp_path, skip="") == before


async def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    entry = memory(extra={"mood": ["calm", None]}, metadata={"source": "lab"}, access_count=3)
    group = assembly([entry])
    async with MemoryPersistence(tmp_path) as p:
        assert await p.save_memory(entry) is True
        assert await p.save_assembly(group) is True
        assert await p.load_memory(entry.memory_id) == entry
        assert await p.load_assembly(group.assembly_id) == group
    async with MemoryPersistence(tmp_path) as p:
        assert await p.load_memory(entry.memory_id) == entry
        assert await p.load_assembly(group.assembly_id) == group
        assert await p.load_memory("nobody") is None
        assert await p.load_assembly("nothing") is None


async def test_a_save_is_in_its_file_before_it_returns(tmp_path: Path) -> None:
    async with MemoryPersistence(tmp_path) as p:
        entry = memory()
        await p.save_memory(entry)
        document = json.loads((tmp_path / "memories" / "memory-0.json").read_bytes())
        assert document["content"] == "note 0"
        assert [(line["op"], line["id"]) for line in log_lines(tmp_path)] == [("save", "memory-0")]
        assert rows(tmp_path) == {}, "the catalog is not written at every save"
        assert not (tmp_path / "vector_index").exists()
        await p.flush()
        assert list(rows(tmp_path)) == ["memory-0"]
        assert log_lines(tmp_path) == []


async def test_a_catalog_row_says_what_the_design_says(tmp_path: Path) -> None:
    async with MemoryPersistence(tmp_path) as p:
        await p.save_memory(memory(quickrecal_score=0.85))
        await p.save_assembly(assembly(memories(2)))
        assert [listed.member_count for listed in await p.list_assemblies()] == [2]
    (row,) = rows(tmp_path).values()
    assert row.keys() == {
        "filepath", "created_at", "updated_at", "quickrecal_score", "content_hash"
    }  # fmt: skip
    (group,) = catalog(tmp_path)["assemblies"].values()
    assert group["member_count"] == 2
    metadata = catalog(tmp_path)["metadata"]
    assert (metadata["memory_count"], metadata["assembly_count"]) == (1, 1)
    assert metadata["version"] == "2.3.0"
    assert metadata["last_updated"] >= row["updated_at"]


async def test_updated_at_always_grows(tmp_path: Path) -> None:
    future = datetime.now(UTC) + timedelta(days=400)
    async with MemoryPersistence(tmp_path) as p:
        entry = memory()
        await p.save_memory(entry)
        first = entry.updated_at
        await p.save_memory(entry)
        assert first is not None
        assert entry.updated_at is not None
        assert entry.updated_at > first
        path = tmp_path / "memories" / "memory-0.json"
        document = json.loads(path.read_bytes())
        document["updated_at"] = future.isoformat()
        path.write_text(json.dumps(document))
        await p.flush()
        ahead = await p.load_memory("memory-0")
        assert ahead is not None
        await p.save_memory(ahead)
        assert ahead.updated_at == future + timedelta(microseconds=1)


async def test_deleting_is_for_good(tmp_path: Path) -> None:
    async with MemoryPersistence(tmp_path) as p:
        await p.save_memories_batch(memories(3))
        await p.save_assembly(assembly(memories(2)))
        await p.flush()
        assert await p.delete_memory("memory-1") is True
        assert await p.delete_memory("memory-1") is False
        assert await p.load_memory("memory-1") is None
        assert sorted(row.id for row in await p.list_memories()) == ["memory-0", "memory-2"]
        assert not (tmp_path / "memories" / "memory-1.json").exists()
        assert await p.delete_assembly("group-theme") is True
        assert await p.delete_assembly("group-theme") is False
        assert await p.list_assemblies() == []
    assert sorted(rows(tmp_path)) == ["memory-0", "memory-2"]
    assert oracle.problems(tmp_path, "native") == []


async def test_a_deletion_is_on_the_disk_before_the_file_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = StoreConfig(storage_path=tmp_path, flush_threshold=1000)
    async with MemoryPersistence(config) as p:
        await p.save_memory(memory())
        path = tmp_path / "memories" / "memory-0.json"
        synced: list[bool] = []
        sync = GrowingFile.sync

        def watched(file: GrowingFile) -> None:
            synced.append(path.exists())
            sync(file)

        monkeypatch.setattr(GrowingFile, "sync", watched)
        assert await p.delete_memory("memory-0")
        assert synced == [True]


async def test_what_was_deleted_can_be_saved_anew(tmp_path: Path) -> None:
    async with MemoryPersistence(tmp_path) as p:
        await p.save_memory(memory())
        await p.delete_memory("memory-0")
        again = memory(metadata={"again": True})
        await p.save_memory(again)
        assert await p.load_memory("memory-0") == again
        await p.flush()
        assert await p.load_memory("memory-0") == again
    async with MemoryPersistence(tmp_path) as p:
        assert [row.id for row in await p.list_memories()] == ["memory-0"]


async def test_listing_opens_no_entity_file(tmp_path: Path) -> None:
    async with MemoryPersistence(tmp_path) as p:
        await p.save_memories_batch(memories(5))
    async with MemoryPersistence(StoreConfig(storage_path=tmp_path, auto_repair=False)) as p:
        await p.save_memory(memory(5))
        for path in (tmp_path / "memories").iterdir():
            path.write_bytes(b"torn")
        listed = await p.list_memories()
        assert [row.id for row in listed] == [f"memory-{n}" for n in range(6)]
        assert all(row.content_hash and row.quickrecal_score == 0.5 for row in listed)
        with pytest.raises(CorruptEntityError):
            await p.load_memory("memory-0")
        for n in range(6):
            (tmp_path / "memories" / f"memory-{n}.json").unlink()
            await p.delete_memory(f"memory-{n}")


async def test_a_damaged_file_is_told_with_what_is_whole_of_it(tmp_path: Path) -> None:
    async with MemoryPersistence(StoreConfig(storage_path=tmp_path, auto_repair=False)) as p:
        await p.save_memories_batch(memories(4))
        await p.flush()
        folder = tmp_path / "memories"
        torn = (folder / "memory-0.json").read_bytes()
        (folder / "memory-0.json").write_bytes(torn[: len(torn) // 2])
        with pytest.raises(CorruptEntityError, match="does not parse") as error:
            await p.load_memory("memory-0")
        assert error.value.fields["content"] == "note 0"
        assert "synthstore repair" in str(error.value.hint)
        rotten = (folder / "memory-1.json").read_bytes().replace(b"note 1", b"nose 1")
        (folder / "memory-1.json").write_bytes(rotten)
        with pytest.raises(CorruptEntityError, match="content_hash") as error:
            await p.load_memory("memory-1")
        assert error.value.fields["content"] == "nose 1"
        (folder / "memory-2.json").write_bytes((folder / "memory-3.json").read_bytes())
        with pytest.raises(CorruptEntityError, match="bears the id 'memory-3'"):
            await p.load_memory("memory-2")
        (folder / "memory-3.json").unlink()
        with pytest.raises(CorruptEntityError, match="missing"):
            await p.load_memory("memory-3")


async def test_rot_behind_a_save_is_not_folded_as_truth(tmp_path: Path) -> None:
    path = tmp_path / "memories" / "memory-0.json"
    async with MemoryPersistence(StoreConfig(storage_path=tmp_path, auto_repair=False)) as p:
        await p.save_memory(memory())
        path.write_bytes(path.read_bytes().replace(b"note 0", b"nose 0"))
        with pytest.raises(CorruptEntityError):
            await p.load_memory("memory-0")
        await p.flush()
        with pytest.raises(CorruptEntityError):
            await p.load_memory("memory-0")


async def test_a_newer_file_of_another_writer_is_believed(tmp_path: Path) -> None:
    async with MemoryPersistence(tmp_path) as p:
        await p.save_memory(memory())
        await p.flush()
        path = tmp_path / "memories" / "memory-0.json"
        document = json.loads(path.read_bytes())
        document |= {"content": "theirs", "updated_at": "2099-01-01T00:00:00"}
        path.write_text(json.dumps(document))
        found = await p.load_memory("memory-0")
        assert found is not None
        assert found.content == "theirs"


@pytest.mark.parametrize(
    "bad",
    ["", "../x", "a/b", "a\0b", "a\nb", "-rf", ".hid", "x" * 201, "\ud800", "asm:x", "é" * 101],
)
async def test_ids_are_checked_before_anything_is_written(tmp_path: Path, bad: str) -> None:
    (tmp_path / "store").mkdir()
    async with MemoryPersistence(tmp_path / "store") as p:
        before = sha_tree(tmp_path, skip="")
        with pytest.raises(UsageError, match="the id"):
            await p.save_memory(MemoryEntry("x", memory_id=bad))
        with pytest.raises(UsageError, match="the id"):
            await p.save_memories_batch([memory(), MemoryEntry("x", memory_id=bad)])
        assert sha_tree(tmp_path, skip="") == before


@pytest.mark.parametrize(
    "fields",
    [
        {"embedding": [float("nan")] * DIM},
        {"metadata": {"n": float("inf")}},
        {"metadata": {"n": 2**70}},
        {"metadata": {1: "x"}},
        {"metadata": {"when": datetime.now(UTC)}},
        {"extra": {"text": "\ud800"}},
    ],
)
async def test_what_json_cannot_hold_is_refused(tmp_path: Path, fields: dict[str, Any]) -> None:
    async with MemoryPersistence(tmp_path) as p:
        with pytest.raises(UsageError):
            await p.save_memory(MemoryEntry("x", **fields))
        assert log_lines(tmp_path) == []


async def test_an_embedding_may_be_set_to_any_sequence_of_numbers(tmp_path: Path) -> None:
    async with MemoryPersistence(tmp_path) as p:
        await p.save_memory(memory())
        found = await p.load_memory("memory-0")
        assert found is not None
        found.embedding = [0.5] * DIM  # type: ignore[assignment]
        assert await p.save_memory(found)
        again = await p.load_memory("memory-0")
        assert again is not None
        assert again.embedding is not None
        assert again.embedding.tolist() == [0.5] * DIM
        before = sha_tree(tmp_path)
        for bad in (["a"] * DIM, [[0.5] * DIM]):
            found.embedding = bad  # type: ignore[assignment]
            with pytest.raises(UsageError, match="embedding"):
                await p.save_memory(found)
        assert sha_tree(tmp_path) == before


async def test_a_file_that_cannot_be_rewritten_is_not(tmp_path: Path) -> None:
    async with MemoryPersistence(tmp_path) as p:
        await p.save_memory(memory())
        path = tmp_path / "memories" / "memory-0.json"
        raw = path.read_bytes().replace(b'"metadata": {}', b'"metadata": {"a": 1, "a": 2}')
        path.write_bytes(raw)
        await p.flush()
        with pytest.raises(RefusedError, match="without changing it"):
            await p.save_memory(memory())
        assert path.read_bytes() == raw


async def test_batches_and_streams(tmp_path: Path) -> None:
    config = StoreConfig(storage_path=tmp_path, chunk_size=4)

    async def arriving() -> AsyncIterator[MemoryEntry]:
        for entry in memories(5, start=10):
            await asyncio.sleep(0)
            yield entry

    async with MemoryPersistence(config) as p:
        assert await p.save_memories_batch(memories(10)) == 10
        assert await p.save_memories_batch(arriving()) == 5
        assert await p.save_assemblies_batch([assembly(memories(2), f"{n}") for n in range(3)]) == 3
        assert [m.memory_id async for m in p.load_memories()] == [f"memory-{n}" for n in range(15)]
        found = [m async for m in p.load_memories(["memory-3", "nobody", "memory-1"])]
        assert [m.memory_id for m in found] == ["memory-3", "memory-1"]
        assert len([a async for a in p.load_assemblies()]) == 3
        assert run_count(tmp_path, "fold") == 0
    assert run_count(tmp_path, "fold") == 1, "one catalog update for all of it"
    assert oracle.problems(tmp_path, "native") == []


async def test_a_batch_holds_a_chunk_at_a_time(tmp_path: Path) -> None:
    alive: list[int] = []

    def counted() -> Any:
        for n in range(12):
            saved = len(list((tmp_path / "memories").glob("memory-*.json")))
            alive.append(n - saved)
            yield memory(n)

    async with MemoryPersistence(StoreConfig(storage_path=tmp_path, chunk_size=3)) as p:
        await p.save_memories_batch(counted())
    assert max(alive) <= 3


async def test_the_same_memory_twice_in_a_batch_is_saved_twice(tmp_path: Path) -> None:
    async with MemoryPersistence(tmp_path, on_conflict="error") as p:
        one = memory()
        assert await p.save_memories_batch([one, memory(1), one]) == 3
        assert await p.load_memory("memory-0") == one


async def test_a_stream_passes_over_damage_if_asked(tmp_path: Path) -> None:
    async with MemoryPersistence(StoreConfig(storage_path=tmp_path, auto_repair=False)) as p:
        await p.save_memories_batch(memories(3))
        (tmp_path / "memories" / "memory-1.json").write_bytes(b"{")
        with pytest.raises(CorruptEntityError):
            [m async for m in p.load_memories()]
        found = [m.memory_id async for m in p.load_memories(skip_corrupt=True)]
        assert found == ["memory-0", "memory-2"]


async def test_search_follows_every_change(tmp_path: Path) -> None:
    vectors = unit_vectors(4, DIM, seed=900)
    async with MemoryPersistence(tmp_path) as p:
        assert await p.search(vectors[0]) == []
        entry = memory(embedding=vectors[0])
        await p.save_memory(entry)
        await p.save_assembly(assembly([entry]))
        assert [hit[0] for hit in await p.search(vectors[0], 5)] == ["memory-0"]
        entry.embedding = vectors[1]
        await p.save_memory(entry)
        (hit,) = await p.search(vectors[1])
        assert (hit[0], round(hit[1], 5)) == ("memory-0", 1.0)
        await p.flush()
        (hit,) = await p.search(vectors[1])
        assert (hit[0], round(hit[1], 5)) == ("memory-0", 1.0)
        entry.embedding = None
        await p.save_memory(entry)
        assert await p.search(vectors[1]) == []
        await p.save_memory(memory(1, embedding=vectors[2]))
        await p.delete_memory("memory-1")
        assert await p.search(vectors[2]) == []
        with pytest.raises(UsageError):
            await p.search([1.0, 2.0])
    assert oracle.problems(tmp_path, "native") == []


async def test_the_cache_serves_only_what_is_still_so(tmp_path: Path) -> None:
    config = StoreConfig(storage_path=tmp_path, cache_size=2)
    async with MemoryPersistence(config) as p, MemoryPersistence(tmp_path) as other:
        await p.save_memories_batch(memories(3))
        first = await p.load_memory("memory-0")
        assert first is not None
        first.metadata["mine"] = True
        again = await p.load_memory("memory-0")
        assert again is not None
        assert again.metadata == {}, "what a caller does to his copy is his"
        assert (await p.stats())["cache"]["hits"] == 1
        theirs = await other.load_memory("memory-0")
        assert theirs is not None
        theirs.content = "theirs"
        await other.save_memory(theirs)
        found = await p.load_memory("memory-0")
        assert found is not None
        assert found.content == "theirs"
        for n in range(3):
            await p.load_memory(f"memory-{n}")
        assert (await p.stats())["cache"]["held"] == 2
        await other.delete_memory("memory-2")
        assert await p.load_memory("memory-2") is None


async def test_what_was_not_used_for_longest_leaves_the_cache(tmp_path: Path) -> None:
    async with MemoryPersistence(StoreConfig(storage_path=tmp_path, cache_size=2)) as p:
        await p.save_memories_batch(memories(3))
        for n in (0, 1, 0, 2, 0):
            await p.load_memory(f"memory-{n}")
        assert (await p.stats())["cache"]["hits"] == 2


async def test_without_a_cache_every_load_reads(tmp_path: Path) -> None:
    async with MemoryPersistence(StoreConfig(storage_path=tmp_path, cache_size=0)) as p:
        await p.save_memory(memory())
        for _ in range(3):
            assert await p.load_memory("memory-0") is not None
        assert (await p.stats())["cache"] == {"size": 0, "held": 0, "hits": 0, "misses": 0}


async def test_verify_and_repair_gives_the_document_that_repair_prints(tmp_path: Path) -> None:
    import jsonschema  # noqa: PLC0415

    async with MemoryPersistence(tmp_path) as p:
        await p.save_memories_batch(memories(3))
        await p.flush()
        (tmp_path / "memories" / "stray.json").write_bytes(
            (tmp_path / "memories" / "memory-0.json").read_bytes().replace(b"memory-0", b"stray")
        )
        report = await p.verify_and_repair_consistency()
        assert (report["command"], report["clean"]) == ("repair", True)
        assert {action["kind"] for action in report["actions"]} >= {"adopt-row", "add-vector"}
        assert json.loads(json.dumps(report)) == report
        schema = Path(__file__).parents[1] / "synthstore" / "schemas" / "report-1.json"
        jsonschema.validate(report, json.loads(schema.read_bytes()))
        assert await p.load_memory("stray") is not None
        assert len(await p.list_memories()) == 4
    assert oracle.problems(tmp_path, "native") == []


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_stores_of_every_layout_are_kept_in_their_own_spelling(
    tmp_path: Path, layout: Name
) -> None:
    built = build(layout, tmp_path / "store")
    before = sha_tree(built.root)
    vector = unit_vectors(1, DIM, seed=31)[0]
    async with MemoryPersistence(built.root) as p:
        assert (p.opening_report["clean"], p.opening_report["layout"]) == (True, layout)
        assert len(await p.list_memories()) == 12
        loaded = [m async for m in p.load_memories()]
        assert {m.memory_id for m in loaded} == set(built.memories)
        entry = MemoryEntry("fresh", vector, memory_id="mem_0123456789ab")
        await p.save_memory(entry)
        edited = await p.load_memory(built.memories[0])
        assert edited is not None
        edited.content = "edited"
        await p.save_memory(edited)
        group = await p.load_assembly(built.assemblies[0])
        assert group is not None
        group.memory_ids.append(entry.memory_id)
        await p.save_assembly(group)
        assert (await p.search(vector, 1))[0][0] == "mem_0123456789ab"
    assert oracle.problems(built.root, layout) == []
    after = sha_tree(built.root)
    touched = {built.paths[built.memories[0]], built.paths[built.assemblies[0]]}
    for path, mark in before.items():
        if path not in touched | built.parts:
            assert after[path] == mark
    document = built.read(built.memories[0])
    assert list(document) == list(built.docs[built.memories[0]])
    assert document["content"] == "edited"


async def test_vectors_are_normalised_where_the_store_does_so(tmp_path: Path) -> None:
    built = build("core-4", tmp_path / "store")
    for n, name in enumerate(built.memories):
        long = [float(x * (2 + n)) for x in built.embedding(name)]
        built.edit(name, partial(_set_embedding, long))
    async with MemoryPersistence(StoreConfig(storage_path=built.root, auto_repair=False)) as p:
        vector = unit_vectors(1, DIM, seed=31)[0]
        await p.save_memory(MemoryEntry("x", 5 * vector, memory_id="mem_0123456789ab"))
    assert np.allclose(built.vectors().vectors[-1], vector, atol=1e-6)


def _set_embedding(values: list[float], document: dict[str, Any]) -> None:
    document["embedding"] = values


async def test_a_real_store_is_kept(real_copy: Any) -> None:
    root = real_copy("core-4-sixty")
    async with MemoryPersistence(root) as p:
        assert len(await p.list_memories()) == 60
        loaded = [m async for m in p.load_memories()]
        assert len(loaded) == 60
        loaded[0].content = "edited"
        await p.save_memory(loaded[0])
        assert loaded[3].embedding is not None
        found = await p.search(loaded[3].embedding, 1)
        assert found[0][0] == loaded[3].memory_id
        report = await p.verify_and_repair_consistency()
        assert not [f for f in report["findings"] if f["severity"] == "error"]
