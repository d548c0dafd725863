"""What becomes of a half written restore."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import pytest

from synthstore.backup import laying
from synthstore.backup.decoding import WHOLE_BELOW, Laid
from synthstore.backup.laying import lay_out
from synthstore.errors import OperationError, UsageError
from synthstore.repository.file_rows import Columns
from synthstore.repository.manifest import FileRow, FolderRow, Tree
from synthstore.repository.vault import Repository
from synthstore.scan.shard import gathered
from tests.vaults import place_at

SHA256 = "ab" * 32


def tree_of(*paths: str) -> Tree:
    """Files that are a shard each."""
    rows = [FileRow(path, WHOLE_BELOW, 1, 0o600, 1, SHA256) for path in paths]
    return Tree(tuple(rows), (FolderRow("", 0o700, 1),))


def test_nothing_is_left_though_a_worker_still_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lay(_place: object, aside: Path, _layout: object, columns: Columns, *_: object) -> Laid:
        if list(columns[0]) == ["bad"]:
            raise OperationError("the disk is full")
        time.sleep(0.3)
        (aside / "more").mkdir(parents=True, exist_ok=True)
        raise OperationError("nobody hears of it")

    monkeypatch.setattr(laying, "lay_shard", lay)
    repository = Repository.make(place_at(tmp_path / "repo"))
    with ThreadPoolExecutor(2) as executor, pytest.raises(OperationError, match="disk is full"):
        lay_out(repository, tree_of("slow", "bad"), tmp_path / "new", None, executor=executor)
    assert [path.name for path in tmp_path.iterdir()] == ["repo"]


def test_it_ends_when_another_thread_shuts_its_workers_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def lay(*_: object) -> Laid:
        begun.set()
        go_on.wait(30)
        return Laid({}, gathered([]))

    monkeypatch.setattr(laying, "lay_shard", lay)
    repository = Repository.make(place_at(tmp_path / "repo"))
    executor = ThreadPoolExecutor(1)

    def lay_all() -> None:
        # A call that waits by then is cancelled, and one that comes later is not taken any more.
        with pytest.raises((CancelledError, RuntimeError)):
            lay_out(repository, tree_of("a", "b"), tmp_path / "new", None, executor=executor)

    # A daemon: were it to wait for ever, this test must not.
    thread = threading.Thread(target=lay_all, daemon=True)
    thread.start()
    assert begun.wait(30)
    executor.shutdown(wait=False, cancel_futures=True)
    go_on.set()
    thread.join(30)
    assert not thread.is_alive()
    assert [path.name for path in tmp_path.iterdir()] == ["repo"]


@pytest.mark.parametrize(
    "path", ["/a", "../a", "a/../b", "a//b", "./a", "a/", "a/.", "a\\b", "a\0b", ".."]
)
def test_a_path_that_leaves_the_store_is_refused(path: str, tmp_path: Path) -> None:
    repository = Repository.make(place_at(tmp_path / "repo"))
    with pytest.raises(UsageError, match="leaves the store"):
        lay_out(repository, tree_of("fine", path, "fine2"), tmp_path / "new", None)
    assert [path.name for path in tmp_path.iterdir()] == ["repo"]
