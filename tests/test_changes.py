"""The change log: whole lines count, torn ones do not, the last word on an entity wins."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from synthstore.files import walk
from synthstore.model.ids import EntityRef
from synthstore.store.admission import Custody, admit
from synthstore.store.changes import (
    LOG,
    ChangeLog,
    Deed,
    Logged,
    load_log,
    parse_lines,
    pending_of,
    settle_log,
    spell,
)

A, B = EntityRef("memory", "a"), EntityRef("assembly", "b")
SAVE_A = Logged(Deed.SAVE, A, "0" * 64, 1_700_000_000_000_000)
DELETE_A, DELETE_B = Logged(Deed.DELETE, A), Logged(Deed.DELETE, B)


@pytest.fixture
def custody(tmp_path: Path) -> Custody:
    found = admit(tmp_path)
    found.make_private(tmp_path / ".synthstore")
    return found


def log_at(root: Path, custody: Custody, *, flush_threshold: int = 20) -> ChangeLog:
    log = ChangeLog(root, custody, flush_threshold=flush_threshold)
    log.refresh()
    return log


def test_lines_are_json_and_come_back() -> None:
    raw = spell(SAVE_A) + spell(DELETE_B)
    assert list(parse_lines(raw)) == [SAVE_A, DELETE_B]
    first = json.loads(raw.splitlines()[0])
    assert (first["op"], first["kind"], first["id"]) == ("save", "memory", "a")


def test_no_cut_and_no_flipped_bit_makes_another_line() -> None:
    raw = spell(SAVE_A)
    for end in range(len(raw) - 1):
        assert list(parse_lines(raw[:end])) == []
    for at in range(len(raw) - 1):
        flipped = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        assert list(parse_lines(flipped)) == []


def test_lines_around_a_torn_one_count() -> None:
    torn = spell(DELETE_A)[:-9] + b"\n"
    assert list(parse_lines(spell(SAVE_A) + torn + spell(DELETE_B))) == [SAVE_A, DELETE_B]


def test_the_last_word_counts() -> None:
    pending = pending_of([DELETE_A, SAVE_A, DELETE_B])
    assert pending.saved == {A: SAVE_A}
    assert pending.deleted == pending.gone == {B}
    assert pending.open == 2


def test_a_save_after_a_deletion_remembers_it() -> None:
    for lines in ([DELETE_A, SAVE_A], [DELETE_A, SAVE_A, SAVE_A]):
        assert pending_of(lines).last[A].revives
    assert not pending_of([SAVE_A]).last[A].revives


def test_earlier_saves_are_remembered_until_they_are_folded() -> None:
    hashes = [f"{n:064}" for n in range(40)]
    lines = [Logged(Deed.SAVE, A, sha, 1_700_000_000_000_000 + n) for n, sha in enumerate(hashes)]
    assert pending_of(lines[:1]).last[A].earlier == ()
    assert pending_of(lines[:3]).last[A].earlier == tuple(hashes[:2])
    assert pending_of([*lines[:2], DELETE_A, lines[2]]).last[A].earlier == tuple(hashes[:2])
    assert pending_of(lines).last[A].earlier == tuple(hashes[-17:-1])
    assert pending_of([lines[0], Logged(Deed.GONE, A), lines[1]]).last[A].earlier == ()
    twice = pending_of([pending_of(lines[:2]).last[A], pending_of(lines[:3]).last[A]])
    assert {*twice.last[A].earlier} >= {*hashes[:2]}


def test_what_one_writes_another_reads(tmp_path: Path, custody: Custody) -> None:
    one, other = log_at(tmp_path, custody), log_at(tmp_path, custody)
    one.append([SAVE_A])
    assert not one.stale()
    assert other.stale()
    assert other.refresh() is True, "a log where there was none"
    assert other.line(A) == SAVE_A
    other.append([DELETE_B], sync=True)
    assert one.stale()
    assert one.refresh() is False
    assert one.pending.last == {A: SAVE_A, B: DELETE_B}
    assert one.open == 2


def test_a_fold_is_noticed_and_deletions_are_remembered(tmp_path: Path, custody: Custody) -> None:
    one, other = log_at(tmp_path, custody), log_at(tmp_path, custody)
    one.append([SAVE_A, DELETE_B], sync=True)
    other.refresh()
    settle_log(tmp_path, custody, load_log(tmp_path))
    assert other.stale()
    assert other.refresh() is True
    assert other.open == 0
    assert other.pending.gone == {B}
    other.append([SAVE_A])
    assert load_log(tmp_path).open == 1
    assert one.refresh() is True


def test_a_log_that_grows_while_it_is_read_is_read(
    tmp_path: Path, custody: Custody, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = log_at(tmp_path, custody), log_at(tmp_path, custody)
    one.append([SAVE_A])

    def read(file: int, size: int) -> bytes:
        one.append([DELETE_B])
        return os.pread(file, size, 0)

    with monkeypatch.context() as patch:
        patch.setattr("synthstore.files.walk._read_whole", read)
        assert other.refresh() is True
        assert load_log(tmp_path).last[A] == SAVE_A
    assert other.pending.last == {A: SAVE_A}
    assert other.stale()
    assert other.refresh() is False
    assert other.pending.last == {A: SAVE_A, B: DELETE_B}


def test_a_log_replaced_while_it_is_read_is_read_again(
    tmp_path: Path, custody: Custody, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = log_at(tmp_path, custody), log_at(tmp_path, custody)
    one.append([SAVE_A])

    read_whole = walk._read_whole

    def read(file: int, size: int) -> bytes:
        monkeypatch.undo()
        settle_log(tmp_path, custody, load_log(tmp_path))
        return read_whole(file, size)

    monkeypatch.setattr("synthstore.files.walk._read_whole", read)
    other.refresh()
    assert other.pending.last == {A: SAVE_A}
    assert other.stale()
    one.refresh()
    one.append([DELETE_B] * 4)
    assert other.refresh() is True
    assert other.pending.last == {B: DELETE_B}


def test_nothing_is_forgotten_while_a_folded_log_is_read(
    tmp_path: Path, custody: Custody, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = log_at(tmp_path, custody)
    log.append([DELETE_B])
    settle_log(tmp_path, custody, load_log(tmp_path))

    def parse(raw: bytes) -> Iterator[Logged]:
        assert log.line(B) is not None, "another thread would take it for one that is there"
        yield from parse_lines(raw)

    monkeypatch.setattr("synthstore.store.changes.parse_lines", parse)
    assert log.refresh() is True
    assert log.line(B) == Logged(Deed.GONE, B)


def test_another_log_of_the_same_number_is_no_longer_one(tmp_path: Path, custody: Custody) -> None:
    log = log_at(tmp_path, custody)
    log.append([SAVE_A])
    with (tmp_path / LOG).open("r+b") as file:
        file.truncate()
        file.write(spell(DELETE_B) * 4)
    assert log.stale()
    assert log.refresh() is True
    assert log.pending.last == {B: DELETE_B}


def test_what_a_crash_tore_does_not_swallow_the_next_line(tmp_path: Path, custody: Custody) -> None:
    log_at(tmp_path, custody).append([SAVE_A], sync=True)
    with (tmp_path / LOG).open("ab") as file:
        file.write(spell(DELETE_A)[:20])
    log = log_at(tmp_path, custody)
    assert log.pending.last == {A: SAVE_A}
    log.append([DELETE_B])
    assert load_log(tmp_path).last == {A: SAVE_A, B: DELETE_B}


def test_the_log_is_synced_when_enough_has_gathered(
    tmp_path: Path, custody: Custody, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr("synthstore.files.appending.os.fsync", synced.append)
    log = log_at(tmp_path, custody, flush_threshold=3)
    log.append([SAVE_A])
    synced.clear()
    log.append([Logged(Deed.SAVE, EntityRef("memory", "c"))])
    assert not synced
    log.append([Logged(Deed.SAVE, EntityRef("memory", "d"))])
    assert len(synced) == 1
    log.append([DELETE_B], sync=True)
    assert len(synced) == 2
    log.append([Logged(Deed.SAVE, B)])
    assert len(synced) == 3, "without this line a power cut would leave only the deletion"
    log.close()


def test_a_foreign_file_in_its_place_is_no_log(tmp_path: Path, custody: Custody) -> None:
    (tmp_path / LOG).write_bytes(b'{"op":"delete","kind":"memory","id":"a"}\n\x00\x00\n')
    assert load_log(tmp_path).last == {}
