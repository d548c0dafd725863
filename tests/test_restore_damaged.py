"""A snapshot of a store that had errors is restored as it is, and said to be no better."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from synthstore.testing import stores
from synthstore.testing.stores import Built
from tests.program import Program
from tests.vaults import back_up, opened, place_at


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """One snapshot of a whole store, and one taken while its memories were not mounted."""
    built: Built = stores.build("native", tmp_path / "store", memories=6)
    back_up(built.root, place_at(tmp_path / "repo"))
    (built.root / "memories").rename(tmp_path / "volume")
    back_up(built.root, place_at(tmp_path / "repo"))
    return tmp_path / "repo"


@pytest.mark.parametrize("how", [(), ("-q",), ("--dry-run",)])
def test_the_newest_undamaged_one_is_named(
    how: tuple[str, ...], cli: Program, repo: Path, tmp_path: Path
) -> None:
    sound, hurt = opened(place_at(repo)).snapshots()
    told = cli("restore", tmp_path / "new", "--repo", repo, *how)
    assert f"snapshot {hurt.id} is tagged damaged: its source had errors (S009 1)" in told.err
    command = told.err.splitlines()[-1]
    assert command.endswith(f"--repo {repo} --snapshot {sound.id}")
    taken = cli(*shlex.split(command)[1:])
    assert (taken.code, taken.err) == (0, "")
    target = Path(shlex.split(command)[2])
    assert len(list((target / "memories").iterdir())) == 6


def test_a_document_names_it_too(cli: Program, repo: Path, tmp_path: Path) -> None:
    sound, _ = opened(place_at(repo)).snapshots()
    call = ("restore", tmp_path / "new", "--repo", repo, "--dry-run", "--json")
    assert cli(*call).document["undamaged"]["id"] == sound.id
    assert cli(*call, "--snapshot", sound.id).document["undamaged"] is None


@pytest.mark.parametrize("how", [(), ("-q",), ("--drill",)])
def test_a_check_names_it_too(
    how: tuple[str, ...],
    cli: Program,
    repo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    sound, hurt = opened(place_at(repo)).snapshots()
    told = cli("snapshots", "check", "--repo", repo, *how)
    assert told.code == 0, "of the repository that is no damage"
    assert "no damage in the repository itself" in told.out or how == ("-q",)
    assert f"snapshot {hurt.id} is tagged damaged: its source had errors (S009 1)" in told.err
    taken = cli(*shlex.split(told.err.splitlines()[-1])[1:])
    assert (taken.code, taken.err) == (0, "")
    assert len(list((tmp_path / f"restored-{sound.id}" / "memories").iterdir())) == 6


def test_a_check_s_document_names_it_too(cli: Program, repo: Path, tmp_path: Path) -> None:
    sound, hurt = opened(place_at(repo)).snapshots()
    (one,) = cli("snapshots", "check", "--repo", repo, "--json").document["unsound"]
    assert (one["snapshot"]["id"], one["undamaged"]["id"]) == (hurt.id, sound.id)
    (tmp_path / "volume").rename(tmp_path / "store" / "memories")
    back_up(tmp_path / "store", place_at(repo))
    assert cli("snapshots", "check", "--repo", repo, "--json").document["unsound"] == []
