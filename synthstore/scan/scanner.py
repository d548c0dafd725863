"""One pass over a store: list, read the parts, read the entities in shards, join the facts."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from synthstore.files.arena import Arena, open_arena
from synthstore.files.memory import MANY, give_back
from synthstore.files.walk import look, stat_columns, statuses
from synthstore.layout.base import Layout
from synthstore.model.catalog import Row
from synthstore.model.columns import RUN, FileRun, FileTable
from synthstore.model.facts import (
    CatalogFacts,
    EntityFile,
    FileStatus,
    IndexFacts,
    MappingFacts,
    PartStatus,
)
from synthstore.model.merging import merged
from synthstore.progress import Progress, SilentProgress
from synthstore.scan.claims import Claims, read_claims, read_index_of
from synthstore.scan.inventory import AccessProblem, EmbeddingTable, Inventory, UnfinishedRun
from synthstore.scan.known import NOTHING, Known
from synthstore.scan.listing import Listing, access_problem, list_store
from synthstore.scan.pending import with_log
from synthstore.scan.pool import executor_for
from synthstore.scan.reading import Reading
from synthstore.scan.shard import DEFAULT_CAPS, Candidate, Caps, ShardFacts
from synthstore.scan.strangers import part_strangers
from synthstore.scan.tables import join_tables
from synthstore.store.changes import read_log
from synthstore.store.flat_index import Twins
from synthstore.store.history import unfinished_runs


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
    index_hash: bool = True
    """Whether the hash of the index is wanted, as by who replaces it."""
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
class _Begun:
    """What is read of the parts while the entities are."""

    claims: Claims
    index: IndexFacts | None
    """None: it is read once the embeddings are there."""


@dataclass(frozen=True, slots=True)
class _Parts:
    claims: Claims
    index: IndexFacts
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
    # Whoever reads a file looks at it as well, and of the others few statuses stand at a time.
    names_only = options.subset is None
    listing = await asyncio.to_thread(list_store, root, layout, names_only=names_only)
    left = (c for c in listing.candidates if not options.parses(c.path))
    unread = await asyncio.to_thread(_unread, root, left, names_only=names_only)
    todo = await asyncio.to_thread(_todo, root, listing, options, known)
    # Millions of names and facts are not kept twice while the rest is made of them.
    listing.candidates.clear()
    facts, tables, parts = await _read(root, layout, options, todo, progress)
    files = merged([*(shard.files for shard in facts), unread])
    facts.clear()
    if len(files) >= MANY:
        give_back()
    entities, strangers = part_strangers(layout, parts.claims.catalog, files)
    # Read last: a file that was seen was announced before it was written.
    after = await asyncio.to_thread(read_log, root)
    inventory = Inventory(
        layout=layout,
        files=entities,
        strays=(*listing.strays, *strangers),
        catalog=parts.claims.catalog,
        index=parts.index,
        mappings=_relevant(parts.claims.mappings),
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
    # Vectors that are embeddings take no room, if these are there first: of many that counts.
    beside = options.quick or len(todo.read) < MANY
    with ExitStack() as stack:
        executor = stack.enter_context(executor_for(len(todo.read), options.jobs, options.cluster))
        shared = stack.enter_context(_arena_for(executor, options))
        reader = partial(_index, root, layout, todo, options) if beside else None
        parts = asyncio.create_task(asyncio.to_thread(_read_parts, root, layout, todo, reader))
        reading = Reading(
            executor=executor,
            arena=shared,
            root=root,
            layout=layout,
            caps=options.caps,
            rows=_rows_of(parts),
        )
        entities = asyncio.create_task(reading.read(todo.read, progress or SilentProgress()))
        try:
            await parts
            facts = await entities
            # What came with claims has their texts.
            shares = parts.result().claims is todo.claims
            while todo.known:
                known = todo.known.pop()
                facts.append(known if shares else await reading.known(known))
        finally:
            # Left alone it would go on submitting to an executor that is shut down.
            entities.cancel()
            await asyncio.gather(parts, entities, return_exceptions=True)
        tables = join_tables(facts, shared)
    begun = parts.result()
    return facts, tables, await asyncio.to_thread(_parts, root, layout, options, begun, tables)


def _rows_of(parts: asyncio.Task[_Begun]) -> Callable[[], Awaitable[Sequence[Row]]]:
    async def rows() -> Sequence[Row]:
        # Who gives up waiting does not keep the others from the parts.
        catalog = (await asyncio.shield(parts)).claims.catalog.catalog
        return () if catalog is None else catalog.rows

    return rows


def _arena_for(executor: Executor, options: ScanOptions) -> AbstractContextManager[Arena | None]:
    """Shared memory, where the workers are other processes of this machine."""
    elsewhere = options.cluster is not None
    return nullcontext() if elsewhere or isinstance(executor, ThreadPoolExecutor) else open_arena()


class _Todo(NamedTuple):
    read: list[Candidate]
    known: list[ShardFacts]
    """Of files that were read before and have not moved."""
    claims: Claims | None = None
    """What an earlier look read of catalog and mappings, if that is known."""
    reading: Future[IndexFacts] | None = None
    """The index, as ``Known`` has it."""


def _todo(root: Path, listing: Listing, options: ScanOptions, known: Known) -> _Todo:
    wanted = [c for c in listing.candidates if options.parses(c.path)]
    if not known:
        return _Todo(wanted, [])
    fresh, facts = known.take(root, wanted)
    return _Todo(fresh, [facts], known.claims, known.index)


def _twins(todo: _Todo) -> Twins:
    """Embeddings that are known, and of which the index ought to hold the like."""
    tables = (item for facts in todo.known for item in facts.tables.items())
    return {dim: table.matrix for dim, table in tables}


def _read_parts(
    root: Path, layout: Layout, todo: _Todo, index: Callable[[], IndexFacts] | None
) -> _Begun:
    """Catalog and mappings, and the ``index`` by what reads it."""
    claims = todo.claims
    with ThreadPoolExecutor(1, thread_name_prefix="synthstore-index") as beside:
        # To read and to hash it needs no interpreter.
        reading = None if index is None else beside.submit(index)
        if claims is None or not claims.stand(root):
            claims = read_claims(root, layout)
    return _Begun(claims, None if reading is None else reading.result())


def _parts(
    root: Path,
    layout: Layout,
    options: ScanOptions,
    begun: _Begun,
    tables: Mapping[int, EmbeddingTable],
) -> _Parts:
    """All that is to be known of the parts, the index held against the embeddings if it is left."""
    claims, index = begun.claims, begun.index
    if index is None:
        twins = {dim: table.matrix for dim, table in tables.items()}
        index = read_index_of(root, layout, twins, hashed=options.index_hash)
    mappings = _relevant(claims.mappings)
    unfinished = tuple(
        UnfinishedRun(run.run, run.command, run.owner_alive) for run in unfinished_runs(root)
    )
    access = tuple(_closed(root, (claims.catalog, index, *mappings)))
    return _Parts(claims, index, unfinished, access)


def _index(root: Path, layout: Layout, todo: _Todo, options: ScanOptions) -> IndexFacts:
    """The index, as it was read before if it still is as it was."""
    if todo.claims is not None and todo.reading is not None:
        index = todo.reading.result()
        if todo.claims.stands(root, index):
            return index
    return read_index_of(
        root, layout, _twins(todo), with_vectors=not options.quick, hashed=options.index_hash
    )


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


def _unread(root: Path, candidates: Iterable[Candidate], *, names_only: bool) -> FileTable:
    """What is known of files that are not read; one that vanished since is no file."""
    if names_only:
        return FileTable(_looked_at(root, candidates))
    files = (EntityFile(one.kind, one.path, FileStatus.UNREAD, one.stat) for one in candidates)
    return FileTable.of(files)


def _looked_at(root: Path, candidates: Iterable[Candidate]) -> Iterator[FileRun]:
    """Columns of those that stand, a run at a time."""
    left = iter(candidates)
    while kind_of := {one.path: one.kind for one in islice(left, RUN)}:
        found = dict(statuses(root, kind_of))
        if found:
            kinds = [kind_of[path] for path in found]
            yield FileRun.unread(kinds, list(found), stat_columns(found.values()))


def _entity_folders(layout: Layout, listing: Listing) -> dict[str, bool]:
    return {folder: listing.folders.get(folder, True) for folder in layout.entity_folders}
