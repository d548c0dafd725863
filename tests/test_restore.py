"""Restores into living stores: entity files come back, rows and vectors follow, undo takes back."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from synthstore import verify
from synthstore.backup import restore as entry
from synthstore.backup.choosing import choose
from synthstore.backup.restore import RestoreOptions, restore
from synthstore.errors import InterruptedByUserError, OperationError, UsageError
from synthstore.files import flushing
from synthstore.render.backups import restore_warnings
from synthstore.repository.place import LocalPlace
from synthstore.testing import stores
from synthstore.testing.spelling import Name
from synthstore.verify import Look
from tests.operate import codes, look, take_back
from tests.program import Program
from tests.trees import changed, sha_tree
from tests.vaults import back_up, forget, give_back, opened, place_at, standing

LAYOUTS: tuple[Name, ...] = ("native", "core-4", "core-3")


@pytest.fixture
def place(tmp_path: Path) -> LocalPlace:
    return place_at(tmp_path / "repo")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_memory_comes_back_with_row_and_vector(
    layout: Name, tmp_path: Path, place: LocalPlace
) -> None:
    built = stores.build(layout, tmp_path / "store")
    memory = built.memories[2]
    raw, mtime = built.raw(memory), built.file(memory).stat().st_mtime_ns
    back_up(built.root, place)
    forget(built, memory)
    before, catalog = sha_tree(built.root), built.catalog.read_bytes()
    report = give_back(built.root, place, ids=frozenset({memory}))
    (copy,) = (built.root / ".synthstore" / "index_backups").iterdir()
    assert copy.read_bytes() == catalog
    assert (report.exit_code, report.files, report.findings) == (0, 1, ())
    assert built.raw(memory) == raw
    assert built.file(memory).stat().st_mtime_ns == mtime
    assert memory in built.entries()
    assert built.row(memory)
    after = look(built.root)
    assert codes(after).keys() <= {"C004", "A023"}, codes(after)
    touched = changed(before, sha_tree(built.root))
    assert touched <= {built.paths[memory], *built.parts}
    take_back(built.root)
    assert sha_tree(built.root) == before


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_damaged_store_gets_all_back_and_keeps_what_is_newer(
    layout: Name, tmp_path: Path, place: LocalPlace
) -> None:
    built = stores.build(layout, tmp_path / "store")
    back_up(built.root, place)
    lost = built.memories[:3]
    for memory in lost:
        forget(built, memory)
    built.edit(built.memories[5], lambda doc: doc.update(content="written since"))
    added = built.add_memory("mem_0123456789ab" if layout != "native" else "late")
    report = give_back(built.root, place)
    assert report.files == 3
    assert built.read(built.memories[5])["content"] == "written since"
    assert (built.root / added).exists()
    assert not [f for f in look(built.root).findings if f.severity.label == "error"]


def test_overwrite_decides(tmp_path: Path, place: LocalPlace) -> None:
    built = stores.build("native", tmp_path / "store")
    back_up(built.root, place)
    memory = built.memories[0]
    raw = built.raw(memory)
    later = "2099-01-01T00:00:00.000000"
    built.edit(memory, lambda doc: doc.update(content="newer", updated_at=later))
    wanted = frozenset({memory})
    for policy in ("never", "if-newer"):
        report = give_back(built.root, place, ids=wanted, overwrite=policy)
        assert (report.run, report.files) == (None, 0)
        assert report.actions[0].status == "skipped"
    report = give_back(built.root, place, ids=wanted, overwrite="always")
    assert report.run is not None
    assert built.raw(memory) == raw
    assert codes(look(built.root)) == {}
    built.edit(memory, lambda doc: doc.update(content="old", updated_at="2001-01-01T00:00:00"))
    assert give_back(built.root, place, ids=wanted, overwrite="if-newer").files == 1
    assert codes(look(built.root)) == {}


def test_a_torn_file_is_replaced_only_if_that_is_asked_for(
    tmp_path: Path, place: LocalPlace
) -> None:
    built = stores.build("native", tmp_path / "store")
    memory = built.memories[0]
    raw = built.raw(memory)
    back_up(built.root, place)
    built.overwrite(memory, raw[:100])
    assert give_back(built.root, place, ids=frozenset({memory})).run is None
    report = give_back(built.root, place, ids=frozenset({memory}), overwrite="if-newer")
    assert report.exit_code == 0
    assert built.raw(memory) == raw
    assert codes(look(built.root)) == {}


def test_a_dry_run_changes_nothing(tmp_path: Path, place: LocalPlace) -> None:
    built = stores.build("native", tmp_path / "store")
    back_up(built.root, place)
    forget(built, built.memories[0])
    before = standing(built.root)
    report = give_back(built.root, place, dry_run=True)
    assert (report.files, report.run) == (1, None)
    assert give_back(tmp_path / "new", place, dry_run=True).files > 0
    assert not (tmp_path / "new").exists()
    assert standing(built.root) == before


def test_declining_changes_nothing(tmp_path: Path, place: LocalPlace) -> None:
    built = stores.build("native", tmp_path / "store")
    back_up(built.root, place)
    forget(built, built.memories[0])
    before = sha_tree(built.root)
    with pytest.raises(InterruptedByUserError):
        asyncio.run(restore(built.root, place, RestoreOptions(), confirm=lambda _: False))
    assert sha_tree(built.root) == before


def test_what_cannot_be_meant_is_refused(tmp_path: Path, place: LocalPlace) -> None:
    built = stores.build("native", tmp_path / "store")
    back_up(built.root, place)
    other = stores.build("core-4", tmp_path / "other")
    with pytest.raises(UsageError, match="is of a native store"):
        give_back(other.root, place)
    with pytest.raises(UsageError, match="does not hold") as unknown:
        give_back(built.root, place, ids=frozenset({"no body"}))
    find = f"synthstore snapshots find 'no body' --repo {place.where}"
    assert find in (unknown.value.hint or "")
    with pytest.raises(UsageError, match="no store to put"):
        give_back(tmp_path / "new", place, ids=frozenset({built.memories[0]}))
    for wanted in ("2001-01-01", "ffffffff00", "yesterday"):
        with pytest.raises(UsageError):
            give_back(built.root, place, snapshot=wanted)
    back_up(other.root, place)
    with pytest.raises(UsageError, match="several stores"):
        give_back(tmp_path / "new", place)
    assert give_back(tmp_path / "new", place, name="other").exit_code == 0


def test_a_time_means_the_newest_before_it(tmp_path: Path, place: LocalPlace) -> None:
    built = stores.build("native", tmp_path / "store")
    first = back_up(built.root, place).snapshot
    built.add_memory("late")
    second = back_up(built.root, place).snapshot
    report = give_back(tmp_path / "then", place, snapshot=first.time.isoformat())
    assert report.snapshot.id == first.id
    assert give_back(tmp_path / "now", place).snapshot.id == second.id


def test_a_snapshot_of_a_clock_that_was_ahead_is_told(
    cli: Program, tmp_path: Path, place: LocalPlace
) -> None:
    built = stores.build("native", tmp_path / "store")
    back_up(built.root, place)
    assert "yet to come" not in cli("restore", tmp_path / "one", "--repo", place.where).err
    (one,) = opened(place).snapshots()
    ahead = replace(one, time=one.time + timedelta(days=9))
    blocks = restore_warnings(replace(give_back(tmp_path / "two", place), snapshot=ahead))
    assert "yet to come" in " ".join(str(block) for block in blocks)


def test_errors_of_what_was_not_restored_are_told(cli: Program, tmp_path: Path) -> None:
    built = stores.build("native", tmp_path / "store")
    assert cli("backup", built.root, "--repo", "repo").code == 0
    one, other = built.memories[:2]
    built.file(one).unlink()
    built.overwrite(other, b"{ torn")
    call = ("restore", built.root, "--repo", "repo", "-y", "--id")
    done = cli(*call, one)
    assert done.code == 0
    assert f"1 error left in what was not restored: `synthstore repair {built.root}" in done.out
    built.file(one).unlink()
    assert cli(*call, other, "--overwrite", "always").code == 0
    assert "error left" not in cli(*call, one).out


def test_a_row_that_is_gone_is_told_where_its_file_is_left(cli: Program, tmp_path: Path) -> None:
    built = stores.build("native", tmp_path / "store")
    assert cli("backup", built.root, "--repo", "repo").code == 0
    one = built.memories[0]
    built.edit_catalog(lambda catalog: catalog["memories"].pop(one))
    done = cli("restore", built.root, "--repo", "repo", "-y", "--id", one)
    assert "error left in what was not restored" in done.out or "errors left in" in done.out


def test_an_older_try_that_died_is_in_nobody_s_way(tmp_path: Path, place: LocalPlace) -> None:
    built = stores.build("native", tmp_path / "store")
    back_up(built.root, place)
    left = tmp_path / ".again.restoring" / "memories"
    left.mkdir(parents=True)
    (left / "half.json").write_bytes(b"{")
    (tmp_path / "again").mkdir()
    give_back(tmp_path / "again", place)
    assert standing(tmp_path / "again") == standing(built.root)
    assert not left.parent.exists()


def test_what_the_disk_refuses_is_no_success(
    tmp_path: Path, place: LocalPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(stores.build("native", tmp_path / "store").root, place)

    def refuse(_: int) -> bool:
        raise OSError(errno.EIO, "lost")

    monkeypatch.setattr(flushing, "sync_file_system", refuse)
    with pytest.raises(OperationError, match="lost"):
        give_back(tmp_path / "new", place)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["repo", "store"]


def test_what_is_found_is_told_of_the_place_that_the_store_has_in_the_end(
    tmp_path: Path, place: LocalPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = stores.build("native", tmp_path / "store")
    built.catalog.write_bytes(b"{")
    back_up(built.root, place)
    looks: list[Path] = []

    async def look_at(root: Path, *rest: Any) -> Look:
        looks.append(root)
        return await true_look(root, *rest)

    true_look = verify.look
    monkeypatch.setattr(verify, "look", look_at)
    assert give_back(tmp_path / "other", place, name="store").findings == ()
    assert [root.name for root in looks] == [".other.restoring"]
    # As if nothing had been known of it when the snapshot was taken.
    monkeypatch.setattr(
        entry, "choose", lambda *how, **more: replace(choose(*how, **more), findings={})
    )
    report = give_back(tmp_path / "new", place, name="store")
    assert [root.name for root in looks[1:]] == [".new.restoring", "new"]
    assert "C002" in {finding.code for finding in report.findings}
    assert report.exit_code == 1


def pipe_at(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (pipe_at, "a FIFO stands there: move it away"),
        (lambda path: path.write_bytes(b"{ torn"), "a damaged file stands there; --overwrite"),
    ],
    ids=["fifo", "torn"],
)
def test_a_file_in_the_way_is_no_success(
    harm: Callable[[Path], object], told: str, cli: Program, tmp_path: Path
) -> None:
    built = stores.build("native", tmp_path / "store")
    memory = built.memories[2]
    assert cli("backup", built.root, "--repo", "repo").code == 0
    harm(built.file(memory))
    before = sha_tree(built.root)
    for options in (("-n",), ("-y",), ("-y", "-q")):
        result = cli("restore", built.root, "--repo", "repo", "--id", memory, *options)
        assert result.code == 3
        assert f"not restored: memory {memory}: {told}" in result.out
    assert sha_tree(built.root) == before


def test_a_whole_file_that_is_to_stay_is_a_success(cli: Program, tmp_path: Path) -> None:
    built = stores.build("native", tmp_path / "store")
    assert cli("backup", built.root, "--repo", "repo").code == 0
    built.edit(built.memories[2], lambda document: document.update(content="another"))
    assert cli("restore", built.root, "--repo", "repo", "-y").code == 0
