"""The commands around a repository, as cron and people call them."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from synthstore.testing import stores
from tests.operate import codes, look
from tests.program import Program, validate
from tests.trees import sha_tree
from tests.vaults import forget, packs, place_at, settle, standing


@pytest.fixture
def built(tmp_path: Path) -> stores.Built:
    made = stores.build("core-4", tmp_path / "store", memories=12, dim=64)
    settle(made.root)
    return made


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return tmp_path / "repo"


def test_the_morning_s_journey(cli: Program, built: stores.Built, repo: Path) -> None:
    memory = built.memories[2]
    built.edit(memory, lambda doc: doc.update(content="We met at the old lighthouse"))
    (assembly,) = [name for name in built.assemblies if _holds(built, name, memory)]
    assert cli("backup", built.root, "--repo", repo, "--check", "-q").code == 0
    original = built.raw(memory)
    forget(built, memory)
    broken = sha_tree(built.root)
    found = cli("snapshots", "find", "OLD LIGHTHOUSE", "--repo", repo, "--json").document
    (version,) = found["versions"]
    assert version["id"] == memory
    snapshot = version["snapshots"][-1]["id"]
    diff = cli("diff", f"{repo}@{snapshot}", built.root, "--json").document
    assert {"kind": "memory", "id": memory, "how": "removed", "fields": []} in diff["differences"]
    arguments = ("restore", built.root, "--repo", repo, "--snapshot", snapshot, "--id", memory)
    planned = cli(*arguments, "--dry-run")
    assert planned.code == 0
    assert "dry run: nothing was changed" in planned.out
    assert sha_tree(built.root) == broken
    restored = cli(*arguments, "-y", "--json")
    assert restored.code == 0, restored.err
    assert built.raw(memory) == original
    assert memory in built.entries()
    assert _holds(built, assembly, memory)
    assert not [f for f in look(built.root).findings if f.severity.label == "error"]
    assert cli("undo", built.root, "-y").code == 0
    assert sha_tree(built.root) == broken
    assert "verified: rows and vectors fit" in cli(*arguments, "-y").out


def _holds(built: stores.Built, assembly: str, memory: str) -> bool:
    return any(member["id"] == memory for member in built.read(assembly)["memories"])


def test_cron_hears_nothing_while_all_is_well(
    cli: Program, built: stores.Built, repo: Path, tmp_path: Path
) -> None:
    metrics = tmp_path / "backup.prom"
    call = ("backup", built.root, "--repo", repo, "--keep-daily", "7", "--keep-weekly", "5")
    cli(*call)
    result = cli(*call, "--check", "--metrics-file", metrics, "-q")
    assert (result.code, result.out, result.err) == (0, "", "")
    text = metrics.read_text()
    for name in ("exit_code", "snapshot_timestamp_seconds", "memories", "repository_damage"):
        assert f'synthstore_{name}{{command="backup",store="{built.root}"' in text
    again = cli(*call, "-q", "--json").document
    validate(again)
    assert (again["unchanged"], again["new"], again["bytes_added"]) == (
        again["snapshot"]["files"],
        0,
        0,
    )


def test_what_is_wrong_with_the_source_is_said_aside(
    cli: Program, built: stores.Built, repo: Path
) -> None:
    built.file(built.memories[0]).unlink()
    result = cli("backup", built.root, "--repo", repo)
    assert result.code == 0
    assert f"findings in {built.root} (quick look): " in result.err
    assert "M001 1" in result.err
    assert "took snapshot" in result.out
    listed = cli("snapshots", "list", "--repo", repo)
    assert "damaged" in listed.out
    document = cli("snapshots", "list", "--repo", repo, "--json").document
    validate(document)
    assert document["snapshots"][0]["findings"]["M001"] == 1


def test_how_the_source_was_looked_at_is_said(
    cli: Program, built: stores.Built, repo: Path
) -> None:
    built.file(built.memories[0]).unlink()
    built.overwrite(built.memories[1], b"{torn")
    settle(built.root)
    said = f"findings in {built.root}"
    assert f"{said}: " in cli("backup", built.root, "--repo", repo).err
    again = cli("backup", built.root, "--repo", repo)
    assert f"{said} (unchanged since the last look): " in again.err


def test_a_snapshot_that_is_too_old_leads_to_the_backup_that_is_missing(
    cli: Program, built: stores.Built, tmp_path: Path
) -> None:
    repo = tmp_path / "a repo"
    cli("backup", built.root, "--repo", repo)
    cli("backup", built.root, "--repo", repo, "--name", "other one")
    overdue = cli("snapshots", "check", "--max-age", "0s", "--repo", repo)
    assert overdue.code == 1
    again = f"synthstore backup STORE --repo '{repo}' --name"
    assert overdue.lines[-2:] == [f"{again} 'other one'", f"{again} store"]
    for line in overdue.lines[-2:]:
        command = [str(built.root) if one == "STORE" else one for one in shlex.split(line)]
        assert cli(*command[1:]).code == 0
    assert cli("snapshots", "check", "--max-age", "26h", "--repo", repo).code == 0
    nothing = cli("snapshots", "check", "--max-age", "1h", "--name", "new", "--repo", repo)
    assert (nothing.code, nothing.lines[-1]) == (1, f"{again} new")


def test_damage_in_the_repository_is_exit_code_1(
    cli: Program, built: stores.Built, repo: Path
) -> None:
    cli("backup", built.root, "--repo", repo)
    cli.env(SYNTHSTORE_REPOSITORY=str(repo))
    assert cli("snapshots", "check", "--read-data", "--drill", "--max-age", "26h").code == 0
    assert cli("snapshots", "check", "--max-age", "0s").code == 1
    (pack,) = packs(place_at(repo), lists=False)
    raw = bytearray(pack.read_bytes())
    raw[40] ^= 1
    pack.write_bytes(raw)
    result = cli("snapshots", "check", "--read-data", "--json")
    validate(result.document)
    assert result.code == 1
    assert result.document["lost"]
    assert cli("backup", built.root, "--check").code == 0
    assert "no damage" in cli("snapshots", "check", "--read-data").out


def test_prune_says_why(cli: Program, built: stores.Built, repo: Path) -> None:
    for _ in range(3):
        cli("backup", built.root, "--repo", repo)
    call = ("snapshots", "prune", "--repo", repo, "--keep-last", "1", "--json")
    planned = cli(*call, "-n").document
    validate(planned)
    assert [one["because"] for one in planned["snapshots"]] == [None, None, "last #1"]
    assert cli(*call).document["snapshots"] == planned["snapshots"]
    assert len(cli("snapshots", "list", "--repo", repo, "--json").document["snapshots"]) == 1


def test_a_name_that_no_snapshot_has_is_refused(
    cli: Program, built: stores.Built, repo: Path
) -> None:
    cli("backup", built.root, "--repo", repo)
    of_typo = ("--repo", repo, "--name", "typo")
    for call in (("prune", "--keep-last", "1"), ("prune", "--keep-last", "1", "-n"), ("find", "a")):
        result = cli("snapshots", *call, *of_typo)
        assert (result.code, result.out) == (2, "")
        assert "no snapshot of 'typo'" in result.err
        assert f"`synthstore snapshots list --repo {repo}`" in result.err


def test_a_whole_restore(cli: Program, built: stores.Built, repo: Path, tmp_path: Path) -> None:
    cli("backup", built.root, "--repo", repo)
    result = cli("restore", tmp_path / "again", "--repo", repo)
    assert result.code == 0
    assert "verified" in result.out
    assert standing(tmp_path / "again") == standing(built.root)
    assert codes(look(tmp_path / "again")) == codes(look(built.root))


def test_diff_by_value(cli: Program, tmp_path: Path) -> None:
    one = stores.build("native", tmp_path / "one", memories=6)
    two = stores.build("native", tmp_path / "two", memories=6)
    same = cli("diff", one.root, two.root, "--json").document
    assert same["differences"] == []
    two.edit(two.memories[0], lambda doc: doc.update(content="other"))
    respelt = json.dumps(two.read(two.memories[1])).encode()
    two.overwrite(two.memories[1], respelt)
    two.file(two.memories[2]).unlink()
    two.add_memory("fresh")
    document = cli("diff", one.root, two.root, "--json").document
    validate(document)
    told = {(each["how"], each["id"]): each["fields"] for each in document["differences"]}
    assert told == {
        ("changed", two.memories[0]): ["content"],
        ("removed", two.memories[2]): [],
        ("added", "fresh"): [],
    }
    out = cli("diff", one.root, two.root).out
    assert f"~ memory {two.memories[0]}: content" in out
    assert "1 added, 1 removed, 1 changed" in out


@pytest.mark.parametrize(
    "call",
    [
        ("snapshots", "find"),
        ("snapshots", "list", "--drill"),
        ("snapshots", "list", "--keep-last", "1"),
        ("snapshots", "prune"),
        ("snapshots", "check", "words"),
        ("snapshots", "burn"),
        ("backup", "STORE", "--keep-within", "soon"),
        ("backup", "STORE"),
        ("restore", "STORE"),
    ],
)
def test_what_makes_no_sense_is_refused(
    call: tuple[str, ...], cli: Program, built: stores.Built, repo: Path
) -> None:
    words: list[Any] = [built.root if word == "STORE" else word for word in call]
    given = [] if call in {("backup", "STORE"), ("restore", "STORE")} else ["--repo", repo]
    result = cli(*words, *given)
    assert result.code == 2, result.err
    assert not repo.exists()


def test_a_new_repository_is_never_made_in_silence(
    cli: Program, built: stores.Built, repo: Path, tmp_path: Path
) -> None:
    metrics = tmp_path / "backup.prom"
    call = ("backup", built.root, "--repo", repo, "--metrics-file", metrics)
    planned = cli(*call, "--dry-run", "-q")
    assert (planned.out, planned.err) == ("", f"would make a new repository at {repo}\n")
    made = cli(*call, "-q")
    assert (made.code, made.out, made.err) == (0, "", f"made a new repository at {repo}\n")
    assert f'synthstore_repository_new{{command="backup",store="{built.root}"}} 1' in (
        metrics.read_text()
    )
    again = cli(*call, "--json")
    assert (again.err, again.document["new_repository"]) == ("", False)
    elsewhere = cli("backup", built.root, "--repo", tmp_path / "typo", "--json")
    assert elsewhere.document["new_repository"]
    assert "made a new repository" in elsewhere.err


def test_a_dry_run_says_what_is_no_repository(cli: Program, built: stores.Built) -> None:
    result = cli("backup", built.root, "--repo", built.root.parent, "-n")
    assert (result.code, result.out) == (2, "")
    assert "neither empty nor a repository" in result.err


def test_a_dry_run_makes_no_repository(cli: Program, built: stores.Built, repo: Path) -> None:
    document = cli("backup", built.root, "--repo", repo, "-n", "--json").document
    validate(document)
    assert document["dry_run"]
    assert document["new"] == document["snapshot"]["files"]
    assert not repo.exists()


def test_redact_hashes_ids(cli: Program, built: stores.Built, repo: Path) -> None:
    victim = built.file(built.memories[0])
    victim.chmod(0)
    if os.geteuid() != 0:
        result = cli("backup", built.root, "--repo", repo, "--redact")
        assert built.memories[0] not in result.out
    cli("backup", built.root, "--repo", repo)
    other = stores.build("core-4", built.root.parent / "other", seed=9)
    out = cli("diff", built.root, other.root, "--redact").out
    assert not [name for name in (*built.memories, *other.memories) if name in out]


def test_the_environment_names_the_repository(
    cli: Program, built: stores.Built, repo: Path
) -> None:
    cli.env(SYNTHSTORE_REPOSITORY=str(repo))
    for command in ("verify", "stats"):
        assert "is no repository" in cli(command, built.root, "-q").err
    assert cli("backup", built.root, "-q").code == 0
    original = built.raw(built.memories[0])
    built.file(built.memories[0]).write_bytes(b"{ torn")
    assert cli("repair", built.root, "-y", "-q").code == 0
    assert built.raw(built.memories[0]) == original
    assert cli("stats", built.root, "--json").document["growth"]


def test_workers_are_expected_where_all_of_a_store_is_going_to_be_read(
    cli: Program, built: stores.Built, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected: list[list[Path]] = []
    monkeypatch.setattr("synthstore.scan.workers.expect", lambda roots, *_: expected.append(roots))
    call = ("backup", built.root, "--repo", repo, "-q")
    assert cli(*call, "--dry-run").code == 0
    assert expected == []
    assert cli(*call).code == 0
    assert expected == [[built.root]]
    assert cli(*call).code == 0
    assert cli("backup", built.root, "--repo", "no-such-system://repo", "-q").code != 0
    assert expected == [[built.root]]


def test_workers_are_expected_where_many_files_are_going_to_be_restored(
    cli: Program, built: stores.Built, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected: list[int] = []
    monkeypatch.setattr("synthstore.scan.workers.expect_files", lambda n, *_: expected.append(n))
    assert cli("restore", tmp_path / "new", "--repo", repo, "-q").code != 0
    assert cli("restore", tmp_path / "new", "-q").code != 0
    assert cli("backup", built.root, "--repo", repo, "-q").code == 0
    call = ("restore", tmp_path / "new", "--repo", repo, "--name", "store", "-q")
    assert cli(*call, "--dry-run").code == 0
    assert expected == [0, 0]
    assert cli(*call).code == 0
    (repo / "snapshots" / "9").write_bytes(b'{"files": []}')
    assert cli(*call).code != 0
    assert expected == [0, 0, len([p for p in built.root.rglob("*") if p.is_file()]), 0]
