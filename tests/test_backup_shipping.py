"""What workers read and pack arrives as if it had been read here."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import pytest

from synthstore.backup.encoding import Shard, read_shard
from synthstore.backup.shipping import packed
from synthstore.layout.native import Native
from synthstore.repository.packing import Packer
from synthstore.scan.workers import processes
from synthstore.testing.stores import build

EXECUTORS: Mapping[str, Callable[[], Executor]] = {
    "processes": lambda: processes(2),
    "threads": lambda: ThreadPoolExecutor(2),
}


@pytest.fixture(params=EXECUTORS)
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    with EXECUTORS[request.param]() as made:
        yield made


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("synthstore.scan.pool.SHARD", 5)
    made = build("native", tmp_path / "store", memories=23, dim=64)
    (made.root / "memories" / "a-link.json").symlink_to("nowhere.json")
    odd = made.root / "memories" / "odd-\udcff.json"
    odd.write_bytes(b"{")
    # So old that two readings see it alike, however long the second takes to begin.
    os.utime(odd, ns=(10**18, 10**18))
    return made.root


def paths_of(root: Path) -> list[str]:
    """Every entity file and one that is gone, a link and an odd name among them."""
    found = [f"{path.parent.name}/{path.name}" for path in root.glob("*/*.json")]
    return sorted([*found, "memories/gone.json"])


def directly(root: Path, paths: list[str]) -> Iterator[Shard]:
    for start in range(0, len(paths), 5):
        packer = Packer()
        reads = read_shard(str(root), Native(), paths[start : start + 5], packer)
        yield Shard(reads, packer.finish())


@pytest.mark.parametrize("near", [True, False])
def test_shards_arrive_whole_and_in_order(
    near: bool, root: Path, executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not near:
        monkeypatch.setattr("synthstore.files.passing.lay_out", lambda: None)
    paths = paths_of(root)
    expected = list(directly(root, paths))
    assert list(packed(executor, str(root), Native(), paths, ahead=2)) == expected
    assert [read.path for shard in expected for read in shard.reads] == paths
    assert {read.problem is None for shard in expected for read in shard.reads} == {True, False}


def test_no_more_shards_are_under_way_than_may_be(root: Path) -> None:
    submitted = 0

    class Counting(ThreadPoolExecutor):
        def submit(self, *args: object, **kwargs: object) -> object:  # type: ignore[override]
            nonlocal submitted
            submitted += 1
            return super().submit(*args, **kwargs)  # type: ignore[arg-type]

    with Counting(1) as executor:
        arriving = packed(executor, str(root), Native(), paths_of(root), ahead=2)
        for arrived, _ in enumerate(arriving, 1):
            assert submitted <= arrived + 2
    assert submitted > 4
