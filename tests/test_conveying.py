"""Files on their way to workers, and what comes back from them."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain

import pytest

from synthstore.files.passing import Passed, Trays, fill
from synthstore.progress import SilentProgress
from synthstore.scan import pool
from synthstore.scan.pool import as_done, in_order
from synthstore.transfer import conveying
from synthstore.transfer.conveying import Conveyor
from synthstore.transfer.reading import FileName

A, B = FileName("memories/a.json", "memory"), FileName("b.json", "memory")
C = FileName("assemblies/a.json", "assembly")


@pytest.mark.parametrize("files", [[], [A], [A, B, C], [C, A, C, C, B, A]])
def test_a_shard_arrives_as_it_was_sent(files: list[FileName]) -> None:
    assert conveying.shard_of(conveying.runs_of(files)) == files


@pytest.mark.parametrize("workers", [1, 2, 8])
@pytest.mark.parametrize("count", [0, 1, 24, 25, 249, 250, 251, 2_000, 20_001])
def test_the_last_shards_are_shorter(count: int, workers: int) -> None:
    files = [FileName(f"memories/{n}.json", "memory") for n in range(count)]
    trays = Trays(near=False)
    cut = [*Conveyor(ThreadPoolExecutor(1), workers, SilentProgress(), trays).tapering(files)]
    assert [*chain(*cut)] == files
    sizes = [*map(len, cut)]
    assert sizes == sorted(sizes, reverse=True)
    assert max(sizes, default=0) <= pool.SHARD
    assert sizes[-1:] <= [25]
    assert len(cut) <= count // pool.SHARD + 20 * workers


def test_results_come_in_order_while_only_some_are_under_way() -> None:
    made: list[int] = []

    def call(n: int) -> Future[int]:
        made.append(n)
        future: Future[int] = Future()
        future.set_result(n)
        return future

    results = in_order(map(call, range(5)), 2)
    assert next(results) == 0
    assert made == [0, 1, 2]
    assert list(results) == [1, 2, 3, 4]


def test_what_is_done_comes_at_once_while_only_some_are_under_way() -> None:
    made: list[Future[int]] = []

    def call(n: int) -> Future[int]:
        made.append(Future())
        if n == 1:
            made[1].set_result(1)
        return made[n]

    results = as_done(map(call, range(4)), 2)
    assert next(results).result() == 1
    assert len(made) == 2
    made[0].set_exception(ValueError())
    assert isinstance(next(results).exception(), ValueError)
    assert len(made) == 3
    made[2].set_result(2)
    assert next(results).result() == 2
    made[3].cancel()
    assert [one.cancelled() for one in results] == [True]


def test_trays_go_round() -> None:
    with Trays() as trays:
        first, second = trays.hand_out(), trays.hand_out()
        assert first is not None
        assert second is not None
        filled = fill(first, [b"bytes"])
        with trays.returned() as tray:
            assert Passed(filled, tray).read() == b"bytes"
        assert trays.hand_out() == first != second


def test_nobody_far_away_gets_a_tray() -> None:
    with Trays(near=False) as trays:
        assert trays.hand_out() is None
        with trays.returned() as tray:
            assert tray is None
