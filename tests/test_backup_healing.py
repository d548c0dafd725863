"""Snapshots heal a store, and show bit rot where no hash does."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthstore.testing import stores
from synthstore.testing.spelling import Name
from tests.operate import codes, look
from tests.program import Program, validate
from tests.vaults import back_up, place_at, settle

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


def test_a_repository_that_lost_a_copy_is_no_obstacle(cli: Program, tmp_path: Path) -> None:
    built = stores.build("native", tmp_path / "store")
    back_up(built.root, place_at(tmp_path / "repo"))
    for pack in (tmp_path / "repo" / "packs").iterdir():
        pack.unlink()
    built.file(built.memories[0]).unlink()
    result = cli("repair", built.root, "-y", "--repo", tmp_path / "repo")
    assert result.code == 0
    assert "M001" not in codes(look(built.root))
