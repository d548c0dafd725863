"""The embeddings that shards brought in, as one table a dimension."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from synthstore.files.arena import Arena
from synthstore.scan.growing import joined
from synthstore.scan.inventory import EmbeddingTable
from synthstore.scan.shard import ShardFacts

_LEAST_SPARE = 256


def join_tables(facts: Sequence[ShardFacts], shared: Arena | None) -> dict[int, EmbeddingTable]:
    """The tables of all shards, which come in the order of their places in the arena."""
    dims = {dim for shard in facts for dim in (*shard.tables, *shard.blocks, *shard.placed)}
    return {dim: joined(list(_parts(facts, dim, shared))) for dim in sorted(dims)}


def _parts(facts: Sequence[ShardFacts], dim: int, shared: Arena | None) -> Iterator[EmbeddingTable]:
    """Those that can grow come first."""
    yield from (shard.tables[dim] for shard in facts if dim in shard.tables)
    placed = [shard.placed[dim] for shard in facts if dim in shard.placed]
    if placed and shared is not None:
        paths = tuple(path for part, _ in placed for path in part)
        spare = max(len(paths), _LEAST_SPARE)
        room, rows = shared.room(dim, [run for _, run in placed], spare)
        yield EmbeddingTable(paths, room[:rows], room)
    yield from (EmbeddingTable(*shard.blocks[dim]) for shard in facts if dim in shard.blocks)
