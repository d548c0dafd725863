"""What the library costs against the bare operations below it.

Every figure is a ratio within one run, since absolute times drift with the machine. The bare
operation is repeated between ours, so that both meet the same disk.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiofiles
import numpy as np
import orjson

from synthstore import MemoryEntry, MemoryPersistence, StoreConfig
from synthstore.files.syncing import sync_file_system

MICRO = 1e6


@dataclass(frozen=True, slots=True)
class Line:
    """One measurement."""

    what: str
    ours: float
    """Seconds."""
    bare: float | None = None
    bound: float | None = None


def entries(count: int, dim: int, seed: int = 1) -> list[MemoryEntry]:
    """Memories with unit embeddings."""
    raw = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    raw /= np.linalg.norm(raw, axis=1, keepdims=True)
    return [MemoryEntry(f"note {n}", row, metadata={"n": n}) for n, row in enumerate(raw)]


def bare_write(folder: Path, name: str, content: bytes) -> None:
    """Temp, fsync, rename, fsync of the folder."""
    aside = folder / f".tmp-{name}"
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(fd, content)
        os.fsync(fd)
    finally:
        os.close(fd)
    aside.replace(folder / name)
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make names durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def bare_batch(folder: Path, contents: Sequence[bytes]) -> None:
    """All temps, syncfs, all renames, one fsync of the folder."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    for n, content in enumerate(contents):
        with (folder / f".tmp-{n}").open("wb") as file:
            file.write(content)
    sync_file_system(fd)
    for n in range(len(contents)):
        (folder / f".tmp-{n}").rename(folder / f"{n}.json")
    os.fsync(fd)
    os.close(fd)


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    """Seconds that one call takes."""
    start = time.perf_counter()
    await work()
    return time.perf_counter() - start


async def saves(
    stores: Sequence[MemoryPersistence], bare: Path, rounds: int, dim: int
) -> list[float]:
    """Medians of a save to each of ``stores`` in turn, and of the bare write of the same bytes."""
    found: list[list[float]] = [[] for _ in range(len(stores) + 1)]
    await asyncio.to_thread(bare.mkdir)
    for n, entry in enumerate(entries(rounds, dim, seed=7)):
        for p, times in zip(stores, found, strict=False):
            fresh = MemoryEntry(entry.content, entry.embedding, metadata=entry.metadata)
            times.append(await timed(partial(p.save_memory, fresh)))
        path = stores[-1].config.storage_path / "memories" / f"{fresh.memory_id}.json"
        content = path.read_bytes()
        start = time.perf_counter()
        bare_write(bare, f"{n}.json", content)
        found[-1].append(time.perf_counter() - start)
    return [statistics.median(times) for times in found]


async def loads(p: MemoryPersistence, ids: Sequence[str]) -> tuple[float, float, float]:
    """Medians of a cached load, of one that is not, and of aiofiles and orjson alone."""
    fresh, held, bare = [], [], []
    for memory_id in ids:
        path = p.config.storage_path / "memories" / f"{memory_id}.json"
        start = time.perf_counter()
        async with aiofiles.open(path, "rb") as file:
            orjson.loads(await file.read())
        bare.append(time.perf_counter() - start)
        fresh.append(await timed(partial(p.load_memory, memory_id)))
        held.append(await timed(partial(p.load_memory, memory_id)))
    return statistics.median(held), statistics.median(fresh), statistics.median(bare)


async def filled(folder: Path, count: int, dim: int) -> MemoryPersistence:
    """An open store of ``count`` memories."""
    p = await MemoryPersistence(StoreConfig(storage_path=folder)).open()
    await p.save_memories_batch(entries(count, dim))
    await p.flush()
    return p


async def batch(folder: Path, count: int, dim: int) -> list[Line]:
    """A batch, without and with the fold that follows it, and its bytes bare."""
    found = entries(count, dim)
    p = await MemoryPersistence(folder / "batch").open()
    ours = await timed(lambda: p.save_memories_batch(found))
    home = folder / "batch" / "memories"
    contents = [(home / f"{e.memory_id}.json").read_bytes() for e in found]
    folded = await timed(p.close)
    bare = folder / "bare-batch"
    bare.mkdir()
    start = time.perf_counter()
    bare_batch(bare, contents)
    theirs = time.perf_counter() - start
    name = f"batch of {count} x {dim}"
    return [Line(name, ours, theirs, 3), Line(f"{name}, closed and folded", ours + folded, theirs)]


async def measure(folder: Path, large: int, rounds: int) -> list[Line]:
    """All figures."""
    lines = await batch(folder, 10_000, 384)
    small_p = await filled(folder / "small", 100, 768)
    large_p = await filled(folder / "large", large, 768)
    grown, small, bare = await saves((large_p, small_p), folder / "bare", rounds, 768)
    lines.append(Line("save at 100, against a bare durable write", small, bare, 2))
    lines.append(Line(f"save at {large}, against a bare durable write", grown, bare, 2))
    lines.append(Line(f"save at {large}, against one at 100", grown, small, 1.2))
    ids = [row.id for row in (await large_p.list_memories())[:rounds]]
    held, fresh, alone = await loads(large_p, ids)
    lines.append(Line("load, cached, against 20 us", held, 20 / MICRO, 1))
    lines.append(Line("load, not cached, against aiofiles and orjson", fresh, alone, 2))
    query = entries(1, 768, seed=9)[0].embedding
    assert query is not None
    await large_p.search(query, 10)
    lines.append(Line(f"search among {large} x 768", await timed(lambda: large_p.search(query))))
    lines.append(Line(f"flush at {large}", await timed(large_p.flush)))
    await small_p.close()
    await large_p.close()
    return lines
