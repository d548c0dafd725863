"""MemoryPersistence: a store as a library keeps it open, beside other processes that do the same.

A save makes its file durable and announces it in the log; catalog and index follow in one go, when
enough has gathered, at ``flush`` and at ``close``. All changes of one process go through one
thread, so they are in order, and no event loop waits for a disk. Several processes may have one
store open: each change is made under the store's write lock and begins with what others did.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, cast

from synthstore.config import StoreConfig
from synthstore.errors import SynthstoreError, UsageError
from synthstore.model.entities import Entity, MemoryAssembly, MemoryEntry, as_vector
from synthstore.model.ids import EntityRef, Kind
from synthstore.persistence.chunks import chunks
from synthstore.persistence.engine import Engine
from synthstore.persistence.listed import Listed
from synthstore.persistence.loading import lost, read_bytes, understand
from synthstore.store.vector_index import Hit, Vector

__all__ = ["Listed", "MemoryPersistence"]

OnConflict = Literal["newer", "error"]
T = TypeVar("T")
_log = logging.getLogger("synthstore")


class MemoryPersistence:
    """A store at a path, or as a StoreConfig says; open it with ``async with`` or ``open()``.

    ``on_conflict`` says what a save does that meets the change of another writer: ``newer`` lets
    the later ``updated_at`` stand and keeps the other in quarantine, ``error`` raises
    ConflictError. The constructor touches nothing.
    """

    def __init__(
        self, store: StoreConfig | Path | str, *, on_conflict: OnConflict = "newer"
    ) -> None:
        if on_conflict not in ("newer", "error"):
            raise UsageError(f"on_conflict is 'newer' or 'error', not {on_conflict!r}")
        self.config = (
            store if isinstance(store, StoreConfig) else StoreConfig(storage_path=Path(store))
        )
        self._on_conflict = on_conflict
        self._thread: ThreadPoolExecutor | None = None
        self._engine: Engine | None = None
        self._folding: asyncio.Task[None] | None = None
        self.opening_report: dict[str, Any] = {}
        """What ``open`` saw and repaired, as ``--json`` prints a report."""

    # Open and close

    async def open(self) -> Self:
        """Find or make the store, finish what others began, look quickly, repair if so configured.

        Raises NotAStoreError, LockedError where a command is at work, PermissionDeniedError,
        OperationError.
        """
        if self._engine is not None:
            return self
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="synthstore-write")
        try:
            self._engine = await self._do(Engine.open, self.config, self._on_conflict)
        except BaseException:
            self._thread.shutdown(wait=False)
            self._thread = None
            raise
        self.opening_report = self._engine.opening_report
        return self

    async def flush(self) -> None:
        """Bring all pending changes into catalog and index; when it returns, nothing is pending."""
        await self._do(self._at.fold)

    async def close(self) -> None:
        """Flush, and let the store go; closing twice is fine.

        Raises what kept it from flushing; what was saved is safe in its files all the same.
        """
        if self._engine is None or self._thread is None:
            return
        engine, thread = self._engine, self._thread
        try:
            if self._folding is not None:
                await asyncio.wait([self._folding])
            await self._do(engine.fold)
        finally:
            await self._do(engine.close)
            thread.shutdown(wait=True)
            self._thread = self._engine = self._folding = None

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def _at(self) -> Engine:
        if self._engine is None:
            raise UsageError("the store is not open", hint="use 'async with', or await open()")
        return self._engine

    async def _do(self, work: Callable[..., T], *args: object) -> T:
        """Do ``work`` in the writing thread, behind all that was begun before."""
        if self._thread is None:
            raise UsageError("the store is not open", hint="use 'async with', or await open()")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)

    # Memories

    async def save_memory(self, memory: MemoryEntry) -> bool:
        """Save durably; sets ``updated_at``. False where a newer state of another writer stands.

        Raises UsageError for an id or a value that no store holds, ConflictError, DiskFullError,
        PermissionDeniedError; nothing has changed then.
        """
        return (await self._save([memory]))[0]

    async def load_memory(self, memory_id: str) -> MemoryEntry | None:
        """The memory, None where there is none.

        Raises CorruptEntityError, with the fields that are whole, where its file is damaged.
        """
        return cast("MemoryEntry | None", await self._load(EntityRef("memory", memory_id)))

    async def delete_memory(self, memory_id: str) -> bool:
        """Delete for good, and durably; False where there is no such memory."""
        return await self._delete(EntityRef("memory", memory_id))

    async def list_memories(self) -> list[Listed]:
        """What the catalog says of every memory; no memory is read."""
        return await self._list("memory")

    async def save_memories_batch(
        self, memories: Iterable[MemoryEntry] | AsyncIterable[MemoryEntry]
    ) -> int:
        """Save many, ``chunk_size`` at a time, with one catalog update at most; how many stand.

        Each memory is durable and whole, or as it was; the batch as a whole is not atomic.
        """
        return await self._save_batch(memories)

    def load_memories(
        self, ids: Iterable[str] | None = None, *, skip_corrupt: bool = False
    ) -> AsyncIterator[MemoryEntry]:
        """Load memories one after the other, all of them or those of ``ids`` that there are.

        ``chunk_size`` at most are in memory at a time. Raises CorruptEntityError, unless
        ``skip_corrupt``, which logs it and goes on.
        """
        found = self._stream("memory", ids, skip_corrupt=skip_corrupt)
        return cast("AsyncIterator[MemoryEntry]", found)

    # Assemblies

    async def save_assembly(self, assembly: MemoryAssembly) -> bool:
        """As ``save_memory``."""
        return (await self._save([assembly]))[0]

    async def load_assembly(self, assembly_id: str) -> MemoryAssembly | None:
        """As ``load_memory``."""
        return cast("MemoryAssembly | None", await self._load(EntityRef("assembly", assembly_id)))

    async def delete_assembly(self, assembly_id: str) -> bool:
        """As ``delete_memory``; its members stay."""
        return await self._delete(EntityRef("assembly", assembly_id))

    async def list_assemblies(self) -> list[Listed]:
        """As ``list_memories``."""
        return await self._list("assembly")

    async def save_assemblies_batch(
        self, assemblies: Iterable[MemoryAssembly] | AsyncIterable[MemoryAssembly]
    ) -> int:
        """As ``save_memories_batch``."""
        return await self._save_batch(assemblies)

    def load_assemblies(
        self, ids: Iterable[str] | None = None, *, skip_corrupt: bool = False
    ) -> AsyncIterator[MemoryAssembly]:
        """As ``load_memories``."""
        found = self._stream("assembly", ids, skip_corrupt=skip_corrupt)
        return cast("AsyncIterator[MemoryAssembly]", found)

    # The whole store

    async def search(self, query: Vector, k: int = 10) -> list[Hit]:
        """The ``k`` memories nearest to ``query`` (float32, shape (dim,)): ids and scores.

        The best first; scores as ``MemoryVectorIndex`` has them. Raises UsageError for a query of
        another dimension, OperationError for an index that is unreadable.
        """
        searcher = self._at.searcher
        if searcher.stale():
            await self._do(searcher.refresh)
        vector = as_vector(query)
        if vector is None:
            raise UsageError("a search needs a query")
        return await asyncio.to_thread(self._at.nearest, vector, k)

    async def verify_and_repair_consistency(self) -> dict[str, Any]:
        """Scan in full and repair; the report as ``synthstore repair --json`` prints it.

        Raises RefusedError where more would go than may without being asked.
        """
        return await self._do(self._at.mend)

    async def stats(self) -> dict[str, Any]:
        """Counts of what is stored, pending and cached; no entity is read."""
        return await self._do(self._at.stats)

    # Shared by both kinds

    async def _save(self, entities: Sequence[Entity]) -> list[bool]:
        drafts = await self._do(self._at.save, entities)
        self._fold_if_due()
        return [draft.stands for draft in drafts]

    async def _save_batch(self, entities: Iterable[Any] | AsyncIterable[Any]) -> int:
        saved = 0
        async for chunk in chunks(entities, self.config.chunk_size):
            drafts = await self._do(self._at.save, chunk)
            saved += sum(draft.stands for draft in drafts)
        self._fold_if_due()
        return saved

    def _fold_if_due(self) -> None:
        """Fold behind the caller's back: his own save is done, and the next one may wait."""
        idle = self._folding is None or self._folding.done()
        if self._engine is not None and idle and self._engine.writer.fold_is_due:
            self._folding = asyncio.create_task(self._fold_quietly())

    async def _fold_quietly(self) -> None:
        try:
            await self._do(self._at.fold)
        except SynthstoreError as error:
            _log.error("pending changes were not folded: %s", error.message)

    async def _load(self, ref: EntityRef) -> Entity | None:
        at = self._at
        known = at.cached(ref)
        if known is not None:
            return known
        if at.view.stale():
            await self._do(at.view.refresh)
        try:
            return await self._read(ref)
        except SynthstoreError:
            # Another process may have been between its file and what this one knew of it.
            await self._do(at.view.refresh)
            return await self._read(ref)

    async def _read(self, ref: EntityRef) -> Entity | None:
        at = self._at
        if at.view.deleted(ref):
            return None
        claim = at.claim(ref)
        try:
            raw, now = await read_bytes(at.root, claim.path)
        except FileNotFoundError:
            if at.view.stale():
                await self._do(at.view.refresh)
            if at.view.deleted(ref) or at.view.row(ref) is None:
                return None
            raise lost(claim) from None
        entity = await understand(at.layout, claim, raw)
        at.cache.put(ref, f"{at.root}/{claim.path}", now, entity)
        return entity

    async def _delete(self, ref: EntityRef) -> bool:
        gone = await self._do(self._at.delete, ref)
        self._fold_if_due()
        return gone

    async def _list(self, kind: Kind) -> list[Listed]:
        return await self._do(self._at.listed, kind)

    async def _stream(
        self, kind: Kind, ids: Iterable[str] | None, *, skip_corrupt: bool
    ) -> AsyncIterator[Entity]:
        wanted = [row.id for row in await self._list(kind)] if ids is None else ids
        async for chunk in chunks(wanted, self.config.chunk_size):
            refs = [EntityRef(kind, entity_id) for entity_id in chunk]
            read = partial(self._at.read_many, refs, skip_corrupt=skip_corrupt)
            for entity in await asyncio.to_thread(read):
                yield entity
