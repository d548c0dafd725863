"""A full disk, a read-only one, a closed folder: typed errors with a remedy, and nothing lost."""

from __future__ import annotations

import logging
import os
import subprocess
from pathlib import Path

import pytest

from synthstore import (
    DiskFullError,
    MemoryPersistence,
    NewerFormatError,
    OperationError,
    PermissionDeniedError,
    StoreConfig,
    UsageError,
)
from synthstore.testing.stores import build
from tests import oracle
from tests.mounts import small_disk
from tests.persistence_stores import catalog, memories, memory
from tests.trees import sha_tree
from tests.users import as_nobody, common_folder


async def test_a_full_disk_is_told_before_the_first_byte(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "disk", "size=4m") as disk:
        root = disk / "store"
        p = await MemoryPersistence(root).open()
        await p.save_memories_batch(memories(5))
        await p.flush()
        filler = disk / "filler"
        room = os.statvfs(disk)
        filler.write_bytes(b"x" * ((room.f_bavail - 20) * room.f_frsize))
        before = sha_tree(root, skip="")
        with caplog.at_level(logging.CRITICAL, "synthstore"), pytest.raises(DiskFullError) as error:
            await p.save_memories_batch(memories(200, start=5))
        assert error.value.hint
        assert caplog.records[0].levelno == logging.CRITICAL
        assert sha_tree(root, skip="") == before
        assert await p.load_memory("memory-3") is not None
        filler.unlink()
        assert await p.save_memories_batch(memories(200, start=5)) == 200
        await p.close()
        assert oracle.problems(root, "native") == []


async def test_a_disk_that_fills_up_meanwhile_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with small_disk(tmp_path / "disk", "size=2m") as disk:
        root = disk / "store"
        p = await MemoryPersistence(root).open()
        monkeypatch.setattr("synthstore.persistence.saving.require_room", lambda *_, **__: None)
        saved = await save_until_full(p)
        assert saved > 5
        assert [m.memory_id async for m in p.load_memories()] == [
            f"memory-{n}" for n in range(saved)
        ]
        assert await p.delete_memory("memory-0") is True
        assert await p.delete_memory("memory-1") is True
        await p.save_memory(memory(9_999))
        await p.close()
        assert oracle.problems(root, "native") == []
        assert catalog(root)["metadata"]["memory_count"] == saved - 1


async def save_until_full(p: MemoryPersistence) -> int:
    """How many saves returned before the disk was full."""
    for n in range(10_000):
        try:
            await p.save_memory(memory(n, metadata={"text": "x" * 50_000}))
        except DiskFullError:
            return n
    raise AssertionError("the disk is never full")


async def test_a_fold_without_room_leaves_everything_pending(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=2m") as disk:
        root = disk / "store"
        p = await MemoryPersistence(root).open()
        await p.save_memories_batch(memories(20))
        filler = disk / "filler"
        room = os.statvfs(disk)
        filler.write_bytes(b"x" * ((room.f_bavail - 2) * room.f_frsize))
        with pytest.raises(DiskFullError):
            await p.flush()
        with pytest.raises(DiskFullError):
            await p.close()
        filler.unlink()
        async with MemoryPersistence(root) as again:
            assert len(await again.list_memories()) == 20
        assert oracle.problems(root, "native") == []


async def test_a_read_only_disk_is_told(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "size=2m") as disk:
        root = disk / "store"
        async with MemoryPersistence(root) as p:
            await p.save_memory(memory())
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)  # noqa: ASYNC221
        with pytest.raises(PermissionDeniedError, match="read-only") as error:
            await MemoryPersistence(root).open()
        assert "remount" in str(error.value.hint)
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)  # noqa: ASYNC221
        async with MemoryPersistence(root) as p:
            await p.save_memory(memory(1))
        assert oracle.problems(root, "native") == []


async def test_a_folder_closed_to_us_is_told_with_the_command_that_opens_it() -> None:
    with common_folder() as folder, as_nobody():
        root = folder / "store"
        p = await MemoryPersistence(root).open()
        await p.save_memory(memory())
        (root / "memories").chmod(0o500)
        with pytest.raises(PermissionDeniedError) as error:
            await p.save_memory(memory(1))
        assert "chmod u+rwx" in str(error.value.hint)
        assert await p.load_memory("memory-0") is not None
        with pytest.raises(PermissionDeniedError):
            await p.delete_memory("memory-0")
        (root / "memories").chmod(0o700)
        await p.save_memory(memory(1))
        await p.close()
        (root / "memories" / "memory-1.json").chmod(0)
        async with MemoryPersistence(StoreConfig(storage_path=root, auto_repair=False)) as p:
            with pytest.raises(PermissionDeniedError) as error:
                await p.load_memory("memory-1")
            assert "chmod u+r" in str(error.value.hint)


async def test_a_folder_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    async with MemoryPersistence(StoreConfig(storage_path=tmp_path, auto_repair=False)) as p:
        await p.save_memories_batch(memories(3))
        await p.flush()
        (tmp_path / "memories").rename(tmp_path / "elsewhere")
        with pytest.raises(OperationError, match="is missing"):
            await p.save_memory(memory(4))
        (tmp_path / "elsewhere").rename(tmp_path / "memories")
        assert await p.save_memory(memory(4)) is True


async def test_nothing_is_read_or_written_through_links(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.json").write_text('{"memory_id": "secret", "content": "x"}')
    built = build("native", tmp_path / "store")
    (built.root / "memories" / "secret.json").symlink_to(outside / "secret.json")
    async with MemoryPersistence(StoreConfig(storage_path=built.root, auto_repair=False)) as p:
        with pytest.raises(OperationError):
            await p.load_memory("secret")
        with pytest.raises(OperationError):
            await p.save_memory(memory(memory_id="secret"))
        os.mkfifo(built.root / "memories" / "pipe.json")
        with pytest.raises(OperationError):
            await p.load_memory("pipe")
    assert (outside / "secret.json").read_text() == '{"memory_id": "secret", "content": "x"}'


async def test_a_newer_format_is_left_alone(tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    built.edit_catalog(lambda document: document["metadata"].update({"version": "3.0.0"}))
    before = sha_tree(built.root, skip="")
    with pytest.raises(NewerFormatError):
        await MemoryPersistence(built.root).open()
    assert sha_tree(built.root, skip="") == before


async def test_a_search_in_an_unreadable_index_names_the_repair(tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    built.index.write_bytes(built.index.read_bytes()[:-5])
    async with MemoryPersistence(StoreConfig(storage_path=built.root, auto_repair=False)) as p:
        with pytest.raises(OperationError) as error:
            await p.search(built.embedding(built.memories[0]))
        assert "synthstore repair" in str(error.value.hint)
        with pytest.raises(UsageError):
            await p.save_memory(memory(embedding=[float("inf")] * 16))
        await p.save_memory(memory())
    async with MemoryPersistence(built.root) as p:
        assert (await p.search(built.embedding(built.memories[0]), 1))[0][0] == built.memories[0]
    assert oracle.problems(built.root, "native") == []
