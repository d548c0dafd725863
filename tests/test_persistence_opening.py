"""Opening: what was begun is finished, drift is mended or told; backups of the catalog."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from synthstore import MemoryPersistence, StoreConfig, UsageError
from synthstore.errors import NotAStoreError
from synthstore.layout.core import Core4
from synthstore.layout.native import Native
from synthstore.store import backups
from synthstore.store.backups import keep_copy
from synthstore.store.catalog import index_backups, read_catalog
from synthstore.store.changes import LOG
from synthstore.store.runs import newest_undoable
from synthstore.store.session import Session
from synthstore.testing.flat_bytes import Flat
from synthstore.testing.stores import build
from tests import oracle
from tests.operate import codes, look, mend
from tests.persistence_stores import (
    ROOT,
    assembly,
    catalog,
    log_lines,
    memories,
    memory,
    rows,
    run_count,
)
from tests.trees import sha_tree


def die(root: Path, body: str, *, store: bool = True) -> None:
    """Let a process open the store, do ``body``, and die without closing it."""
    program = (
        "import asyncio, os\n"
        "from synthstore import *\n"
        "from tests.persistence_stores import *\n"
        "async def main():\n"
        f"    p = await MemoryPersistence({str(root)!r}).open()\n"
        + "".join(f"    {line}\n" for line in body.splitlines())
        + "    os._exit(9)\nasyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False)
    assert done.returncode == 9


SAVED = """\
await p.save_memories_batch(memories(4))
await p.flush()
await p.save_memory(memory(4))
found = await p.load_memory("memory-0")
found.content = "changed"
await p.save_memory(found)
await p.delete_memory("memory-1")
"""


async def test_what_a_dead_process_saved_is_there(tmp_path: Path) -> None:
    die(tmp_path, SAVED)
    assert sorted(rows(tmp_path)) == [f"memory-{n}" for n in range(4)]
    async with MemoryPersistence(StoreConfig(storage_path=tmp_path, auto_repair=False)) as p:
        assert (await p.stats())["pending"] == 0
        found = await p.load_memory("memory-0")
        assert found is not None
        assert found.content == "changed"
        assert await p.load_memory("memory-4") is not None
        assert await p.load_memory("memory-1") is None
    assert oracle.problems(tmp_path, "native") == []
    assert codes(await asyncio.to_thread(look, tmp_path)) == {}


def test_a_command_settles_the_log_as_well(tmp_path: Path) -> None:
    die(tmp_path, SAVED)
    assert "M002" in codes(look(tmp_path)), "nobody holds the store: this is drift"
    mend(tmp_path)
    assert codes(look(tmp_path)) == {}
    assert {line["op"] for line in log_lines(tmp_path)} == {"gone"}
    assert oracle.problems(tmp_path, "native") == []


def test_pending_changes_are_no_findings_while_somebody_holds_the_store(tmp_path: Path) -> None:
    waiting = SAVED + (
        f"import subprocess, sys\n"
        f"for quick in ([], ['--quick']):\n"
        f"    done = subprocess.run([sys.executable, '-m', 'synthstore', 'verify',"
        f" {str(tmp_path)!r}, '--json', *quick], stdout=subprocess.PIPE)\n"
        f"    open({str(tmp_path / '..' / 'said')!r} + str(len(quick)), 'wb').write(done.stdout)\n"
    )
    die(tmp_path, waiting)
    for quick in "01":
        report = json.loads((tmp_path / ".." / f"said{quick}").read_bytes())
        assert report["findings"] == []
        assert report["counts"]["memories"] == 4


async def test_a_deletion_cut_short_is_finished(tmp_path: Path) -> None:
    async with MemoryPersistence(tmp_path) as p:
        await p.save_memories_batch(memories(3))
        await p.save_assembly(assembly(memories(2)))
    kept = (tmp_path / "memories" / "memory-1.json").read_bytes()
    die(tmp_path, 'await p.delete_memory("memory-1")')
    (tmp_path / "memories" / "memory-1.json").write_bytes(kept)
    async with MemoryPersistence(tmp_path) as p:
        assert await p.load_memory("memory-1") is None
        assert not (tmp_path / "memories" / "memory-1.json").exists()
    assert oracle.problems(tmp_path, "native") == []


def test_what_was_deleted_is_not_recovered_even_when_asked(tmp_path: Path) -> None:
    built = build("core-4", tmp_path / "store")
    victim = built.memories[0]
    die(built.root, f"await p.delete_memory({victim!r})\nawait p.close()\np = None")
    assert codes(look(built.root)) == {"A020": 1}
    from synthstore.testing.damages.model import How  # noqa: PLC0415

    mend(built.root, How(select=("A020",)))
    assert not built.file(victim).exists()


async def test_opening_mends_what_can_lose_nothing(tmp_path: Path) -> None:
    async with MemoryPersistence(tmp_path) as p:
        await p.save_memories_batch(memories(4))
    document = catalog(tmp_path)
    del document["memories"]["memory-2"]
    (tmp_path / "memory_index.json").write_text(json.dumps(document))
    only_told = StoreConfig(storage_path=tmp_path, auto_repair=False)
    async with MemoryPersistence(only_told) as p:
        told = {finding["code"] for finding in p.opening_report["findings"]}
        assert told == {"M002", "C004"}
    assert len(rows(tmp_path)) == 3
    async with MemoryPersistence(tmp_path) as p:
        assert p.opening_report["command"] == "repair"
        assert p.opening_report["clean"] is True
        assert len(await p.list_memories()) == 4
    assert oracle.problems(tmp_path, "native") == []


async def test_opening_asks_before_what_could_lose_something(tmp_path: Path) -> None:
    async with MemoryPersistence(tmp_path) as p:
        await p.save_memories_batch(memories(4))
    (tmp_path / "memories" / "memory-1.json").unlink()
    async with MemoryPersistence(tmp_path) as p:
        assert [finding["code"] for finding in p.opening_report["findings"]] == ["M001"]
    assert len(rows(tmp_path)) == 4


async def test_memories_without_vectors_get_them_and_orphans_go(tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    flat = built.vectors()
    built.put_vectors(flat.plus(12345, -flat.vectors[0]))
    async with MemoryPersistence(built.root):
        pass
    assert oracle.problems(built.root, "native") == []
    assert 12345 not in built.vectors().ids
    built.index.unlink()
    async with MemoryPersistence(built.root) as p:
        assert len(await p.search(built.embedding(built.memories[0]), 50)) == 12
    assert oracle.problems(built.root, "native") == []


async def test_a_missing_vector_is_noticed_by_a_quick_look(tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    flat = built.vectors()
    from dataclasses import replace  # noqa: PLC0415

    built.put_vectors(replace(flat, ids=flat.ids[1:], vectors=flat.vectors[1:]))
    name = next(n for n, number in built.entries().items() if number == flat.ids[0])
    built.edit_mapping(lambda entries: entries.pop(name))
    async with MemoryPersistence(built.root):
        pass
    assert oracle.problems(built.root, "native") == []
    assert built.vectors().ids.tolist().count(int(flat.ids[0])) == 1


async def test_an_unreadable_catalog_keeps_what_is_pending(tmp_path: Path) -> None:
    config = StoreConfig(storage_path=tmp_path, auto_repair=False)
    async with MemoryPersistence(config) as p:
        await p.save_memories_batch(memories(2))
        await p.flush()
        await p.save_memory(memory(2))
        await p.delete_memory("memory-0")
        (tmp_path / "memory_index.json").write_bytes(b"{torn")
        assert await p.load_memory("memory-2") is not None
        assert [row.id for row in await p.list_memories()] == ["memory-2"]
    assert [line["op"] for line in log_lines(tmp_path)] == ["save", "delete"]
    await asyncio.to_thread(mend, tmp_path)
    async with MemoryPersistence(config) as p:
        ids = sorted(row.id for row in await p.list_memories())
        assert ids == ["memory-1", "memory-2"]
    assert oracle.problems(tmp_path, "native") == []


async def test_the_log_is_folded_by_itself_once_it_is_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthstore.persistence.saving.LEAST_FOLD", 5)
    p = await MemoryPersistence(tmp_path).open()
    for entry in memories(7):
        await p.save_memory(entry)
    await p.stats()
    assert len(rows(tmp_path)) >= 6
    await p.close()
    assert len(rows(tmp_path)) == 7


async def test_the_log_of_one_memory_saved_for_ever_is_folded_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthstore.persistence.saving.LARGE_LOG", 1_000)
    entry = memories(1)[0]
    async with MemoryPersistence(tmp_path) as p:
        for _ in range(40):
            await p.save_memory(entry)
            await p.stats()
        assert run_count(tmp_path, "fold") > 0
        assert (tmp_path / LOG).stat().st_size < 4_000
    assert list(rows(tmp_path)) == [entry.memory_id]


async def test_folds_do_not_crowd_out_repairs(tmp_path: Path) -> None:
    async with MemoryPersistence(tmp_path) as p:
        for entry in memories(6):
            await p.save_memory(entry)
            await p.flush()
    assert run_count(tmp_path, "fold") == 2
    with pytest.raises(UsageError):
        newest_undoable(tmp_path / "nothing")
    assert newest_undoable(tmp_path) is not None


def copies(root: Path, folder: str = "backups/index") -> list[Path]:
    return sorted((root / folder).glob("*.json"))


async def test_backups_are_rotated_and_never_too_many(tmp_path: Path) -> None:
    config = StoreConfig(storage_path=tmp_path, backup_interval=0, index_backup_count=2)
    states = []
    async with MemoryPersistence(config) as p:
        for entry in memories(5):
            states.append((tmp_path / "memory_index.json").read_bytes())
            await p.save_memory(entry)
            await p.flush()
    assert [path.read_bytes() for path in copies(tmp_path)] == states[-2:]
    assert [path.stat().st_mode & 0o777 for path in copies(tmp_path)] == [0o600] * 2


async def test_backups_are_taken_once_an_interval(tmp_path: Path) -> None:
    async with MemoryPersistence(tmp_path) as p:
        for entry in memories(4):
            await p.save_memory(entry)
            await p.flush()
    assert len(copies(tmp_path)) == 1
    async with MemoryPersistence(StoreConfig(storage_path=tmp_path, index_backup_count=0)):
        pass
    assert len(copies(tmp_path)) == 1


@pytest.mark.parametrize("bad", [b"{torn", b"{}", "counts", "empty"])
async def test_a_bad_catalog_is_never_copied(tmp_path: Path, bad: Any) -> None:
    async with MemoryPersistence(StoreConfig(storage_path=tmp_path, backup_interval=0)) as p:
        for entry in memories(3):
            await p.save_memory(entry)
            await p.flush()
    good = [path.read_bytes() for path in copies(tmp_path)]
    document = catalog(tmp_path)
    if bad == "counts":
        document["metadata"]["memory_count"] = 77
        bad = json.dumps(document).encode()
    elif bad == "empty":
        document = {"memories": {}, "assemblies": {}, "metadata": document["metadata"]}
        document["metadata"] |= {"memory_count": 0, "assembly_count": 0}
        bad = json.dumps(document).encode()
    (tmp_path / "memory_index.json").write_bytes(bad)
    with Session(tmp_path) as session:
        assert keep_copy(session, Native(), 1, 0) is None
    assert [path.read_bytes() for path in copies(tmp_path)] == good


def test_backups_heal_a_catalog(tmp_path: Path) -> None:
    for layout, kind, folder in (
        ("native", Native(), "backups/index"), ("core-4", Core4(), backups.OWN_BACKUPS)
    ):  # fmt: skip
        built = build(layout, tmp_path / layout)  # type: ignore[arg-type]
        with Session(built.root) as session:
            path = keep_copy(session, kind)
        assert path is not None
        assert path.startswith(folder)
        assert [found for found, _ in index_backups(built.root, kind)] == [path]
        assert codes(look(built.root)) == {}


@pytest.mark.parametrize("moved", [False, True])
def test_the_copy_is_of_the_catalog_as_it_stands(tmp_path: Path, *, moved: bool) -> None:
    built = build("native", tmp_path / "store")
    seen = read_catalog(built.root, Native())
    if moved:
        built.catalog.write_bytes(built.catalog.read_bytes() + b"\n")
    with Session(built.root) as session:
        path = keep_copy(session, Native(), seen=seen)
    assert path is not None
    assert (built.root / path).read_bytes() == built.catalog.read_bytes()
    assert len(copies(built.root)) == 1


@pytest.mark.parametrize("now", [None, b"{torn"])
def test_a_catalog_that_was_good_is_not_copied(tmp_path: Path, now: bytes | None) -> None:
    built = build("native", tmp_path / "store")
    seen = read_catalog(built.root, Native())
    built.catalog.unlink()
    if now is not None:
        built.catalog.write_bytes(now)
    with Session(built.root) as session:
        assert keep_copy(session, Native(), seen=seen) is None
    assert not list((built.root / "backups").rglob("*.*"))


def test_names_of_backups_sort_by_time(tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    with Session(built.root) as session:
        for _ in range(3):
            keep_copy(session, Native(), 2, 0)
    assert len(copies(built.root)) == 2
    stamps = [path.name.split(".")[1] for path in copies(built.root)]
    assert stamps == sorted(stamps)
    assert stamps[0][:4] == str(datetime.now(UTC).year)
    assert [path.name for path in (built.root / "backups").iterdir()] == ["index"]


async def test_what_is_pending_in_a_held_store_is_no_drift(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in a store of thousands, the files come in many shards.
    monkeypatch.setattr("synthstore.scan.pool.SHARD", 2)
    async with MemoryPersistence(tmp_path) as p:
        entries = memories(9)
        await p.save_memories_batch(entries)
        await p.flush()
        for entry in entries[::3]:
            entry.touch()
        await p.save_memories_batch([*entries[::3], *memories(4, start=100)])
        assert codes(await asyncio.to_thread(look, tmp_path)) == {}
    assert codes(await asyncio.to_thread(look, tmp_path)) == {}


def test_a_store_that_only_began_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "memories").mkdir()
    (tmp_path / ".synthstore").mkdir(mode=0o700)
    die(tmp_path, "await p.save_memory(memory())")
    assert len(rows(tmp_path)) == 0
    assert codes(look(tmp_path)).keys() <= {"M002", "V001", "V006"}


def core_2(root: Path) -> None:
    built = build("core-3", root)
    flat = built.vectors()
    built.put_vectors(Flat("", flat.l2, flat.ids, flat.vectors))


def lucidia(root: Path, catalog: str | None) -> None:
    name = "00159801-8d56-494b-8850-ef37faaae328"
    root.mkdir()
    document = {"id": name, "text": "x", "timestamp": 1742347426953, "embedding": [1.0]}
    (root / f"{name}.json").write_text(json.dumps(document))
    if catalog is not None:
        (root / "memory_index.json").write_text(catalog)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("core-2", core_2),
        ("lucidia-1", partial(lucidia, catalog='{"memories": {}, "last_updated": 1.0}')),
        ("lucidia-0", partial(lucidia, catalog=None)),
    ],
)
async def test_what_no_library_opens_is_refused_untouched_and_migrate_named(
    name: str, make: Callable[[Path], None], tmp_path: Path
) -> None:
    root = tmp_path / "a store"
    make(root)
    before = sha_tree(root)
    with pytest.raises(NotAStoreError, match=name) as error:
        await MemoryPersistence(root).open()
    assert f"synthstore migrate '{root}' TARGET --layout native" in str(error.value.hint)
    assert sha_tree(root) == before
    assert not (root / ".synthstore").exists()
