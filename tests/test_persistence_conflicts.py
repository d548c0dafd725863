"""Two writers: the newer one stands and the other is kept, or it is told; over processes too."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from synthstore import ConflictError, LockedError, MemoryEntry, MemoryPersistence
from synthstore.model.ids import EntityRef
from synthstore.repair.operation import RepairOptions, repair
from synthstore.store.changes import LOG, Deed, Logged, spell
from synthstore.store.session import Session
from tests import oracle
from tests.operate import codes, look
from tests.persistence_stores import ROOT, catalog, memories, memory, quarantined, rows

WRITERS = 4
OPERATIONS = int(os.environ.get("SYNTHSTORE_STRESS", "100"))
"""How much each writer does; 500 is the full stress."""


async def two_states(p: MemoryPersistence) -> tuple[MemoryEntry, MemoryEntry]:
    """One memory, loaded twice."""
    await p.save_memory(memory())
    one, other = await p.load_memory("memory-0"), await p.load_memory("memory-0")
    assert one is not None
    assert other is not None
    one.content, other.content = "one", "other"
    return one, other


async def test_the_older_state_loses_and_is_kept(tmp_path: Path) -> None:
    async with MemoryPersistence(tmp_path) as p:
        one, other = await two_states(p)
        assert await p.save_memory(one) is True
        assert await p.save_memory(other) is False
        found = await p.load_memory("memory-0")
        assert found is not None
        assert found.content == "one"
    (kept,) = quarantined(tmp_path)
    assert json.loads(kept.read_bytes())["content"] == "other"
    assert kept.stat().st_mode & 0o777 == 0o600


async def test_the_newer_state_wins_and_the_other_is_kept(tmp_path: Path) -> None:
    async with MemoryPersistence(tmp_path) as p:
        one, other = await two_states(p)
        await p.save_memory(one)
        other.touch()
        assert await p.save_memory(other) is True
        assert one.updated_at is not None
        assert other.updated_at is not None
        assert other.updated_at > one.updated_at
        found = await p.load_memory("memory-0")
        assert found is not None
        assert found.content == "other"
    (kept,) = quarantined(tmp_path)
    assert json.loads(kept.read_bytes())["content"] == "one"


async def test_a_batch_settles_each_conflict_by_itself(tmp_path: Path) -> None:
    async with MemoryPersistence(tmp_path) as p:
        one, other = await two_states(p)
        await p.save_memory(one)
        assert await p.save_memories_batch([*memories(3, start=5), other]) == 3


async def test_errors_instead_where_that_was_asked_for(tmp_path: Path) -> None:
    async with MemoryPersistence(tmp_path, on_conflict="error") as p:
        one, other = await two_states(p)
        await p.save_memory(one)
        with pytest.raises(ConflictError) as error:
            await p.save_memory(other)
        assert (error.value.exit_code, error.value.kind) == (12, "conflict")
        with pytest.raises(ConflictError):
            await p.save_memories_batch([memory(7), other])
        assert await p.load_memory("memory-7") is None, "nothing of that chunk was saved"
        again = await p.load_memory("memory-0")
        assert again is not None
        assert again.content == "one"
        again.content = "again"
        assert await p.save_memory(again) is True
        with pytest.raises(ConflictError):
            await p.save_memory(MemoryEntry("new", memory_id="memory-0"))
        await p.delete_memory("memory-0")
        with pytest.raises(ConflictError):
            await p.save_memory(again)
    assert quarantined(tmp_path) == []


async def test_saving_what_another_deleted_brings_it_back(tmp_path: Path) -> None:
    async with MemoryPersistence(tmp_path) as p:
        one, _ = await two_states(p)
        await p.delete_memory("memory-0")
        assert await p.save_memory(one) is True
    assert list(rows(tmp_path)) == ["memory-0"]


async def test_another_process_is_another_writer(tmp_path: Path) -> None:
    async with MemoryPersistence(tmp_path, on_conflict="error") as p:
        one, _ = await two_states(p)
        program = (
            "import asyncio, sys\n"
            "from synthstore import MemoryPersistence\n"
            "async def main():\n"
            "    async with MemoryPersistence(sys.argv[1]) as p:\n"
            "        found = await p.load_memory('memory-0')\n"
            "        found.content = 'from afar'\n"
            "        await p.save_memory(found)\n"
            "asyncio.run(main())\n"
        )
        await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, check=True
        )
        with pytest.raises(ConflictError):
            await p.save_memory(one)
        found = await p.load_memory("memory-0")
        assert found is not None
        assert found.content == "from afar"
        assert (await p.list_memories())[0].updated_at is not None


async def test_commands_and_libraries_keep_each_other_out(tmp_path: Path) -> None:
    async with MemoryPersistence(tmp_path) as p, MemoryPersistence(tmp_path):
        with pytest.raises(LockedError) as error:
            await repair(tmp_path, RepairOptions(jobs=1), confirm=lambda _: True)
        assert error.value.exit_code == 11
        await p.save_memory(memory())
    with Session(tmp_path), pytest.raises(LockedError):
        await MemoryPersistence(tmp_path).open()


async def test_what_one_saves_the_other_sees(tmp_path: Path) -> None:
    async with MemoryPersistence(tmp_path) as one, MemoryPersistence(tmp_path) as other:
        await one.save_memory(memory(0))
        assert await other.load_memory("memory-0") is not None
        await other.save_memory(memory(1))
        assert sorted(row.id for row in await one.list_memories()) == ["memory-0", "memory-1"]
        vector = memory(1).embedding
        assert vector is not None
        assert (await one.search(vector, 1))[0][0] == "memory-1"
        await one.flush()
        assert await other.delete_memory("memory-0") is True
        assert await one.load_memory("memory-0") is None
        await other.flush()
        assert [row.id for row in await one.list_memories()] == ["memory-1"]
        assert len(await one.search(vector, 5)) == 1


async def test_the_state_before_a_save_that_is_under_way_is_whole(tmp_path: Path) -> None:
    ref = EntityRef("memory", "memory-0")
    async with MemoryPersistence(tmp_path) as one, MemoryPersistence(tmp_path) as other:
        await one.save_memory(memory())
        await one.flush()
        entry = await one.load_memory(ref.id)
        assert entry is not None
        entry.content = "saved, not folded"
        await one.save_memory(entry)
        later = int((datetime.now(UTC) + timedelta(seconds=1)).timestamp() * 1e6)
        with (tmp_path / LOG).open("ab") as log:
            log.write(spell(Logged(Deed.SAVE, ref, "0" * 64, later)))
        for library in (one, other):
            found = await library.load_memory(ref.id)
            assert found is not None
            assert found.content == "saved, not folded"
        (streamed,) = [found async for found in other.load_memories()]
        assert streamed.content == "saved, not folded"
        assert codes(await asyncio.to_thread(look, tmp_path)) == {}
    # And where that save never got there: what stands was saved, and is no rot.
    assert codes(await asyncio.to_thread(look, tmp_path)) == {}
    assert rows(tmp_path)[ref.id]["content_hash"] == f"sha256:{sha256_of(tmp_path, ref.id)}"


def sha256_of(root: Path, memory_id: str) -> str:
    """The digest of a memory's file."""
    return hashlib.sha256((root / "memories" / f"{memory_id}.json").read_bytes()).hexdigest()


def writer(root: Path, number: int, operations: int) -> str:
    """A program that saves, changes and deletes; it says what must be there afterwards."""
    return f"""
import asyncio, json, random
from synthstore import MemoryPersistence
from tests.persistence_stores import memory

async def main():
    dice, mine = random.Random({number}), {{}}
    async with MemoryPersistence({str(root)!r}) as p:
        for n in range({operations}):
            name = f"w{number}-{{dice.randrange({operations} // 2 + 1)}}"
            if name in mine and dice.random() < 0.2:
                assert await p.delete_memory(name)
                del mine[name]
            elif name in mine:
                found = await p.load_memory(name)
                found.content = mine[name] = f"{{name}} changed at {{n}}"
                assert await p.save_memory(found)
            else:
                made = memory(n, memory_id=name)
                await p.save_memory(made)
                mine[name] = made.content
            shared = await p.load_memory("shared") or memory(1, memory_id="shared")
            if n % 10 == 0:
                shared.touch()
                await p.save_memory(shared)
            if n % 40 == 20:
                await p.flush()
    print(json.dumps(mine))

asyncio.run(main())
"""


def test_many_writers_lose_nobodys_memory(tmp_path: Path) -> None:
    root = tmp_path / "store"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", writer(root, n, OPERATIONS)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(WRITERS)
    ]
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * WRITERS
    wanted = {name: text for one in said for name, text in json.loads(one).items()}
    found = {
        path.stem: json.loads(path.read_bytes())["content"]
        for path in (root / "memories").iterdir()
    }
    del found["shared"]
    assert found == wanted
    assert catalog(root)["metadata"]["memory_count"] == len(wanted) + 1
    assert oracle.problems(root, "native") == []
    assert codes(look(root)) == {}


async def test_times_of_a_fresh_entry_decide_as_well(tmp_path: Path) -> None:
    old = datetime.now(UTC) - timedelta(days=9)
    async with MemoryPersistence(tmp_path) as p:
        await p.save_memory(memory())
        assert await p.save_memory(memory(metadata={"v": 1}, updated_at=old)) is False
        assert await p.save_memory(memory(metadata={"v": 2})) is True
    assert len(quarantined(tmp_path)) == 2
