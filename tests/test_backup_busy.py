"""Backups of a store that is being written: of one moment, or said not to be."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from synthstore import MemoryPersistence
from synthstore.backup import encoding
from synthstore.backup.encoding import Outline, Read, read_shard
from synthstore.backup.judging import Claims, Glance, Judge, Verdict
from synthstore.backup.report import BackupReport
from synthstore.backup.snapshot import BackupOptions, backup
from synthstore.backup.taking import PASSES
from synthstore.checks.finding import Severity
from synthstore.layout.native import Native
from synthstore.progress import SilentProgress
from synthstore.repository.place import LocalPlace
from synthstore.store.session import Session
from synthstore.testing.stores import Built, build
from synthstore.verify import LookOptions, verify
from tests.company import LIBRARY, company
from tests.persistence_stores import memories, memory
from tests.vaults import back_up, give_back, place_at, settle, standing

SECONDS = float(os.environ.get("SYNTHSTORE_STRESS_SECONDS", "4"))
"""How long the stress lasts; 120 and more is the full one."""


class Meanwhile(SilentProgress):
    """Does something in each pass, after the entity files were read and before the rest is."""

    def __init__(self, deed: Callable[[int], object], times: int = 1_000) -> None:
        self._deeds = (partial(deed, number) for number in range(times))
        self._listed = False

    def start(self, label: str, total: int, unit: str = "files") -> None:
        super().start(label, total, unit)
        self._listed = label == "backing up"

    def advance(self, units: int) -> None:
        super().advance(units)
        if self._listed:
            self._listed = False
            next(self._deeds, int)()


@pytest.fixture
def place(tmp_path: Path) -> LocalPlace:
    return place_at(tmp_path / "repo")


@pytest.fixture
def built(tmp_path: Path) -> Built:
    made = build("native", tmp_path / "store", assemblies=0)
    settle(made.root)
    return made


def back_up_meanwhile(root: Path, place: LocalPlace, progress: Meanwhile) -> BackupReport:
    return asyncio.run(backup(root, place, BackupOptions(jobs=1), progress))


@contextmanager
def threads(files: int, jobs: int | None) -> Iterator[Executor]:
    with ThreadPoolExecutor(jobs) as executor:
        yield executor


@pytest.mark.parametrize("moves", [False, True])
@pytest.mark.parametrize("together", [True, False])
def test_a_look_while_files_are_read_counts_only_if_nothing_moved(
    together: bool, moves: bool, built: Built, place: LocalPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    then = Glance(Verdict({"C001": 7}, 7, 12), Claims())
    monkeypatch.setattr("synthstore.backup.crew.PROCESSES_PAY_FROM", len(built.memories))
    monkeypatch.setattr("synthstore.backup.crew.executor_for", threads)
    monkeypatch.setattr("synthstore.backup.crew.processes", ThreadPoolExecutor)
    if not together:
        monkeypatch.setattr("synthstore.backup.crew.TOGETHER_UP_TO", 0)
    monkeypatch.setattr(Judge, "glance_apart", lambda _: then)
    added = Meanwhile(lambda _: built.add_memory("late-comer"), times=int(moves))
    report = asyncio.run(backup(built.root, place, BackupOptions(jobs=2), added))
    told = (dict(report.snapshot.findings), report.snapshot.damaged)
    assert told == (({}, False) if moves else ({"C001": 7}, True))


@pytest.fixture
def manned(built: Built, monkeypatch: pytest.MonkeyPatch) -> Built:
    """A store for which workers pay, and whose index is a large file."""
    monkeypatch.setattr("synthstore.backup.crew.PROCESSES_PAY_FROM", 1)
    monkeypatch.setattr("synthstore.backup.crew.executor_for", threads)
    size = (built.root / Native.faiss_path).stat().st_size
    monkeypatch.setattr("synthstore.backup.reading.WHOLE_BELOW", size)
    return built


def outlined(monkeypatch: pytest.MonkeyPatch, before: Callable[[], object]) -> list[bool]:
    """Whether each index that a worker read could be outlined; ``before`` is done before that."""
    found: list[bool] = []

    def read(root: Path, path: str) -> Outline | None:
        before()
        outline = encoding.outline(root, path)
        found.append(outline is not None)
        return outline

    monkeypatch.setattr("synthstore.backup.reading.outline", read)
    return found


def test_a_worker_reads_the_index_while_the_store_is_listed(
    manned: Built, tmp_path: Path, place: LocalPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = outlined(monkeypatch, before=lambda: None)
    assert back_up(manned.root, place, jobs=2).problems == {}
    assert found == [True]
    give_back(tmp_path / "again", place)
    assert standing(tmp_path / "again") == standing(manned.root)


@pytest.mark.parametrize("flat", [True, False])
def test_an_index_of_which_a_worker_knows_too_little_is_read_again(
    flat: bool, manned: Built, tmp_path: Path, place: LocalPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = manned.root / Native.faiss_path
    raw = bytearray(index.read_bytes())
    # A vector that no file has, or no index at all.
    raw[-500 if flat else 0] ^= 1
    index.write_bytes(raw)
    settle(manned.root)
    found = outlined(monkeypatch, before=lambda: None)
    assert back_up(manned.root, place, jobs=2).problems == {}
    assert found == [flat]
    give_back(tmp_path / "again", place)
    assert standing(tmp_path / "again") == standing(manned.root)


@pytest.mark.parametrize("times", [1, 1_000])
def test_an_index_that_moves_while_a_worker_reads_it_is_of_no_moment_yet(
    times: int, manned: Built, place: LocalPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, left = manned.root / Native.faiss_path, iter(range(times))
    then = index.stat().st_mtime_ns

    def rewrite() -> None:
        number = next(left, None)
        if number is not None:
            aside = manned.root.with_name("aside")
            shutil.copy(index, aside)
            os.utime(aside, ns=(then, then + number + 1))
            aside.rename(index)

    found = outlined(monkeypatch, before=rewrite)
    report = back_up(manned.root, place, jobs=2)
    # Where it was listed again before it moved, the next listing does not know it either.
    assert len(found) in ((2, 3) if times == 1 else (2 * PASSES,))
    assert set(report.problems) == (set() if times == 1 else {Native.faiss_path})


def wrong(root: Path, *, held: bool = False) -> Mapping[str, str]:
    """What is wrong with a store; ``held``: apart from what its log explains."""
    report = asyncio.run(verify(root, LookOptions(jobs=1, held=held)))
    return {
        f"{f.code} {f.subject}": f.message for f in report.findings if f.severity > Severity.INFO
    }


def wrong_restored(target: Path, place: LocalPlace) -> list[Mapping[str, str]]:
    """What is wrong with the newest snapshot, before and after its log is folded."""
    give_back(target, place)
    before = wrong(target, held=True)
    with Session(target):
        return [found for found in (before, wrong(target)) if found]


def test_every_snapshot_of_a_store_at_full_speed_is_whole(
    tmp_path: Path, place: LocalPlace
) -> None:
    end = time.monotonic() + SECONDS
    with company(LIBRARY, tmp_path / "store") as writer:
        for number in count():
            assert back_up(tmp_path / "store", place, jobs=1).problems == {}
            assert wrong_restored(tmp_path / f"out{number}", place) == []
            if number and time.monotonic() > end:
                break
        assert writer.poll() is None


def test_a_library_that_never_rests_has_to_wait(built: Built, place: LocalPlace) -> None:
    """One whose changes fall into every pass, until the backup holds its lock."""
    waiting: list[Thread] = []

    def change(number: int) -> None:
        thread = Thread(target=lambda: asyncio.run(change_by_library(built, number)))
        thread.start()
        # Whoever waits for the lock is done only after the backup.
        thread.join(timeout=None if number < PASSES else 0.5)
        waiting.append(thread)

    done = back_up_meanwhile(built.root, place, Meanwhile(change, PASSES + 1))
    for thread in waiting:
        thread.join()
    assert done.problems == {}
    assert len(waiting) == PASSES + 1
    target = place.root.with_name("out")
    assert wrong_restored(target, place) == []
    assert (target / "memories" / f"memory-{PASSES - 1}.json").exists()
    assert not (target / "memories" / f"memory-{PASSES}.json").exists()


async def change_by_library(built: Built, number: int) -> None:
    async with MemoryPersistence(built.root) as library:
        await library.save_memories_batch([memory(number, embedding=None), *memories(0)])
        await library.delete_memory(built.memories[number])


def test_what_never_rests_for_no_lock_is_named(built: Built, place: LocalPlace) -> None:
    moving, resting = built.memories[:2]

    def say(number: int) -> None:
        document = built.read(moving) | {"content": f"said at {number}"}
        built.file(moving).write_text(json.dumps(document))

    done = back_up_meanwhile(built.root, place, Meanwhile(say))
    assert done.exit_code == 3
    assert "partial" in done.snapshot.tags
    assert "kept changing" in done.problems[built.paths[moving]]
    assert built.paths[resting] not in done.problems


def test_what_comes_to_rest_is_taken_as_it_is_then(built: Built, place: LocalPlace) -> None:
    going, coming = built.memories[0], "coming"

    def change(number: int) -> None:
        if number:
            built.add_memory(coming)
        else:
            built.file(going).unlink()

    done = back_up_meanwhile(built.root, place, Meanwhile(change, 2))
    assert (done.exit_code, done.problems) == (0, {})
    target = place.root.with_name("out")
    give_back(target, place)
    assert wrong(target) == wrong(built.root)
    assert not (target / built.paths[going]).exists()


def test_a_file_that_is_away_for_a_moment_is_taken_when_it_is_back(
    built: Built, place: LocalPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, times = built.paths[built.memories[3]], iter([True])

    def read(*asked: Any) -> list[Read]:
        moment = next(times, False)
        return [Read(r.path) if moment and r.path == away else r for r in read_shard(*asked)]

    monkeypatch.setattr("synthstore.backup.reading.read_shard", read)
    done = back_up(built.root, place, jobs=1)
    assert done.problems == {}
    give_back(place.root.with_name("out"), place)
    assert standing(place.root.with_name("out")) == standing(built.root)


def test_a_run_half_done_is_waited_for_or_named(built: Built, place: LocalPlace) -> None:
    with Session(built.root):
        run = built.root / ".synthstore" / "runs" / "20260101T000000Z-0000"
        run.mkdir()
        (run / "committed").write_text("{}")
        named = run.relative_to(built.root).as_posix()
        assert "at work" in back_up(built.root, place).problems[named]
        (run / "done").write_text("{}")
        assert back_up(built.root, place).problems == {}
