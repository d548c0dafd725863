"""One pass over a store: list, read the parts, read the entities in shards, join the facts."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from synthstore.files.walk import look
from synthstore.layout.base import Layout
from synthstore.model.embedding import FloatMatrix
from synthstore.model.facts import (
    CatalogFacts,
    EntityFile,
    FileStatus,
    IndexFacts,
    MappingFacts,
    PartStatus,
)
from synthstore.progress import Progress, SilentProgress
from synthstore.scan.arena import Arena, Shelf, open_arena
from synthstore.scan.inventory import AccessProblem, EmbeddingTable, Inventory, UnfinishedRun
from synthstore.scan.known import NOTHING, Known, share_texts
from synthstore.scan.listing import Listing, access_problem, list_store
from synthstore.scan.pending import with_log
from synthstore.scan.pool import executor_for, shards
from synthstore.scan.shard import DEFAULT_CAPS, Block, Candidate, Caps, ShardFacts, read_shard
from synthstore.scan.strangers import part_strangers
from synthstore.store.catalog import read_catalog
from synthstore.store.changes import read_log
from synthstore.store.runs import unfinished_runs
from synthstore.store.vectors import read_index, read_mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanOptions:
    """How far a scan looks."""

    quick: bool = False
    """Names, sizes, catalog and vector ids only."""
    subset: tuple[int, int] | None = None
    """(n, t): parse only the n-th of t parts of the files, by a hash of their names."""
    jobs: int | None = None
    cluster: str | None = None
    """The address of a Dask scheduler whose workers read the files."""
    caps: Caps = DEFAULT_CAPS
    held: bool = False
    """Take the log as if a library held the store: what is pending is no drift."""

    def parses(self, path: str) -> bool:
        """Whether the file at ``path`` is to be looked into."""
        if self.quick:
            return False
        if self.subset is None:
            return True
        part, parts = self.subset
        return zlib.crc32(path.encode("utf-8", "surrogateescape")) % parts == part - 1


@dataclass(frozen=True, slots=True)
class _Parts:
    catalog: CatalogFacts
    index: IndexFacts
    mappings: tuple[MappingFacts, ...]
    unfinished: tuple[UnfinishedRun, ...]
    access: tuple[AccessProblem, ...]


async def scan(
    root: Path,
    layout: Layout,
    options: ScanOptions | None = None,
    progress: Progress | None = None,
    known: Known = NOTHING,
) -> Inventory:
    """Scan the store at ``root``; damage becomes facts, only inability to look raises.

    What is ``known`` and has not moved is not read again.
    """
    options = options or ScanOptions()
    now_ns = time.time_ns()
    before = await asyncio.to_thread(read_log, root)
    listing = await asyncio.to_thread(list_store, root, layout)
    unread = [_unread(c) for c in listing.candidates if not options.parses(c.path)]
    todo = _todo(listing, options, known)
    # Millions of names and facts are not kept twice while the rest is made of them.
    listing.candidates.clear()
    facts, tables, parts = await _read(root, layout, options, todo, progress)
    files = _join_files(facts, unread)
    facts.clear()
    share_texts(files, parts.catalog)
    tables = _named_by(files, tables)
    entities, strangers = part_strangers(layout, parts.catalog, files)
    # Read last: a file that was seen was announced before it was written.
    after = await asyncio.to_thread(read_log, root)
    inventory = Inventory(
        layout=layout,
        files=entities,
        strays=(*listing.strays, *strangers),
        catalog=parts.catalog,
        index=parts.index,
        mappings=parts.mappings,
        tables=tables,
        folders=_entity_folders(layout, listing),
        unfinished=parts.unfinished,
        access=(*listing.access, *parts.access),
        now_ns=now_ns,
        quick=options.quick,
    )
    return await asyncio.to_thread(with_log, root, inventory, before, after, held=options.held)


async def _read(
    root: Path,
    layout: Layout,
    options: ScanOptions,
    todo: _Todo,
    progress: Progress | None,
) -> tuple[list[ShardFacts], dict[int, EmbeddingTable], _Parts]:
    """The entities, by workers, and the store's parts meanwhile."""
    with ExitStack() as stack:
        executor = stack.enter_context(executor_for(len(todo.read), options.jobs, options.cluster))
        shared = stack.enter_context(_arena_for(executor, options))
        entities = asyncio.create_task(
            _read_entities(executor, shared, (root, layout, options.caps), todo.read, progress)
        )
        try:
            parts = await asyncio.to_thread(_read_parts, root, layout, quick=options.quick)
            facts = [*await entities, todo.known]
        finally:
            # Left alone it would go on submitting to an executor that is shut down.
            entities.cancel()
            await asyncio.gather(entities, return_exceptions=True)
        return facts, _join_tables(facts, shared), parts


def _arena_for(executor: Executor, options: ScanOptions) -> AbstractContextManager[Arena | None]:
    """Shared memory, where the workers are other processes of this machine."""
    elsewhere = options.cluster is not None
    return nullcontext() if elsewhere or isinstance(executor, ThreadPoolExecutor) else open_arena()


class _Todo(NamedTuple):
    read: list[Candidate]
    known: ShardFacts
    """Of files that were read before and have not moved."""


def _todo(listing: Listing, options: ScanOptions, known: Known) -> _Todo:
    wanted = [c for c in listing.candidates if options.parses(c.path)]
    if not known.files:
        return _Todo(wanted, ShardFacts((), {}))
    fresh = [c for c in wanted if not known.has(c)]
    return _Todo(fresh, known.facts([c for c in wanted if known.has(c)]))


async def _read_entities(
    executor: Executor,
    shared: Arena | None,
    how: tuple[Path, Layout, Caps],
    candidates: list[Candidate],
    progress: Progress | None,
) -> list[ShardFacts]:
    """Read the ``candidates``, which are taken out of the list and let go shard by shard."""
    loop = asyncio.get_running_loop()
    root, layout, caps = how
    progress = progress or SilentProgress()
    progress.start("reading", len(candidates))

    async def one(shard: Sequence[Candidate], shelf: Shelf | None) -> ShardFacts:
        task = partial(read_shard, str(root), layout, shard, caps, shelf)
        facts = await loop.run_in_executor(executor, task)
        progress.advance(len(shard))
        return facts

    try:
        async with asyncio.TaskGroup() as group:
            waiting = deque(shards(candidates))
            candidates.clear()
            shelves = list(_shelves(waiting, shared))
            tasks = [group.create_task(one(waiting.popleft(), shelf)) for shelf in shelves]
    except ExceptionGroup as failed:
        # One failure is told: the group cancels the other shards, and they fail of that.
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


def _shelves(shards: Iterable[Sequence[Candidate]], shared: Arena | None) -> Iterator[Shelf | None]:
    """A place in the arena for each shard: as many rows as it has candidates."""
    first = 0
    for shard in shards:
        yield None if shared is None else Shelf(shared.path, first)
        first += len(shard)


def _read_parts(root: Path, layout: Layout, *, quick: bool) -> _Parts:
    index = _index(root, layout, with_vectors=not quick)
    mappings = _relevant([read_mapping(root, path) for path in layout.mapping_paths])
    catalog = read_catalog(root, layout)
    unfinished = tuple(
        UnfinishedRun(run.run, run.command, run.owner_alive) for run in unfinished_runs(root)
    )
    access = tuple(_closed(root, (catalog, index, *mappings)))
    return _Parts(catalog, index, mappings, unfinished, access)


def _index(root: Path, layout: Layout, *, with_vectors: bool) -> IndexFacts:
    if not layout.faiss_path:
        return IndexFacts(PartStatus.MISSING, "")
    return read_index(root, layout.faiss_path, with_vectors=with_vectors)


def _closed(
    root: Path, parts: Iterable[CatalogFacts | IndexFacts | MappingFacts]
) -> Iterator[AccessProblem]:
    """Parts that are files, but whose bytes the system does not give to this user."""
    for part in parts:
        if part.status is not PartStatus.UNREADABLE or part.sha256 is not None:
            continue
        entry = look(root, part.path)
        if entry is not None and entry.kind == "file":
            yield access_problem(root, entry, part.problem or "it cannot be read")


def _relevant(mappings: Sequence[MappingFacts]) -> tuple[MappingFacts, ...]:
    """Keep the mapping files that exist; where none does, the primary one as missing.

    Memory Cores write one name and read another, so any one of them is enough.
    """
    present = tuple(m for m in mappings if m.status is not PartStatus.MISSING)
    return present or tuple(mappings[:1])


def _unread(candidate: Candidate) -> EntityFile:
    return EntityFile(candidate.kind, candidate.path, FileStatus.UNREAD, candidate.stat)


def _join_files(facts: Iterable[ShardFacts], unread: Iterable[EntityFile]) -> list[EntityFile]:
    files = [file for shard in facts for file in shard.files]
    files.extend(unread)
    return sorted(files, key=lambda file: file.path)


def _join_tables(facts: Sequence[ShardFacts], shared: Arena | None) -> dict[int, EmbeddingTable]:
    dims = {dim for shard in facts for dim in (*shard.blocks, *shard.placed)}
    return {dim: _table(list(_blocks(facts, dim, shared))) for dim in sorted(dims)}


def _blocks(facts: Sequence[ShardFacts], dim: int, shared: Arena | None) -> Iterator[Block]:
    placed = [shard.placed[dim] for shard in facts if dim in shard.placed]
    if placed and shared is not None:
        paths = tuple(path for part, _ in placed for path in part)
        yield paths, shared.matrix(dim, [run for _, run in placed])
    yield from (shard.blocks[dim] for shard in facts if dim in shard.blocks)


def _table(blocks: Sequence[Block]) -> EmbeddingTable:
    if len(blocks) == 1:
        return EmbeddingTable(*blocks[0])
    paths = tuple(path for block in blocks for path in block[0])
    matrix: FloatMatrix = np.concatenate([block[1] for block in blocks])
    return EmbeddingTable(paths, matrix)


def _named_by(
    files: Iterable[EntityFile], tables: Mapping[int, EmbeddingTable]
) -> dict[int, EmbeddingTable]:
    """The tables, with the files' own path objects."""
    own = {file.path: file.path for file in files}
    return {
        dim: EmbeddingTable(tuple(map(own.__getitem__, table.paths)), table.matrix)
        for dim, table in tables.items()
    }


def _entity_folders(layout: Layout, listing: Listing) -> dict[str, bool]:
    return {folder: listing.folders.get(folder, True) for folder in layout.entity_folders}
