"""Repositories that somebody else uses at the same moment."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from synthstore.backup.check import CheckOptions, check_repository
from synthstore.backup.find import find
from synthstore.backup.prune import prune_repository
from synthstore.backup.retention import Keep
from synthstore.errors import LockedError
from synthstore.repository.place import LocalPlace
from synthstore.testing import stores
from synthstore.testing.spelling import Doc
from tests.mounts import small_disk
from tests.program import Program
from tests.vaults import back_up, give_back, place_at, standing


class Busy(LocalPlace):
    """A place where somebody does something before the call numbered ``moment``."""

    def __init__(self, root: Path, moment: int, deed: Callable[[], object]) -> None:
        super().__init__(root)
        self._moment, self._deed = moment, deed
        self._calls = count()
        self.done = False

    def _call(self) -> None:
        if next(self._calls) == self._moment:
            self.done = True
            self._deed()

    def names(self, folder: str) -> Mapping[str, int]:
        self._call()
        return super().names(folder)

    def read(self, name: str, start: int = 0, size: int | None = None) -> bytes:
        self._call()
        return super().read(name, start, size)


@pytest.fixture
def built(tmp_path: Path) -> stores.Built:
    return stores.build("native", tmp_path / "store", memories=6, assemblies=1, dim=32)


@pytest.fixture
def repo(tmp_path: Path, built: stores.Built) -> Path:
    """A repository with two snapshots that share little."""
    place = place_at(tmp_path / "repo")
    back_up(built.root, place)
    change(built, 1)
    back_up(built.root, place)
    return place.root


def change(built: stores.Built, seed: int) -> None:
    for memory in built.memories:
        built.edit(memory, partial(_embed, seed))


def _embed(seed: int, doc: Doc) -> None:
    doc.update(embedding=[seed + n / 100 for n in range(32)])


def moments(repo: Path, deed: Callable[[], object]) -> Iterator[Busy]:
    """The repository, the same every time, with ``deed`` done ever later, until it is too late."""
    kept = repo.with_name("kept")
    shutil.copytree(repo, kept)
    for moment in count():
        place = Busy(repo, moment, deed)
        yield place
        if not place.done:
            assert moment > len(list(repo.iterdir()))
            return
        shutil.rmtree(repo)
        shutil.copytree(kept, repo)


@pytest.mark.parametrize("read_data", [False, True])
def test_a_check_gives_no_alarm_while_others_add_and_take_away(
    built: stores.Built, repo: Path, read_data: bool
) -> None:
    place = place_at(repo)

    def night() -> None:
        change(built, 2)
        back_up(built.root, place)
        prune_repository(place, Keep(last=1))

    for busy in moments(repo, night):
        report = check_repository(busy, CheckOptions(read_data=read_data))
        assert (report.problems, report.lost) == ((), ())


def test_a_restore_gives_all_of_what_prune_would_have_taken(
    built: stores.Built, repo: Path, tmp_path: Path
) -> None:
    def prune() -> None:
        with suppress(LockedError):
            prune_repository(place_at(repo), Keep(last=1))

    now = standing(built.root)
    for number, busy in enumerate(moments(repo, prune)):
        target = tmp_path / f"out{number}"
        assert not give_back(target, busy).lost
        assert standing(target) == now


def test_who_reads_keeps_prune_away_and_the_other_way_round(repo: Path, tmp_path: Path) -> None:
    place = place_at(repo)
    with place.locked(shared=False, wait=0.0):
        for read in (lambda: give_back(tmp_path / "out", place), lambda: find(place, "note")):
            with pytest.raises(LockedError):
                read()
    with place.locked(shared=True, wait=0.0):
        assert find(place, "note").versions


def test_a_backup_is_done_though_others_keep_its_prune_away(
    cli: Program, built: stores.Built, repo: Path
) -> None:
    with place_at(repo).locked(shared=True, wait=0.0):
        done = cli("backup", built.root, "--repo", repo, "--keep-last", "1", "--check", "-q")
    assert (done.code, done.out) == (0, "")
    assert "nothing was pruned" in done.err
    after = cli("backup", built.root, "--repo", repo, "--keep-last", "1", "--json")
    assert len(after.document["pruned"]["snapshots"]) == 4


def test_a_repository_that_may_only_be_read_is_read(built: stores.Built, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=4m") as disk:
        place = place_at(disk / "repo")
        back_up(built.root, place)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert not give_back(tmp_path / "out", place).lost
        assert find(place, "note").versions
