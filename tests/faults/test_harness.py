"""The harness itself: what it counts, what it breaks, and that it is neither blind nor jumpy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import disk, probes, toy
from tests.faults.actions import CALL_FAULTS, Action, points
from tests.faults.calls import Call
from tests.faults.campaign import Crew, Task, spread
from tests.faults.checker import STORE, Truth, moment, photograph, same
from tests.faults.disk import FileSystem
from tests.faults.registry import TOY_MUTANTS
from tests.faults.scenario import Mutant
from tests.faults.supervisor import Outcome


def names(outcome: Outcome) -> list[str]:
    return [call.name for call in outcome.calls]


def test_one_count_over_threads_and_children(crew: Crew, tmp_path: Path) -> None:
    outcome = crew.observe(probes.saves_in_threads, _made(tmp_path / "root"))
    assert outcome.code == 0, outcome.error
    assert sorted(names(outcome)) == ["openat"] * 3 + ["rename"] * 2 + ["write"] * 3
    assert {call.path for call in outcome.calls} == {"a.tmp", "b.tmp", "c"}


def test_reading_is_not_counted(crew: Crew, tmp_path: Path) -> None:
    probes.saves_in_threads(_made(tmp_path / "root"))
    assert crew.observe(probes.only_reads, tmp_path).calls == ()


def test_every_kind_of_change_is_counted(crew: Crew, tmp_path: Path) -> None:
    outcome = crew.observe(probes.touches_everything, tmp_path)
    assert outcome.code == 0, outcome.error
    assert names(outcome) == [
        "mkdirat", "openat", "write", "ftruncate", "fchmod", "utimensat", "linkat", "symlink",
        "renameat", "fsync", "unlinkat", "unlinkat",
    ]  # fmt: skip


def test_a_program_is_watched_too(crew: Crew, tmp_path: Path) -> None:
    outcome = crew.call(probes.watched_program, tmp_path)
    assert outcome.code == 7
    assert names(outcome) == ["openat", "write"]


@pytest.mark.parametrize(
    ("action", "left", "code"),
    [
        (Action.KILL, b"", None),
        (Action.TORN, b"01234", None),
        (Action.SHORT, b"01234", 0),
        (Action.EIO, b"", 1),
        (Action.ENOSPC, b"", 1),
        (Action.ENOSPC_ON, b"", 1),
    ],
)
def test_what_a_fault_does(
    crew: Crew, tmp_path: Path, action: Action, left: bytes, code: int | None
) -> None:
    outcome = crew.call(probes.faulted_write, action, tmp_path)
    assert (outcome.code, (tmp_path / "file").read_bytes()) == (code, left)
    assert outcome.struck == Call("write", "file", 10, room=True)
    assert (tmp_path / "there").exists() == action.kills
    assert outcome.value == (5 if action is Action.SHORT else None)


def test_a_fault_is_tried_only_where_it_does_something() -> None:
    calls = (Call("openat", "a", None, room=True), Call("write", "a", 1), Call("write", "a", 9))
    assert points(Action.TORN, calls) == [3]
    assert points(Action.ENOSPC_ON, calls) == [1]
    assert points(Action.KILL, calls) == [1, 2, 3]


def test_points_are_spread_evenly() -> None:
    assert spread(range(1, 101), 4) == [1, 34, 67, 100]
    assert spread(range(1, 4), 8) == [1, 2, 3]
    assert spread(range(1, 101), 1) == [100]


@pytest.mark.parametrize("action", CALL_FAULTS)
def test_the_sound_writer_raises_no_alarm(crew: Crew, action: Action) -> None:
    [tally] = crew.run([Task("toy/plain", action)])
    assert tally.tried > 3
    assert not tally.bad, tally.told()


@pytest.mark.parametrize("mutant", TOY_MUTANTS, ids=lambda mutant: mutant.name)
def test_each_planted_bug_is_found(crew: Crew, mutant: Mutant) -> None:
    kind = FileSystem.EXT4 if mutant.shown_by.cuts else None
    reason = crew.call(disk.unsupported, kind) if kind is not None else None
    if reason is not None:
        pytest.skip(reason)
    [tally] = crew.run([Task("toy/plain", mutant.shown_by, mutant.name, disk=kind)])
    assert tally.bad


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


# What the checker says of states that no fault needs to bring about.


def _arena(folder: Path, *acts: Callable[[Path], object]) -> Path:
    store = _made(folder) / STORE
    toy.build(store)
    for act in acts:
        act(store)
    return folder


@pytest.fixture(name="truth")
def toy_truth(tmp_path: Path) -> Truth:
    return Truth.of(_arena(tmp_path / "before"), _arena(tmp_path / "after", toy.update))


def _tear(store: Path) -> None:
    (store / "memories/m1.json").write_bytes(b'{"id"')


def _lose(store: Path) -> None:
    (store / "memories/m2.json").unlink()


def _litter(store: Path) -> None:
    (store / "memories/m1.json.new").write_bytes(b"")


def _stray(store: Path) -> None:
    (store.parent / "elsewhere").write_bytes(b"")


def _expose(store: Path) -> None:
    (store / "memories/m1.json").chmod(0o666)


def _list_too_early(store: Path) -> None:
    rows = {"m9": {"path": "memories/m9.json"}}
    (store / toy.CATALOG).write_text(json.dumps(rows))


def _half(store: Path) -> None:
    toy.update(store)
    (store / "memories/m3.json").write_text(json.dumps({"id": "m3", "text": "old"}))
    (store / "memories/m3.json").chmod(0o600)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (_tear, "store/memories/m1.json: neither old nor new"),
        (_lose, "store/memories/m2.json: its bytes are lost"),
        (_litter, "store/memories/m1.json.new: neither old nor new"),
        (_stray, "elsewhere: neither old nor new"),
        (_expose, "store/memories/m1.json: neither old nor new"),
        (_list_too_early, "memories/m9.json: a row names it"),
        (_half, "between two states, and no committed run says so"),
    ],
)
def test_the_checker_sees(
    truth: Truth, tmp_path: Path, act: Callable[[Path], object], said: str
) -> None:
    problems = moment(truth, _arena(tmp_path / "now", act))
    assert any(problem.startswith(said) for problem in problems), problems


def _temporary(store: Path) -> None:
    (store / "memories/.tmp-m1").write_bytes(b"")


def _nothing(_: Path) -> None:
    return


@pytest.mark.parametrize("act", [_nothing, toy.update, _temporary])
def test_the_checker_accepts(truth: Truth, tmp_path: Path, act: Callable[[Path], object]) -> None:
    assert moment(truth, _arena(tmp_path / "now", act)) == []


def test_an_end_is_compared_exactly(truth: Truth, tmp_path: Path) -> None:
    now = photograph(_arena(tmp_path / "now", toy.update, _temporary))
    assert same(truth.after, now) == ["store/memories/.tmp-m1: e3b0c442 mode 644 instead of absent"]
