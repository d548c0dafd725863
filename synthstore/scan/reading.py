"""Entity files read by workers, a shard at a time."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from synthstore.files.arena import Arena, Shelf
from synthstore.files.memory import MANY
from synthstore.layout.base import Layout
from synthstore.model.catalog import Row
from synthstore.progress import Progress
from synthstore.scan.known import Shared
from synthstore.scan.pool import shards
from synthstore.scan.shard import Candidate, Caps, ShardFacts, read_shard

Rows = Callable[[], Awaitable[Sequence[Row]]]
"""Gives the catalog's rows as soon as they are read."""


@dataclass(slots=True, kw_only=True)
class Reading:
    """One reading of a store's entity files."""

    executor: Executor
    arena: Arena | None
    root: Path
    layout: Layout
    caps: Caps
    rows: Rows
    _shared: Shared | None = None

    async def read(self, candidates: list[Candidate], progress: Progress) -> list[ShardFacts]:
        """Read the ``candidates``, which are taken out of the list and let go shard by shard."""
        progress.start("reading", len(candidates))
        share = len(candidates) >= MANY
        waiting = deque(shards(candidates))
        candidates.clear()
        shelves = list(_shelves(waiting, self.arena))

        async def one(shard: Sequence[Candidate], shelf: Shelf | None) -> ShardFacts:
            facts = await self._shard(shard, shelf)
            progress.advance(len(shard))
            return await self._with_shared_texts(facts) if share else facts

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(waiting.popleft(), shelf)) for shelf in shelves]
        except ExceptionGroup as failed:
            # One failure is told: the group cancels the other shards, and they fail of that.
            raise failed.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _shard(self, shard: Sequence[Candidate], shelf: Shelf | None) -> ShardFacts:
        work = partial(read_shard, str(self.root), self.layout, shard, self.caps, shelf)
        return await asyncio.get_running_loop().run_in_executor(self.executor, work)

    async def known(self, facts: ShardFacts) -> ShardFacts:
        """Facts of an earlier look, which have the texts of rows that are read anew."""
        share = len(facts.files) >= MANY
        return await self._with_shared_texts(facts) if share else facts

    async def _with_shared_texts(self, facts: ShardFacts) -> ShardFacts:
        """The facts without what the rows have as well, before more of them come in."""
        rows = await self.rows()
        self._shared = self._shared or Shared(rows)
        return self._shared.facts(facts)


def _shelves(shards: Iterable[Sequence[Candidate]], arena: Arena | None) -> Iterator[Shelf | None]:
    """A place in the arena for each shard: as many rows as it has candidates."""
    first = 0
    for shard in shards:
        yield None if arena is None else Shelf(arena.address, first)
        first += len(shard)
