"""A snapshot whose own file is damaged: told by whoever meets it, and never passed over."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from synthstore.testing import stores
from synthstore.testing.stores import Built
from tests.program import Program
from tests.trees import sha_tree
from tests.vaults import back_up, opened, place_at


@pytest.fixture
def built(tmp_path: Path) -> Built:
    return stores.build("native", tmp_path / "store", memories=6)


@pytest.fixture
def repo(tmp_path: Path, built: Built) -> Path:
    """Two snapshots, of which the newer cannot be read."""
    back_up(built.root, place_at(tmp_path / "repo"))
    built.add_memory("fresh")
    back_up(built.root, place_at(tmp_path / "repo"))
    with newest(tmp_path / "repo").open("ab") as file:
        file.write(b"x")
    return tmp_path / "repo"


def newest(repo: Path) -> Path:
    return max((repo / "snapshots").iterdir())


def identity(file: Path) -> str:
    return file.name.rpartition("-")[2][:8]


READS = {
    "list": ("snapshots", "list", "--repo", "REPO"),
    "find": ("snapshots", "find", "fresh", "--repo", "REPO"),
    "verify": ("verify", "STORE", "--repo", "REPO", "--fail-on", "never"),
    "repair": ("repair", "STORE", "--repo", "REPO", "--yes"),
    "stats": ("stats", "STORE", "--repo", "REPO"),
    "prune": ("snapshots", "prune", "--keep-last", "1", "--repo", "REPO"),
    "plan": ("snapshots", "prune", "--keep-last", "1", "--repo", "REPO", "--dry-run"),
    "rules": ("backup", "STORE", "--keep-last", "2", "--repo", "REPO"),
}


@pytest.mark.parametrize("command", READS)
@pytest.mark.parametrize("quiet", [(), ("-q",)], ids=["loud", "quiet"])
def test_it_is_told_and_what_was_done_is_partial(
    command: str, quiet: tuple[str, ...], cli: Program, built: Built, repo: Path
) -> None:
    words = {"REPO": str(repo), "STORE": str(built.root)}
    file = newest(repo)
    told = cli(*(words.get(word, word) for word in READS[command]), *quiet)
    assert told.code == 3, told.out
    assert told.err.count(f"snapshot {identity(file)} of ") == 1
    assert f"set it aside: mv {file} {repo}/{file.name}.lost" in told.err


@pytest.mark.parametrize("name", ["store", "another"])
def test_an_older_one_keeps_nothing_from_being_held_against_the_newest(
    name: str, cli: Program, built: Built, tmp_path: Path
) -> None:
    repo, place = tmp_path / "repo", place_at(tmp_path / "repo")
    back_up(built.root, place, name=name)
    file = newest(repo)
    back_up(built.root, place, name="store")
    file.write_bytes(b"x")
    told = f"snapshot {identity(file)} of "
    for call in (("verify",), ("repair", "--yes")):
        looked = cli(*call, built.root, "--repo", repo)
        assert (looked.code, looked.err.count(told)) == (0, 1)
        assert "may be of any store; put a good copy of the file there" in looked.err
    assert cli("stats", built.root, "--repo", repo).code == 3, "it may be one of the growth"
    built.file(built.memories[0]).unlink()
    assert cli("repair", built.root, "--yes", "--repo", repo).code == 3, "it may have a copy"


def test_a_newer_one_may_be_of_this_store(cli: Program, built: Built, tmp_path: Path) -> None:
    repo, place = tmp_path / "repo", place_at(tmp_path / "repo")
    back_up(built.root, place, name="store")
    back_up(built.root, place, name="another")
    newest(repo).write_bytes(b"x")
    assert cli("verify", built.root, "--repo", repo).code == 3


def test_to_set_it_aside_is_all_that_it_takes(
    cli: Program, built: Built, repo: Path, tmp_path: Path
) -> None:
    calls = (
        ("snapshots", "prune", "--keep-last", "1", "--repo", repo),
        ("snapshots", "check", "--repo", repo),
        ("snapshots", "list", "--repo", repo),
        ("backup", built.root, "--keep-last", "1", "--check", "--repo", repo),
        ("restore", tmp_path / "new", "--repo", repo),
    )
    assert [cli(*call).code for call in calls] == [3, 1, 3, 1, 0]
    told = cli("snapshots", "check", "--repo", repo).out
    (line,) = (line for line in told.splitlines() if " mv " in line)
    before = sum(path.stat().st_size for path in (repo / "packs").iterdir())
    _, here, there = shlex.split(line[line.index("mv /") :])
    Path(here).rename(there)
    (built.root / "memories" / "fresh.json").unlink()
    assert [cli(*call).code for call in calls[:4]] == [0] * 4
    assert sum(path.stat().st_size for path in (repo / "packs").iterdir()) < before


def test_an_older_state_is_restored_only_if_it_is_asked_for(
    cli: Program, repo: Path, tmp_path: Path
) -> None:
    file, target = newest(repo), tmp_path / "new"
    for wanted in ("latest", "2999-01-01"):
        for dry in ((), ("--dry-run",)):
            refused = cli("restore", target, "--repo", repo, "--snapshot", wanted, *dry)
            assert (refused.code, target.exists()) == (4, False)
            assert f"snapshot {identity(file)} of " in refused.err
    command = refused.err.splitlines()[-1].rpartition("to take that one: ")[2]
    taken = cli(*shlex.split(command)[1:])
    assert (taken.code, (target / "memories" / "fresh.json").exists()) == (0, False)
    older = opened(place_at(repo)).snapshots()[0].time.isoformat()
    assert cli("restore", tmp_path / "old", "--repo", repo, "--snapshot", older).code == 0


def test_by_its_id_it_is_named_for_what_it_is(cli: Program, repo: Path, tmp_path: Path) -> None:
    file = newest(repo)
    told = cli("restore", tmp_path / "new", "--repo", repo, "--snapshot", identity(file))
    assert (told.code, "cannot be read" in told.err, "no time" in told.err) == (4, True, False)


def test_an_older_state_is_compared_only_if_it_is_asked_for(
    cli: Program, built: Built, repo: Path
) -> None:
    refused = cli("diff", f"{repo}@latest", built.root)
    assert (refused.code, refused.out) == (4, "")
    side = refused.err.splitlines()[-1].rpartition("to take that one: ")[2]
    assert "1 added" in cli("diff", side, built.root).out


def test_a_list_names_it(cli: Program, repo: Path) -> None:
    listed = cli("snapshots", "list", "--repo", repo, "--json").document
    assert [one["file"] for one in listed["unread"]] == [newest(repo).name]
    assert len(listed["snapshots"]) == 1


def test_a_backup_by_itself_is_complete(cli: Program, built: Built, repo: Path) -> None:
    before = sha_tree(built.root)
    taken = cli("backup", built.root, "--repo", repo)
    assert (taken.code, "cannot be read" in taken.err) == (0, True)
    assert sha_tree(built.root) == before


def test_what_a_newer_program_wrote_is_not_to_be_set_aside(
    cli: Program, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest(repo).unlink()
    monkeypatch.setattr("synthstore.repository.manifest.FORMAT", 2)
    told = cli("snapshots", "list", "--repo", repo)
    assert (told.code, "update synthstore" in told.err, " mv " in told.err) == (3, True, False)
