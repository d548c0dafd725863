"""What a busy program does with a store, and for how long its event loop stands still meanwhile.

Run as a program, ``python -m tests.loop_watch STORE``, it prints the shortest of several tries for
each act, in milliseconds, as JSON. In a process of its own, because a coverage tracer slows the
loop's thread and the writing thread down by several times.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from synthstore import MemoryEntry, MemoryPersistence, StoreConfig
from synthstore.testing.stores import unit_vectors

LIMIT = 0.010
"""Seconds for which a loop may stand still."""

DIM = 768
ATTEMPTS = 12

Act = Callable[[], Awaitable[object]]


async def longest_gap(act: Act) -> float:
    """For how long at most ``act`` kept the loop from running, in seconds.

    Only as much counts as this process worked meanwhile: what other processes take is not ours.
    """
    worst = 0.0

    async def watch() -> None:
        nonlocal worst
        before = time.perf_counter(), time.process_time()
        while True:
            await asyncio.sleep(0.0005)
            now = time.perf_counter(), time.process_time()
            worst = max(worst, min(now[0] - before[0], now[1] - before[1]))
            before = now

    watcher = asyncio.create_task(watch())
    await asyncio.sleep(0.01)
    worst = 0.0
    try:
        await act()
        await asyncio.sleep(0.002)
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher
    return worst


def fresh(count: int) -> list[MemoryEntry]:
    """New memories with embeddings."""
    vectors = unit_vectors(count, DIM, seed=int(time.time_ns() % 10_000))
    return [MemoryEntry(f"note {n}", vector) for n, vector in enumerate(vectors)]


class Acts:
    """What a busy program does with a store."""

    def __init__(self, p: MemoryPersistence) -> None:
        self.p = p
        self.query = unit_vectors(1, DIM, seed=5)[0]

    async def save(self) -> None:
        for entry in fresh(20):
            await self.p.save_memory(entry)

    async def batch(self) -> None:
        await self.p.save_memories_batch(self.made)

    async def load(self) -> None:
        for row in (await self.p.list_memories())[-100:]:
            await self.p.load_memory(row.id)

    async def stream(self) -> None:
        ids = [row.id for row in (await self.p.list_memories())[-200:]]
        assert len([m async for m in self.p.load_memories(ids)]) == 200

    async def search(self) -> None:
        for _ in range(5):
            await self.p.search(self.query, 10)

    async def delete(self) -> None:
        for row in (await self.p.list_memories())[-5:]:
            assert await self.p.delete_memory(row.id)

    @property
    def all(self) -> tuple[Act, ...]:
        self.made = fresh(1000)
        return (self.save, self.batch, self.load, self.stream, self.search, self.delete)


async def shortest(act: Act) -> float:
    """The shortest of the longest gaps of several tries; a busy machine adds to single ones."""
    best = await longest_gap(act)
    for _ in range(ATTEMPTS - 1):
        if best <= LIMIT:
            break
        best = min(best, await longest_gap(act))
    return best


async def _main(store: Path) -> dict[str, float]:
    async with MemoryPersistence(StoreConfig(storage_path=store, auto_repair=False)) as p:
        acts = Acts(p)
        await p.search(acts.query, 1)
        return {act.__name__: 1000 * await shortest(act) for act in (*acts.all, p.flush)}


if __name__ == "__main__":
    # The collector's pauses are the interpreter's; they grow with all that a program keeps.
    gc.disable()
    sys.stdout.write(json.dumps(asyncio.run(_main(Path(sys.argv[1])))))
