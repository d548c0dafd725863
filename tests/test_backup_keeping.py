"""Repositories over the years: checked, healed, pruned, shared by several writers."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from synthstore.backup.check import CheckOptions, _stale, check_repository
from synthstore.backup.drill import check
from synthstore.backup.find import find
from synthstore.backup.prune import prune_repository
from synthstore.backup.report import CheckReport
from synthstore.backup.retention import Keep
from synthstore.errors import LockedError, UsageError
from synthstore.repository.damage import Damage
from synthstore.repository.index import Index
from synthstore.repository.packs import PackIndex
from synthstore.repository.place import LocalPlace
from synthstore.repository.vault import LostObjectError, Repository
from synthstore.testing import stores
from tests.vaults import (
    back_up,
    give_back,
    opened,
    packs,
    place_at,
    settle,
    snapshot_at,
    standing,
)


@pytest.fixture
def place(tmp_path: Path) -> LocalPlace:
    return place_at(tmp_path / "repo")


@pytest.fixture
def built(tmp_path: Path) -> stores.Built:
    made = stores.build("native", tmp_path / "store", memories=20, dim=64)
    settle(made.root)
    return made


def looked(place: LocalPlace) -> CheckReport:
    return check_repository(place, CheckOptions(read_data=True))


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 3] ^= 4
    path.write_bytes(raw)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def test_a_note_of_damage_that_is_none_is_dropped(
    built: stores.Built, tmp_path: Path, place: LocalPlace
) -> None:
    back_up(built.root, place)
    victim = packs(place, lists=False)[0]
    whole = victim.read_bytes()
    flip(victim)
    assert looked(place).lost
    victim.write_bytes(whole)
    report = looked(place)
    assert (report.lost, report.problems) == ((), ())
    assert not give_back(tmp_path / "again", place).lost
    assert list((place.root / "damage").iterdir()) == []


def test_a_note_of_a_pack_that_is_gone_holds_nothing_back(
    built: stores.Built, tmp_path: Path, place: LocalPlace
) -> None:
    back_up(built.root, place)
    repository = opened(place)
    said = {name: frozenset(pack.ids()) for name, pack in repository.index.packs.items()}
    repository.note_damage(Damage({**said, "0" * 64: frozenset([bytes(32)])}, frozenset()))
    assert not looked(place).problems
    assert not give_back(tmp_path / "again", place).lost


@pytest.mark.parametrize("lists", [False, True])
@pytest.mark.parametrize("hurt", [flip, cut, Path.unlink])
def test_damage_is_named_and_healed_by_the_next_backup(
    hurt: Callable[[Path], None],
    lists: bool,
    built: stores.Built,
    tmp_path: Path,
    place: LocalPlace,
) -> None:
    back_up(built.root, place)
    before = standing(built.root)
    (pack,) = packs(place, lists=lists)
    hurt(pack)
    report = looked(place)
    assert report.exit_code == 1
    if lists:
        assert any("its list of files" in problem for problem in report.problems)
    else:
        assert {lost.id for lost in report.lost if lost.kind == "memory"} == set(built.memories)
    assert back_up(built.root, place).exit_code == 0
    give_back(tmp_path / "again", place)
    assert standing(tmp_path / "again") == before
    healed = check_repository(place, CheckOptions(read_data=True))
    assert not healed.lost


@pytest.mark.parametrize("bad_first", [False, True])
def test_a_good_copy_counts_whatever_the_packs_are_called(
    bad_first: bool, built: stores.Built, place: LocalPlace
) -> None:
    report = back_up(built.root, place)
    repository = opened(place)
    (data,) = packs(place, lists=False)
    pack = repository.index.packs[data.name]
    name = bytes.fromhex(next(r.sha256 for r in repository.tree(report.snapshot).files))
    twin = PackIndex("0" if bad_first else "f" * 64, pack.blocks, pack.blobs)
    index = Index()
    for one in sorted((pack, twin), key=lambda each: each.name):
        index.add(one, frozenset({name}) if one is twin else frozenset())
    assert index.pack_of(name) == data.name


def test_one_memory_that_is_lost_is_named(
    built: stores.Built, tmp_path: Path, place: LocalPlace
) -> None:
    back_up(built.root, place)
    memory = built.memories[7]
    built.edit(memory, lambda doc: doc.update(content="new", embedding=[0.5] * 64))
    old = set(packs(place))
    back_up(built.root, place)
    (fresh,) = set(packs(place, lists=False)) - old
    index = opened(place).index.packs[fresh.name]
    block = next(n for n in range(len(index.blocks)) if index.coding(n))
    raw = bytearray(fresh.read_bytes())
    raw[index.span(block)[0] + 20] ^= 1
    fresh.write_bytes(raw)
    report = looked(place)
    assert {(lost.kind, lost.id) for lost in report.lost} >= {("memory", memory)}
    assert {lost.kind for lost in report.lost if lost.id != memory} <= {"file"}
    restored = give_back(tmp_path / "again", place)
    assert restored.exit_code == 3
    assert built.paths[memory] in restored.lost
    assert back_up(built.root, place).changed == 0
    assert not looked(place).lost


def test_a_snapshot_file_that_is_damaged_is_said(built: stores.Built, place: LocalPlace) -> None:
    back_up(built.root, place)
    (file,) = (place.root / "snapshots").iterdir()
    flip(file)
    report = looked(place)
    assert report.snapshots == 0
    assert report.exit_code == 1
    pruned = prune_repository(place, Keep(last=1))
    assert pruned.held_back is not None
    assert len(packs(place)) == 2


def test_the_age_of_the_newest(built: stores.Built, place: LocalPlace) -> None:
    back_up(built.root, place)
    assert check_repository(place, CheckOptions(max_age=3600.0)).clean
    assert not check_repository(place, CheckOptions(max_age=0.0)).clean
    assert check_repository(place, CheckOptions(max_age=3600.0, name="other")).stale


@pytest.mark.parametrize(
    ("days", "stale"),
    [
        ([-9, -1], False),
        ([-9], True),
        ([0.01], False),
        ([900, -1], False),
        ([900, -9], True),
        ([900], True),
    ],
)
def test_a_snapshot_of_a_clock_that_was_ahead_is_not_a_young_one(
    days: list[float], stale: bool
) -> None:
    now = datetime.now(UTC)
    snapshots = tuple(snapshot_at(now + timedelta(days=n)) for n in days)
    assert bool(list(_stale(snapshots, 2 * 86400.0))) is stale


def test_a_drill_restores_aside(built: stores.Built, tmp_path: Path, place: LocalPlace) -> None:
    back_up(built.root, place)
    (tmp_path / "aside").mkdir()
    options = CheckOptions(drill=tmp_path / "aside")
    report = asyncio.run(check(place, options))
    assert (report.clean, len(report.drilled)) == (True, 1)
    assert not list((tmp_path / "aside").iterdir())
    flip(packs(place, lists=False)[0])
    report = asyncio.run(check(place, options))
    assert not report.clean


def test_prune_lets_go_what_no_snapshot_needs(
    built: stores.Built, tmp_path: Path, place: LocalPlace
) -> None:
    for number in range(12):
        (built.root / "noise").write_bytes(os.urandom(200_000))
        built.edit(built.memories[number], lambda doc: doc.update(content="of another day"))
        back_up(built.root, place)
    before = standing(built.root)
    planned = prune_repository(place, Keep(last=2), dry_run=True)
    assert [one.because for one in planned.snapshots][-2:] == ["last #2", "last #1"]
    size = sum(pack.stat().st_size for pack in packs(place))
    report = prune_repository(place, Keep(last=2))
    assert len(opened(place).snapshots()) == 2
    assert report.held_back is None
    assert sum(pack.stat().st_size for pack in packs(place)) < size / 4
    assert report.freed_bytes > size / 2
    assert looked(place).clean
    give_back(tmp_path / "again", place)
    assert standing(tmp_path / "again") == before
    again = prune_repository(place, Keep(last=2))
    assert (again.packs_removed, again.packs_rewritten, again.freed_bytes) == (0, 0, 0)


def test_prune_acts_by_name(built: stores.Built, tmp_path: Path, place: LocalPlace) -> None:
    for name in ("a", "b", "a", "b"):
        back_up(built.root, place, name=name)
    prune_repository(place, Keep(last=1), name="a")
    assert [one.name for one in opened(place).snapshots()] == ["b", "a", "b"]
    prune_repository(place, Keep(last=1))
    assert sorted(one.name for one in opened(place).snapshots()) == ["a", "b"]
    with pytest.raises(UsageError):
        prune_repository(place, Keep())


def test_backup_prunes_and_checks_on_request(built: stores.Built, place: LocalPlace) -> None:
    back_up(built.root, place)
    report = back_up(built.root, place, keep=Keep(last=1), check=True)
    assert report.pruned is not None
    assert [one.because for one in report.pruned.snapshots] == [None, "last #1"]
    assert report.checked is not None
    assert report.checked.clean
    assert report.exit_code == 0


def test_garbage_of_a_backup_that_died_goes(built: stores.Built, place: LocalPlace) -> None:
    back_up(built.root, place)
    old = packs(place)
    snapshot = next((place.root / "snapshots").iterdir())
    built.edit(built.memories[0], lambda doc: doc.update(content="x"))
    back_up(built.root, place)
    for later in set((place.root / "snapshots").iterdir()) - {snapshot}:
        later.unlink()
    (place.root / "packs" / ".tmp-0123").write_bytes(b"half")
    assert prune_repository(place, Keep(last=1)).packs_removed == 2
    assert packs(place) == old


def test_find_by_id_and_by_words(built: stores.Built, place: LocalPlace) -> None:
    memory = built.memories[4]
    built.edit(memory, lambda doc: doc.update(content="The Lighthouse at dusk"))
    first = back_up(built.root, place).snapshot
    built.file(memory).unlink()
    back_up(built.root, place)
    (by_words,) = find(place, "lighthouse AT").versions
    (by_id,) = find(place, memory).versions
    assert by_words == by_id
    assert (by_id.id, [one.id for one in by_id.snapshots]) == (memory, [first.id])
    assert by_id.content == "The Lighthouse at dusk"
    assert find(place, "no such words").versions == ()


def test_prune_waits_for_nobody(built: stores.Built, place: LocalPlace) -> None:
    back_up(built.root, place)
    with place.locked(shared=True, wait=0.0), pytest.raises(LockedError):
        prune_repository(place, Keep(last=1))
    with place.locked(shared=True, wait=0.0):
        back_up(built.root, place)
    with place.locked(shared=False, wait=0.0), pytest.raises(LockedError):
        back_up(built.root, place)


def test_two_processes_back_up_at_once(tmp_path: Path, place: LocalPlace) -> None:
    roots = [stores.build("native", tmp_path / f"s{n}", seed=n).root for n in range(3)]
    before = [standing(root) for root in roots]
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=back_up, args=(root, place)) for root in roots]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert looked(place).clean
    for n, moment in enumerate(before):
        give_back(tmp_path / f"again{n}", place, name=f"s{n}")
        assert standing(tmp_path / f"again{n}") == moment


def test_bytes_that_are_not_those_that_were_stored_are_never_given(
    built: stores.Built, place: LocalPlace
) -> None:
    report = back_up(built.root, place)
    flip(packs(place, lists=False)[0])
    repository = Repository.open(place)
    lost = 0
    for row in _rows(repository, report.snapshot.tree):
        try:
            repository.read(row)
        except LostObjectError:
            lost += 1
    assert lost


def _rows(repository: Repository, tree: str) -> list[bytes]:
    try:
        return [row.object for row in repository.tree_of(bytes.fromhex(tree)).files]
    except LostObjectError:
        return [bytes.fromhex(tree)]
