"""The memory that a scan shares with its workers: what goes in comes out, or goes another way."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from synthstore.files import arena
from synthstore.files.arena import Arena, Run, Shelf, open_arena, put
from synthstore.layout.native import Native
from synthstore.model.embedding import FloatMatrix
from synthstore.scan import pool, scanner, workers
from synthstore.scan.inventory import Inventory
from synthstore.scan.scanner import ScanOptions, scan
from synthstore.testing.plugin import MakeStore


def vectors(count: int, dim: int, seed: int = 0) -> FloatMatrix:
    found: FloatMatrix = np.random.default_rng(seed).standard_normal((count, dim), dtype=np.float32)
    return found


def filled(shared: Arena, first: int, rows: FloatMatrix) -> Run:
    run = put(Shelf(shared.address, first), rows.shape[1], list(rows))
    assert run is not None
    return run


def test_what_shards_put_is_one_matrix_without_their_gaps() -> None:
    parts = [vectors(n, 5, n) for n in (3, 1, 4)]
    with open_arena() as shared:
        assert shared is not None
        runs = [filled(shared, first, part) for first, part in zip((2, 7, 9), parts, strict=True)]
        matrix = shared.matrix(5, runs)
    assert np.array_equal(matrix, np.concatenate(parts))


def test_a_matrix_can_have_free_rows_behind_it() -> None:
    one, other = vectors(3, 5), vectors(40, 5, 1)
    with open_arena() as shared:
        assert shared is not None
        room, rows = shared.room(5, [filled(shared, 2, one)], len(other))
    assert rows == len(one)
    room[rows : rows + len(other)] = other
    assert np.array_equal(room[: rows + len(other)], np.concatenate([one, other]))


def test_each_dimension_has_a_region_of_its_own() -> None:
    small, large = vectors(4, 3), vectors(4, arena.MOST_DIMENSIONS)
    with open_arena() as shared:
        assert shared is not None
        runs = [filled(shared, 0, small), filled(shared, 0, large)]
        assert np.array_equal(shared.matrix(3, runs[:1]), small)
        assert np.array_equal(shared.matrix(arena.MOST_DIMENSIONS, runs[1:]), large)


def test_more_vectors_than_one_call_takes() -> None:
    many = vectors(2 * arena._AT_ONCE + 1, 2)
    with open_arena() as shared:
        assert shared is not None
        assert np.array_equal(shared.matrix(2, [filled(shared, 5, many)]), many)


def test_what_does_not_fit_is_left_to_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    one = vectors(1, 4)
    with open_arena() as shared:
        assert shared is not None
        shelf = Shelf(shared.address, 0)
        assert put(shelf, arena.MOST_DIMENSIONS + 1, list(one)) is None
        with monkeypatch.context() as patch:
            patch.setattr(os, "pwritev", lambda *_: 3)
            assert put(shelf, 4, list(one)) is None
    assert put(shelf, 4, list(one)) is None


def looked_at(root: Path, jobs: int) -> Inventory:
    return asyncio.run(scan(root, Native(), ScanOptions(jobs=jobs)))


@pytest.mark.parametrize("reachable", [True, False])
def test_a_scan_knows_the_same_with_and_without_it(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch, reachable: bool
) -> None:
    root = make_store(40, 6, 3)
    victims = sorted((root / "memories").iterdir())
    victims[0].write_text("{")
    victims[7].write_text('{"memory_id": "short", "content": "x", "embedding": [1, 2]}')
    alone = looked_at(root, jobs=1)
    for module in (pool, workers):
        monkeypatch.setattr(module, "PROCESSES_PAY_FROM", 1)
    monkeypatch.setattr(pool, "SHARD", 7)
    taken: list[int] = []
    monkeypatch.setattr(Arena, "room", counted(Arena.room, taken))
    if not reachable:
        monkeypatch.setattr(os, "memfd_create", refusing)
    shared = looked_at(root, jobs=2)
    assert sorted(taken) == ([2, 6] if reachable else [])
    assert shared.files == alone.files
    assert shared.tables.keys() == alone.tables.keys() == {2, 6}
    for dim, table in alone.tables.items():
        assert shared.tables[dim].paths == table.paths
        assert np.array_equal(shared.tables[dim].matrix, table.matrix)


Room = Callable[[Arena, int, Sequence[Run], int], tuple[FloatMatrix, int]]


def counted(room: Room, taken: list[int]) -> Room:
    def count(self: Arena, dim: int, runs: Sequence[Run], spare: int) -> tuple[FloatMatrix, int]:
        taken.append(dim)
        return room(self, dim, runs, spare)

    return count


def refusing(*_: object) -> int:
    raise OSError("no such files here")


def test_only_processes_of_this_machine_share_it() -> None:
    with pool.executor_for(1, 1) as executor, scanner._arena_for(executor, ScanOptions()) as shared:
        assert shared is None
