"""The event loop is never held up for longer than 10 ms, whatever the library does beside it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from synthstore import MemoryEntry, MemoryPersistence, StoreConfig
from tests import spelling
from tests.flat_bytes import Flat
from tests.stores import unit_vectors

LIMIT = 0.010
ROWS, DIM = 20_000, 768
ATTEMPTS = 6

Act = Callable[[], Awaitable[object]]


@pytest.fixture(scope="module")
def large_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 20,000 rows and vectors; its memories are not looked into."""
    root = tmp_path_factory.mktemp("large") / "store"
    (root / "memories").mkdir(parents=True)
    (root / "vector_index").mkdir()
    names = [f"memory-{n:05}" for n in range(ROWS)]
    row = {
        "created_at": "2025-03-15T14:32:01.123456",
        "updated_at": "2025-03-15T14:45:22.654321",
        "quickrecal_score": 0.85,
        "content_hash": "sha256:" + "a" * 64,
    }
    catalog = {
        "memories": {name: {"filepath": f"memories/{name}.json", **row} for name in names},
        "assemblies": {},
        "metadata": {"version": "2.3.0", "memory_count": ROWS, "assembly_count": 0},
    }
    (root / "memory_index.json").write_text(json.dumps(catalog, indent=2))
    ids = np.array([spelling.numeric(name) for name in names], dtype=np.int64)
    vectors = unit_vectors(ROWS, DIM, seed=1)
    (root / "vector_index" / "memory_vectors.faiss").write_bytes(
        Flat("IxM2", False, ids, vectors).dump()  # noqa: FBT003
    )
    mapping = dict(zip(names, ids.tolist(), strict=True))
    (root / "vector_index" / "mapping.json").write_text(json.dumps(mapping))
    return root


async def longest_gap(act: Act) -> float:
    """For how long at most the loop could do nothing else while ``act`` ran, in seconds."""
    worst = 0.0

    async def watch() -> None:
        nonlocal worst
        before = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            worst, before = max(worst, now - before), now

    watcher = asyncio.create_task(watch())
    await asyncio.sleep(0.01)
    worst = 0.0
    try:
        await act()
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher
    return worst


async def require_smooth(act: Act) -> None:
    """Fail if ``act`` holds the loop up every time; a busy machine does so now and then."""
    gaps = []
    for _ in range(ATTEMPTS):
        gaps.append(await longest_gap(act))
        if gaps[-1] <= LIMIT:
            return
    idle = min([await longest_gap(lambda: asyncio.sleep(1)) for _ in range(3)])
    if idle > LIMIT / 2:
        pytest.skip(f"even an idle loop stands still for {idle * 1000:.0f} ms here")
    pytest.fail(f"the loop stood still for {[round(gap * 1000, 1) for gap in gaps]} ms")


def fresh(count: int) -> list[MemoryEntry]:
    """New memories with embeddings."""
    vectors = unit_vectors(count, DIM, seed=int(time.time_ns() % 10_000))
    return [MemoryEntry(f"note {n}", vector) for n, vector in enumerate(vectors)]


async def test_the_watch_sees_what_blocks() -> None:
    async def block() -> None:
        time.sleep(0.05)  # noqa: ASYNC251

    assert await longest_gap(block) > 0.04


async def test_nothing_blocks_the_loop(large_store: Path) -> None:
    config = StoreConfig(storage_path=large_store, auto_repair=False)
    p = MemoryPersistence(config)
    batches = iter([fresh(1000) for _ in range(ATTEMPTS)])
    single = iter(fresh(300))
    query = unit_vectors(1, DIM, seed=5)[0]

    async def save() -> None:
        for _ in range(20):
            await p.save_memory(next(single))

    async def load() -> None:
        for row in (await p.list_memories())[-100:]:
            await p.load_memory(row.id)

    async def search() -> None:
        for _ in range(5):
            await p.search(query, 10)

    async def batch() -> None:
        await p.save_memories_batch(next(batches))

    async def stream() -> None:
        ids = [row.id for row in (await p.list_memories())[-200:]]
        assert len([m async for m in p.load_memories(ids)]) == 200

    async def opened() -> None:
        await p.close()
        await p.open()

    await p.open()
    try:
        await p.search(query, 1)
        for act in (save, batch, load, stream, search, opened):
            await require_smooth(act)
    finally:
        await p.close()
