"""A repository without the small file that names its format is told to be one, and read."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthstore.testing import stores
from tests.program import Program
from tests.trees import sha_tree
from tests.vaults import back_up, place_at


@pytest.mark.parametrize("how", ["missing", "longer"])
def test_it_is_read_and_written_anew_by_the_next_backup(
    how: str, cli: Program, tmp_path: Path
) -> None:
    built, repo = stores.build("native", tmp_path / "store"), tmp_path / "repo"
    back_up(built.root, place_at(repo))
    config = repo / "config"
    if how == "missing":
        config.unlink()
    else:
        config.write_bytes(config.read_bytes() + b"x")
    before = sha_tree(repo)
    restored = cli("restore", tmp_path / "new", "--repo", repo, "-q")
    assert (restored.code, restored.err.count(f"{config}, which names")) == (0, 1)
    checked = cli("snapshots", "check", "--repo", repo)
    assert (checked.code, f"{config}, which names" in checked.out) == (1, True)
    assert sha_tree(repo).items() >= before.items()
    assert cli("backup", built.root, "--repo", repo).code == 0
    assert cli("snapshots", "check", "--read-data", "--repo", repo).code == 0


def test_snapshots_of_a_newer_format_are_left_alone(
    cli: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, repo = stores.build("native", tmp_path / "store"), tmp_path / "repo"
    back_up(built.root, place_at(repo))
    (repo / "config").unlink()
    before = sha_tree(repo)
    monkeypatch.setattr("synthstore.repository.manifest.FORMAT", 2)
    assert cli("restore", tmp_path / "new", "--repo", repo).code == 10
    assert cli("backup", built.root, "--repo", repo).code == 2
    assert sha_tree(repo) == before
