"""The embeddings that shards brought in, as one table a dimension."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from synthstore.files.arena import Arena
from synthstore.model.embedding import FloatMatrix
from synthstore.scan.inventory import EmbeddingTable
from synthstore.scan.shard import Block, ShardFacts


def join_tables(facts: Sequence[ShardFacts], shared: Arena | None) -> dict[int, EmbeddingTable]:
    """The tables of all shards, which come in the order of their places in the arena."""
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
