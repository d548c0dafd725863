"""What is staged: proved as it is written, by whoever writes it, and durable before it counts."""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthstore.errors import OperationError
from synthstore.files import flushing
from synthstore.files.flushing import Flush
from synthstore.files.putting import Attire, write_proved
from synthstore.store.berths import StagingArea, wait_for_writers
from synthstore.store.items import Copy, Item, Items
from synthstore.store.plan import CATALOG, ENTITY, Change, Staged
from synthstore.store.session import Session
from synthstore.store.undoing import undo_changes
from tests.trees import sha_tree

PRIVATE = Attire(0o600)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# One file


def test_a_proved_file_has_its_bytes_mode_and_time(tmp_path: Path) -> None:
    path = tmp_path / "a"
    status = write_proved(str(path), b"x" * 70_000, Attire(0o640), 1_000_000_001)
    assert path.read_bytes() == b"x" * 70_000
    assert (status.size, status.mode, status.mtime_ns) == (70_000, 0o640, 1_000_000_001)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("found", [b"", b"tha", b"thaT", b"that and more"])
def test_what_reads_back_wrong_is_no_success(
    tmp_path: Path, found: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "pread", lambda _fd, _count, offset: found[offset:])
    with pytest.raises(OperationError, match="reads back wrong"):
        write_proved(str(tmp_path / "a"), b"that", PRIVATE)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_read_in_pieces_is_proved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "pread", lambda _fd, _count, offset: b"that"[offset : offset + 3])
    write_proved(str(tmp_path / "a"), b"that", PRIVATE)
    assert (tmp_path / "a").read_bytes() == b"that"


def test_no_file_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(OperationError):
        write_proved(str(tmp_path / "a"), b"new", PRIVATE)
    assert (tmp_path / "a").read_bytes() == b"old"


# Many files


@pytest.fixture
def flush(tmp_path: Path) -> Iterator[Flush]:
    flush = Flush(tmp_path)
    yield flush
    flush.close()


@pytest.mark.parametrize("count", [0, 3, 40])
def test_all_is_durable_in_the_end(
    flush: Flush, tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    opened = Path("/proc/self/fd")
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append((opened / str(fd)).readlink()))
    monkeypatch.setattr(flushing, "sync_file_system", lambda _: False)
    names = [str(n) for n in range(count)]
    for name in names:
        write_proved(str(tmp_path / name), b"x", PRIVATE)
    flush.finish(names)
    assert synced == [*(tmp_path / name for name in names), tmp_path]


def test_many_files_are_one_flush(
    flush: Flush, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []

    def sync(fd: int) -> bool:
        flushed.append(fd)
        return True

    monkeypatch.setattr(flushing, "sync_file_system", sync)
    names = [str(n) for n in range(40)]
    for name in names:
        write_proved(str(tmp_path / name), b"x", PRIVATE)
    flush.finish(names)
    assert len(flushed) == 1


def test_the_disk_begins_before_all_is_written(
    flush: Flush, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    def sync(_: int) -> bool:
        begun.set()
        return True

    monkeypatch.setattr(flushing, "sync_file_system", sync)
    flush.written(1)
    assert not begun.wait(0.05)
    flush.written(1 << 30)
    assert begun.wait(10)


MEGABYTE = 1 << 20


@pytest.mark.parametrize(
    ("told", "early"),
    [
        ({}, 9),
        ({"total": 360 * MEGABYTE}, 9),
        ({"total": 360 * MEGABYTE, "beside": 0.05}, 7),
        ({"total": 360 * MEGABYTE, "beside": 60.0}, 1),
    ],
)
def test_what_the_disk_takes_beside_other_work_is_left_to_the_end(
    told: dict[str, float], early: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed = threading.Semaphore(0)
    clock = itertools.count()

    def sync(_: int) -> bool:
        flushed.release()
        return True

    monkeypatch.setattr(flushing, "sync_file_system", sync)
    # Each flush of 40 MB takes 0.02 seconds.
    monkeypatch.setattr(time, "perf_counter", lambda: 0.02 * next(clock))
    flush = Flush(tmp_path, **told)
    begun = 0
    for _ in range(9):
        flush.written(40 * MEGABYTE)
        flush._thread.submit(int).result()
        begun += flushed.acquire(blocking=False)
    flush.close()
    assert begun == early


def test_an_early_flush_that_failed_is_not_forgotten(
    flush: Flush, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([OSError(errno.EIO, "lost")])

    def sync(_: int) -> bool:
        for error in answers:
            raise error
        return True

    monkeypatch.setattr(flushing, "sync_file_system", sync)
    flush.written(1 << 30)
    with pytest.raises(OperationError, match="lost"):
        flush.finish([])


# Berths


def test_a_run_is_not_removed_while_somebody_writes_into_it(tmp_path: Path) -> None:
    area, gone = StagingArea(str(tmp_path)), threading.Event()

    def remove() -> None:
        wait_for_writers(tmp_path)
        gone.set()

    with area.held():
        remover = threading.Thread(target=remove)
        remover.start()
        assert not gone.wait(0.1)
    assert gone.wait(10)
    remover.join()
    wait_for_writers(tmp_path / "none")


def test_nothing_is_written_into_a_run_that_is_gone(tmp_path: Path) -> None:
    area = StagingArea(str(tmp_path / "gone"))
    with pytest.raises(OperationError), area.held():
        pass
    (tmp_path / "gone").mkdir()
    with area.held() as fd:
        (tmp_path / "gone").rmdir()
        with pytest.raises(OperationError, match="gone/0"):
            area.write(fd, 0, b"late", sha(b"late"), PRIVATE)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def store(tmp_path: Path) -> Path:
    root = tmp_path / "store"
    (root / "memories").mkdir(parents=True)
    (root / "memory_index.json").write_bytes(b"{}")
    return root


def new(name: str, session: Session, content: bytes) -> Change:
    area, slot = session.making.berth(1, len(content))
    with area.held() as fd:
        staged = area.write(fd, slot, content, sha(content), PRIVATE)
    return Change(f"memories/{name}", None, staged, ENTITY)


def test_what_others_staged_goes_in_and_comes_out(store: Path) -> None:
    before = sha_tree(store)

    def batches() -> Iterator[Sequence[Change]]:
        one, other = new("a", session, b"one"), new("b", session, b"other")
        dropped = new("c", session, b"dropped")
        assert isinstance(dropped.content, Staged)
        session.making.forget(dropped.content.slot)
        yield [one, Change("memories/d", None, b"ours", ENTITY)]
        assert session.making.staged("memories/a") == b"one"
        assert session.making.staged("memories/b") is None
        yield [other]

    with Session(store) as session:
        result = session.run_batches("import", batches())
    found = {path.name: path.read_bytes() for path in (store / "memories").iterdir()}
    assert found == {"a": b"one", "b": b"other", "d": b"ours"}
    assert not (store / ".synthstore" / "runs" / str(result.run) / "new").exists()
    with Session(store) as session:
        changes = undo_changes(store, str(result.run), force=False).changes
        session.run("undo", changes, undoes=result.run)
    assert sha_tree(store) == before


def test_a_run_that_ends_early_waits_for_its_writers_and_leaves_no_trace(store: Path) -> None:
    stopped = threading.Event()

    def batches() -> Iterator[Sequence[Change]]:
        try:
            yield [new("a", session, b"one")]
            yield [Change("memories/a", None, b"twice", ENTITY)]
        finally:
            new("b", session, b"a writer that had begun")
            stopped.set()

    with Session(store) as session:
        with pytest.raises(ValueError, match="twice"):
            session.run_batches("import", batches())
        assert stopped.is_set()
        assert list((store / ".synthstore" / "runs").iterdir()) == []
        with pytest.raises(ValueError, match="no run"):
            _ = session.making


def test_berths_that_come_to_nothing_are_no_run(store: Path) -> None:
    def batches() -> Iterator[Sequence[Change]]:
        new("a", session, b"one")
        yield []

    with Session(store) as session:
        assert session.run_batches("import", batches()).run is None
        assert list((store / ".synthstore" / "runs").iterdir()) == []


# Items

COPIES = st.none() | st.builds(
    Copy,
    st.sampled_from(["a" * 64, "b" * 64]),
    st.integers(0, 9),
    st.sampled_from([0o600, 0o644]),
    st.integers(-1, 1),
    st.integers(-1, 1),
    st.integers(-(2**62), 2**62),
)
ITEMS = st.lists(
    st.builds(
        Item, st.integers(0, 9), st.text(max_size=3), st.integers(ENTITY, CATALOG), COPIES, COPIES
    )
)


@given(ITEMS, ITEMS)
def test_columns_hold_the_very_items(first: list[Item], second: list[Item]) -> None:
    items, whole = Items(first), [*first, *second]
    items.extend(second)
    assert list(items) == whole
    assert (len(items), list(items[1:3])) == (len(whole), whole[1:3])
    assert not whole or items[-1] == whole[-1]
    assert list(items.in_order()) == sorted(whole, key=lambda item: item.order)
