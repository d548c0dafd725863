"""Snapshots heal a store, and show bit rot where no hash does."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shlex
from collections import Counter
from pathlib import Path

import pytest

from synthstore.model.ids import EntityRef
from synthstore.repository.manifest import Snapshot, Tree
from synthstore.repository.vault import Repository
from synthstore.scan.scanner import scan
from synthstore.store.changes import LOG, Deed, Logged, spell
from synthstore.store.evidence import recognise
from synthstore.testing import stores
from synthstore.testing.spelling import Name
from synthstore.testing.stores import Built
from tests.operate import codes, look
from tests.program import Program, Result, validate
from tests.trees import sha_tree
from tests.vaults import back_up, opened, place_at, settle

LAYOUTS: tuple[Name, ...] = ("native", "core-4", "core-3")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_missing_and_torn_entities_come_back_from_snapshots(
    layout: Name, cli: Program, tmp_path: Path
) -> None:
    built = stores.build(layout, tmp_path / "store", assemblies=1)
    missing, torn = built.memories[-1], built.memories[-2]
    before = {memory: built.raw(memory) for memory in (missing, torn)}
    back_up(built.root, place_at(tmp_path / "repo"))
    built.file(missing).unlink()
    built.overwrite(torn, before[torn][:40])
    result = cli("repair", built.root, "-y", "--repo", tmp_path / "repo", "--json")
    validate(result.document)
    assert result.code == 0, result.document
    assert {memory: built.raw(memory) for memory in before} == before
    sources = {action["source"] for action in result.document["actions"]}
    assert any(str(source).startswith("snapshot ") for source in sources)
    assert not codes(look(built.root)).keys() - {"A023"}


def test_rot_is_healed_by_the_copy_with_the_right_hash(cli: Program, tmp_path: Path) -> None:
    built = stores.build("native", tmp_path / "store")
    back_up(built.root, place_at(tmp_path / "repo"))
    memory = built.memories[0]
    raw = built.raw(memory)
    built.overwrite(memory, raw.replace(b"a", b"b", 1))
    assert codes(look(built.root))["M004"] == 1
    assert cli("repair", built.root, "-y", "--repo", tmp_path / "repo").code == 0
    assert built.raw(memory) == raw


@pytest.mark.parametrize("layout", ["core-4", "core-3"])
def test_rot_shows_against_the_newest_snapshot(layout: Name, cli: Program, tmp_path: Path) -> None:
    built = stores.build(layout, tmp_path / "store")
    settle(built.root)
    back_up(built.root, place_at(tmp_path / "repo"))
    memory, changed = built.memories[0], built.memories[1]
    content = str(built.read(memory)["content"]).encode()
    flipped = bytes([content[0] ^ 1]) + content[1:]
    built.overwrite(memory, built.raw(memory).replace(content, flipped, 1))
    built.file(changed).write_bytes(built.raw(changed).replace(b"content", b"content", 1))
    assert "M004" not in codes(look(built.root))
    result = cli("verify", built.root, "--repo", tmp_path / "repo", "--json")
    validate(result.document)
    found = [f for f in result.document["findings"] if f["code"] == "M004"]
    assert [f["subject"]["id"] for f in found] == [memory]
    assert result.code == 1


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rot_that_only_a_snapshot_shows_is_healed_from_it(
    layout: Name, cli: Program, tmp_path: Path
) -> None:
    built, repo = stores.build(layout, tmp_path / "a store"), tmp_path / "repo"
    settle(built.root)
    back_up(built.root, place_at(repo))
    memory, before = built.memories[0], built.raw(built.memories[0])
    rot(built, memory)
    rotten = sha_tree(built.root)
    told = cli("verify", built.root, "--repo", repo)
    assert told.lines[-1] == f"synthstore repair '{built.root}' --repo {repo} --dry-run"
    planned = cli(*shlex.split(told.lines[-1])[1:])
    assert planned.lines[-1] == f"synthstore repair '{built.root}' --repo {repo}"
    mended = cli(*shlex.split(planned.lines[-1])[1:], "--yes")
    assert mended.code == 0, mended.out
    assert built.raw(memory) == before
    assert "M004" not in codes_of(cli("verify", built.root, "--repo", repo, "--json"))
    assert cli("undo", built.root, "--yes").code == 0
    assert sha_tree(built.root) == rotten


def test_a_file_that_its_row_vouches_for_is_not_replaced(cli: Program, tmp_path: Path) -> None:
    built, repo = stores.build("native", tmp_path / "store"), tmp_path / "repo"
    settle(built.root)
    back_up(built.root, place_at(repo))
    memory = built.memories[0]
    rot(built, memory)
    rotten, digest = built.raw(memory), hashlib.sha256(built.raw(memory)).hexdigest()
    built.edit_rows(lambda rows: rows[memory].update(content_hash=f"sha256:{digest}"))
    assert "M004" not in codes(look(built.root))
    result = cli("repair", built.root, "--repo", repo, "--yes", "--json")
    assert codes_of(result)["M004"] == 1
    assert built.raw(memory) == rotten


@pytest.mark.parametrize("layout", ["core-4"])
def test_a_snapshots_file_is_better_than_a_copy_in_an_assembly(
    layout: Name, cli: Program, tmp_path: Path
) -> None:
    built, repo = stores.build(layout, tmp_path / "store", assemblies=1), tmp_path / "repo"
    member = min(embedded(built))
    document = built.read(member)
    document["content"] = "what nobody told the assembly"
    built.file(member).write_text(json.dumps(document, indent=2))
    newest = built.raw(member)
    back_up(built.root, place_at(repo))
    built.file(member).unlink()
    assert cli("repair", built.root, "--repo", repo, "--yes").code == 0
    assert built.raw(member) == newest


def rot(built: Built, memory: str) -> None:
    """Flip a bit of the content, under the same size and time."""
    content = str(built.read(memory)["content"]).encode()
    flipped = bytes([content[0] ^ 1]) + content[1:]
    built.overwrite(memory, built.raw(memory).replace(content, flipped, 1))


def embedded(built: Built) -> set[str]:
    """The memories of which an assembly holds a copy."""
    inventory = asyncio.run(scan(built.root, recognise(built.root)))
    records = (file.record for file in inventory.files if file.record is not None)
    return {member for record in records for member in record.embedded}


def codes_of(result: Result) -> Counter[str]:
    """How often each code was found."""
    return Counter(finding["code"] for finding in result.document["findings"])


def test_a_repository_that_lost_a_copy_is_no_obstacle(cli: Program, tmp_path: Path) -> None:
    built = stores.build("native", tmp_path / "store")
    back_up(built.root, place_at(tmp_path / "repo"))
    for pack in (tmp_path / "repo" / "packs").iterdir():
        pack.unlink()
    built.file(built.memories[0]).unlink()
    result = cli("repair", built.root, "-y", "--repo", tmp_path / "repo")
    assert result.code == 0
    assert "M001" not in codes(look(built.root))


def orphan(built: Built, memory: str) -> None:
    """Take file and row of a memory away, and leave vector and mapping."""
    built.file(memory).unlink()
    built.edit_rows(lambda rows: rows.pop(memory), memory)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_only_a_vector_tells_of_comes_back_from_snapshots(
    layout: Name, cli: Program, tmp_path: Path
) -> None:
    built, repo = stores.build(layout, tmp_path / "store", memories=40), tmp_path / "repo"
    gone = built.memories[-12:]
    before = {memory: built.raw(memory) for memory in gone}
    entries, vectors = built.entries(), built.vectors()
    back_up(built.root, place_at(repo))
    for memory in gone:
        orphan(built, memory)
    lost = sha_tree(built.root)
    assert cli("repair", built.root, "--yes").code == 12
    planned = cli("repair", built.root, "--repo", repo, "--dry-run", "--json").document
    validate(planned)
    assert planned["refused"] is None
    kinds = Counter(action["kind"] for action in planned["actions"])
    assert (kinds["recover-file"], kinds["adopt-row"], kinds["remove-vector"]) == (12, 12, 0)
    assert sha_tree(built.root) == lost
    result = cli("repair", built.root, "--repo", repo, "--yes", "--json")
    assert result.code == 0, result.document
    assert {memory: built.raw(memory) for memory in gone} == before
    assert not codes(look(built.root)).keys() - {"A023"}
    assert built.entries() == entries
    assert built.vectors().ids.tolist() == vectors.ids.tolist()
    assert cli("undo", built.root, "--yes").code == 0
    assert sha_tree(built.root) == lost


def test_what_no_snapshot_holds_either_goes_as_before(cli: Program, tmp_path: Path) -> None:
    built, repo = stores.build("native", tmp_path / "store"), tmp_path / "repo"
    known, unknown = built.memories[0], built.memories[1]
    raw = built.raw(unknown)
    built.file(unknown).unlink()
    back_up(built.root, place_at(repo))
    built.file(unknown).write_bytes(raw)
    for memory in (known, unknown):
        orphan(built, memory)
    assert cli("repair", built.root, "--repo", repo, "--yes").code == 0
    assert built.file(known).exists()
    assert not built.file(unknown).exists()
    assert built.entries().keys() >= {known}
    assert unknown not in built.entries()


def test_a_safe_repair_leaves_the_only_trace_of_what_a_snapshot_holds(
    cli: Program, tmp_path: Path
) -> None:
    built, repo = stores.build("native", tmp_path / "store"), tmp_path / "repo"
    back_up(built.root, place_at(repo))
    orphan(built, built.memories[0])
    result = cli("repair", built.root, "--repo", repo, "--safe", "--json")
    assert codes_of(result)["V004"] == 1
    assert built.memories[0] in built.entries()
    assert not built.file(built.memories[0]).exists()
    assert cli("repair", built.root, "--repo", repo, "--yes").code == 0
    assert built.file(built.memories[0]).exists()


def test_what_the_log_says_was_deleted_stays_so(cli: Program, tmp_path: Path) -> None:
    built, repo = stores.build("native", tmp_path / "store"), tmp_path / "repo"
    back_up(built.root, place_at(repo))
    memory = built.memories[0]
    log = built.root / LOG
    log.parent.mkdir(exist_ok=True)
    log.write_bytes(spell(Logged(Deed.GONE, EntityRef("memory", memory))))
    orphan(built, memory)
    assert cli("repair", built.root, "--repo", repo, "--yes").code == 0
    assert not built.file(memory).exists()


def test_a_list_of_files_is_read_once_a_command(
    cli: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, repo = stores.build("native", tmp_path / "store"), tmp_path / "repo"
    settle(built.root)
    back_up(built.root, place_at(repo))
    older = built.memories[0]
    raw = built.raw(older)
    built.file(older).unlink()
    back_up(built.root, place_at(repo))
    rot(built, built.memories[1])
    read: list[str] = []
    tree = Repository.tree

    def counted(self: Repository, snapshot: Snapshot) -> Tree:
        read.append(snapshot.id)
        return tree(self, snapshot)

    monkeypatch.setattr(Repository, "tree", counted)
    assert cli("repair", built.root, "--repo", repo, "--yes").code == 0
    assert built.raw(older) == raw
    assert sorted(read) == sorted(one.id for one in opened(place_at(repo)).snapshots())
    read.clear()
    others = stores.build("core-4", tmp_path / "others")
    assert cli("verify", built.root, others.root, "--repo", repo).code == 0
    assert len(read) == 2
