"""A folder of entities that is missing or empty, perhaps an unmounted volume, is not written into.

With a file in it again, S009 would be silent, and the next repair take all others for gone.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from synthstore import MemoryEntry, MemoryPersistence, StoreConfig
from synthstore.errors import OperationError
from synthstore.testing.stores import Built, build
from tests.program import Program
from tests.trees import changed, sha_tree

ROW = '{"memory_id": "aa", "content": "one"}\n'


@pytest.fixture
def whole(tmp_path: Path, cli: Program) -> Built:
    """A store of nine memories with a snapshot."""
    built = build("native", tmp_path / "store", memories=9)
    assert cli("backup", built.root, "--repo", "repo").code == 0
    return built


def unmount(built: Built, *, leaving: bool) -> Callable[[], object]:
    """Take the memories away; call what it gives to have them back."""
    folder, volume = built.root / "memories", built.root.parent / "volume"
    folder.rename(volume)
    if leaving:
        folder.mkdir()

    def mount() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        volume.rename(folder)

    return mount


@pytest.mark.parametrize("leaving", [False, True])
@pytest.mark.parametrize("command", ["import", "restore"])
def test_nothing_is_put_into_it(command: str, leaving: bool, whole: Built, cli: Program) -> None:
    Path("rows.jsonl").write_text(ROW)
    args = {
        "import": ("rows.jsonl",),
        "restore": ("--repo", "repo", "--id", whole.memories[3], "-y"),
    }[command]
    before = sha_tree(whole.root)
    mount = unmount(whole, leaving=leaving)
    for more in (("-n",), ()):
        result = cli(command, whole.root, *args, *more)
        assert result.code == 12, result
        assert "the catalog lists entities in memories/" in result.err
        assert f"synthstore repair {whole.root} --allow-shrink" in result.err
    assert cli("repair", whole.root, "-y").code == 12
    mount()
    assert sha_tree(whole.root) == before
    assert cli(command, whole.root, *args).code == 0


@pytest.mark.parametrize("command", ["import", "migrate", "repair", "rebuild-index"])
def test_the_disk_is_asked_about_before_anything_lets_the_loss_through(
    command: str, whole: Built, cli: Program
) -> None:
    Path("rows.jsonl").write_text(ROW)
    args = {"import": ["rows.jsonl"], "migrate": ["new"], "repair": ["-y"]}.get(command, [])
    unmount(whole, leaving=False)
    told = [cli(command, whole.root, *args).err]
    if command in ("repair", "rebuild-index"):
        told.append(cli(command, whole.root, "-n").out)
    for text in told:
        mount, _, rest = text.partition("mount it and look again")
        assert "is the disk mounted?" in mount
        assert "--allow-shrink" not in mount
        assert "--allow-shrink" in rest
    assert whole.root.is_dir()


def test_a_restore_that_brings_all_of_it_back_may(whole: Built, cli: Program) -> None:
    before = sha_tree(whole.root)
    unmount(whole, leaving=False)
    assert cli("restore", whole.root, "--repo", "repo", "-y").code == 0
    assert sha_tree(whole.root) == before


@pytest.mark.parametrize("leaving", [False, True])
def test_the_library_saves_nothing_into_it(leaving: bool, whole: Built) -> None:
    async def save() -> None:
        async with MemoryPersistence(
            StoreConfig(storage_path=whole.root, auto_repair=False)
        ) as store:
            await store.save_memory(MemoryEntry("one", memory_id="aa"))

    before = sha_tree(whole.root)
    mount = unmount(whole, leaving=leaving)
    with pytest.raises(OperationError, match="though the catalog lists entities in it"):
        asyncio.run(save())
    mount()
    came = changed(before, sha_tree(whole.root))
    assert all(path.startswith("backups") for path in came), came
    asyncio.run(save())


def test_the_library_saves_where_all_were_deleted(whole: Built) -> None:
    async def replace_all() -> None:
        async with MemoryPersistence(whole.root) as store:
            for memory in whole.memories:
                await store.delete_memory(memory)
            await store.save_memory(MemoryEntry("one", memory_id="aa"))

    asyncio.run(replace_all())
    assert [path.name for path in (whole.root / "memories").iterdir()] == ["aa.json"]
