"""Stores that share a repository, each under its own name."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from pathlib import Path

import pytest

from synthstore.testing import stores
from tests.operate import codes, look
from tests.program import Program
from tests.trees import sha_tree
from tests.vaults import back_up, opened, place_at, settle


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return tmp_path / "repo"


@pytest.fixture
def mine(tmp_path: Path) -> stores.Built:
    return stores.build("native", tmp_path / "a" / "store", memories=6)


@pytest.fixture
def other(tmp_path: Path) -> stores.Built:
    return stores.build("native", tmp_path / "b" / "store", memories=6, seed=9)


def names(repo: Path) -> list[str]:
    return [one.name for one in opened(place_at(repo)).snapshots()]


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_nothing_is_added_to_another_store_s_snapshots(
    dry: tuple[str, ...], cli: Program, mine: stores.Built, other: stores.Built, repo: Path
) -> None:
    cli("backup", mine.root, "--repo", repo)
    before = sha_tree(repo)
    call = ("backup", other.root, "--repo", repo, "--keep-last", "1", *dry)
    refused = cli(*call)
    assert (refused.code, refused.out) == (12, "")
    assert "no memory of this store is in the last snapshot called 'store'" in refused.err
    assert "--name NAME" in refused.err
    assert sha_tree(repo) == before
    assert cli(*call, "--json").document["error"]["kind"] == "refused"
    assert cli(*call, "--name", "other").code == 0
    assert names(repo) == ["store", "other"][: 1 if dry else 2]


def test_a_store_that_was_filled_anew_is_the_same_if_the_operator_says_so(
    cli: Program, mine: stores.Built, other: stores.Built, repo: Path
) -> None:
    cli("backup", mine.root, "--repo", repo)
    shutil.rmtree(mine.root)
    other.root.rename(mine.root)
    assert cli("backup", mine.root, "--repo", repo).code == 12
    assert cli("backup", mine.root, "--repo", repo, "--name", "store").code == 0
    assert cli("backup", mine.root, "--repo", repo).code == 0
    assert names(repo) == ["store"] * 3


@pytest.mark.parametrize("habit", ["config", "variable"])
def test_a_name_by_habit_does_not_make_another_store_the_same(
    habit: str,
    cli: Program,
    mine: stores.Built,
    other: stores.Built,
    repo: Path,
    *,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if habit == "config":
        cli.config('[backup]\nname = "all"\n[restore]\nname = "all"')
    else:
        monkeypatch.setenv("SYNTHSTORE_BACKUP_NAME", "all")
        monkeypatch.setenv("SYNTHSTORE_RESTORE_NAME", "all")
    assert cli("backup", mine.root, "--repo", repo).code == 0
    mine.add_memory("fresh")
    assert cli("backup", mine.root, "--repo", repo).code == 0
    refused = cli("backup", other.root, "--repo", repo)
    assert (refused.code, names(repo)) == (12, ["all"] * 2)
    assert "--name NAME" in refused.err
    assert "not one memory" in cli("restore", other.root, "--repo", repo, "-n").err
    assert "not one memory" not in cli("restore", mine.root, "--repo", repo, "-n").err
    assert cli("backup", other.root, "--repo", repo, "--name", "all").code == 0
    assert cli("backup", other.root, "--repo", repo).code == 0


def test_one_memory_is_enough_to_be_the_same_store(mine: stores.Built, repo: Path) -> None:
    back_up(mine.root, place_at(repo))
    for name in (*mine.memories[1:], *mine.assemblies):
        mine.file(name).unlink()
    mine.add_memory("fresh")
    assert back_up(mine.root, place_at(repo)).new == 1


def test_nobody_is_a_stranger_to_an_empty_store(
    mine: stores.Built, other: stores.Built, repo: Path
) -> None:
    place = place_at(repo)
    back_up(mine.root, place)
    shutil.rmtree(mine.root / "memories")
    shutil.rmtree(mine.root / "assemblies")
    assert back_up(mine.root, place).snapshot.memories == 0
    assert back_up(other.root, place).snapshot.memories == 6


def test_a_store_in_another_layout_is_the_same(cli: Program, tmp_path: Path, repo: Path) -> None:
    built = stores.build("core-3", tmp_path / "store", memories=6, dim=16)
    assert cli("backup", built.root, "--repo", repo).code == 0
    assert cli("migrate", built.root, "--in-place", "--layout", "core-4", "-y").code == 0
    assert not (built.root / built.paths[built.memories[0]]).exists()
    assert cli("backup", built.root, "--repo", repo).code == 0
    assert "M001" not in codes(look(built.root))


def test_other_memories_are_restored_with_a_warning(
    cli: Program, mine: stores.Built, other: stores.Built, repo: Path
) -> None:
    cli("backup", mine.root, "--repo", repo)
    told = f"{other.root} has not one memory of snapshot"
    call = ("restore", other.root, "--repo", repo)
    planned = cli(*call, "--dry-run")
    assert (planned.code, planned.err.count(told)) == (0, 1)
    assert "called 'store'" in planned.err
    assert cli(*call, "--dry-run", "--json").document["unrelated"]
    assert told not in cli(*call, "--dry-run", "--name", "store").err
    restored = cli(*call, "-y", "-q")
    assert (restored.code, restored.out, restored.err.count(told)) == (0, "", 1)
    assert told not in cli(*call, "--dry-run").err


def test_a_store_without_memories_takes_those_of_any_snapshot(
    cli: Program, mine: stores.Built, other: stores.Built, repo: Path
) -> None:
    cli("backup", mine.root, "--repo", repo)
    shutil.rmtree(other.root / "memories")
    assert "not one memory" not in cli("restore", other.root, "--repo", repo, "-n").err


def shared(repo: Path, mine: stores.Built, other: stores.Built, tmp_path: Path) -> Path:
    """A repository of both, and where ``mine`` stands after that."""
    back_up(mine.root, place_at(repo), name="mine")
    back_up(other.root, place_at(repo), name="other")
    return mine.root.rename(tmp_path / "moved")


def test_a_moved_store_is_healed_from_snapshots_that_share_its_memories(
    cli: Program, mine: stores.Built, other: stores.Built, repo: Path, tmp_path: Path
) -> None:
    moved = shared(repo, mine, other, tmp_path)
    victim = moved / mine.paths[mine.memories[0]]
    raw = victim.read_bytes()
    victim.unlink()
    told = f"the snapshots called 'mine' in {repo} are taken for this store's"
    seen = cli("verify", moved, "--repo", repo)
    assert (seen.code, seen.err.count(told)) == (1, 1)
    assert seen.lines[-1] == f"synthstore repair {moved} --repo {repo} --name mine --dry-run"
    planned = cli(*shlex.split(seen.lines[-1])[1:])
    assert planned.lines[-1] == f"synthstore repair {moved} --repo {repo} --name mine"
    mended = cli("repair", moved, "--repo", repo, "--yes")
    assert (mended.code, mended.err.count(told)) == (0, 1)
    assert victim.read_bytes() == raw


@pytest.mark.parametrize("command", [("verify",), ("repair", "--yes")])
def test_which_store_is_meant_is_to_be_said_where_nothing_tells(
    command: tuple[str, ...], cli: Program, mine: stores.Built, other: stores.Built, repo: Path,
    *, tmp_path: Path,
) -> None:  # fmt: skip
    moved = shared(repo, mine, other, tmp_path)
    third = stores.build("native", tmp_path / "third", seed=17)
    third.file(third.memories[0]).unlink()
    before = sha_tree(third.root)
    refused = cli(*command, third.root, "--repo", repo)
    assert refused.code == 2
    assert "the repository holds several stores: mine, other" in refused.err
    assert "--name NAME" in refused.err
    assert sha_tree(third.root) == before
    back_up(moved, place_at(repo), name="fork")
    unsure = cli(*command, moved, "--repo", repo)
    assert (unsure.code, "of this one may be: fork, mine" in unsure.err) == (2, True)
    assert cli(*command, moved, "--repo", repo, "--name", "mine").code == 0
    unknown = cli(*command, moved, "--repo", repo, "--name", "nobody")
    assert (unknown.code, "no snapshot of 'nobody'" in unknown.err) == (2, True)


def test_rot_in_a_moved_store_shows(
    cli: Program, other: stores.Built, repo: Path, tmp_path: Path
) -> None:
    mine = stores.build("core-4", tmp_path / "a" / "store", memories=6)
    settle(mine.root)
    moved = shared(repo, mine, other, tmp_path)
    victim = moved / mine.paths[mine.memories[0]]
    status, raw = victim.stat(), victim.read_bytes()
    content = str(json.loads(raw)["content"]).encode()
    victim.write_bytes(raw.replace(content, bytes([content[0] ^ 1]) + content[1:], 1))
    os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
    for name in ((), ("--name", "mine")):
        found = cli("verify", moved, "--repo", repo, *name, "--json").document["findings"]
        assert [f["code"] for f in found if f["severity"] == "error"] == ["M004"]


def test_a_name_is_of_one_store(cli: Program, mine: stores.Built, repo: Path) -> None:
    back_up(mine.root, place_at(repo))
    told = cli("verify", mine.root, mine.root, "--repo", repo, "--name", "store")
    assert (told.code, "--name is of one store" in told.err) == (2, True)


def test_growth_is_that_of_the_same_snapshots(
    cli: Program, mine: stores.Built, other: stores.Built, repo: Path, tmp_path: Path
) -> None:
    moved = shared(repo, mine, other, tmp_path)

    def growth(root: Path, *options: object) -> list[int]:
        document = cli("stats", root, "--repo", repo, *options, "--json").document
        return [mark["memories"] for mark in document["growth"]]

    assert growth(moved) == growth(moved, "--name", "mine") == [6]
    stranger = stores.build("native", tmp_path / "third", memories=3, seed=17)
    unsure = cli("stats", stranger.root, "--repo", repo)
    assert (unsure.code, "--name NAME" in unsure.err) == (2, True)
    assert growth(stranger.root, "--name", "other") == [6]
    assert cli("stats", moved, "--repo", repo, "--name", "nobody").code == 2
