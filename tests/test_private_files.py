"""Modes and owners: what the umask says counts for nothing, what the store says for all."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from synthstore import MemoryPersistence
from synthstore.testing.stores import FILE_MODE, FOLDER_MODE, Built, build
from tests.persistence_stores import memory
from tests.program import Program

SECRET = "sk-live-5up3r-5ecret"  # noqa: S105 - what must not be shown


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct, autouse=True)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.fixture
def store(tmp_path: Path) -> Built:
    """A store with all kinds of damage that a repair writes for."""
    built = build("native", tmp_path / "store")
    built.file(built.memories[8]).unlink()
    built.file(built.memories[9]).write_bytes(built.raw(built.memories[9])[:-9])
    built.edit(built.memories[10], lambda doc: doc.update(embedding=None))
    built.catalog.unlink()
    built.index.unlink()
    return built


def modes(root: Path, keep: Callable[[Path], bool] = lambda _: True) -> dict[str, set[int]]:
    """The permission bits of all files and of all folders below ``root``."""
    found: dict[str, set[int]] = {"files": set(), "folders": set()}
    for path in [root, *root.rglob("*")]:
        if keep(path):
            kind = "folders" if path.is_dir() else "files"
            found[kind].add(stat.S_IMODE(path.lstat().st_mode))
    return found


def not_ours(path: Path) -> bool:
    return ".synthstore" not in path.parts and "backups" not in path.parts


def ours(path: Path) -> bool:
    """All of ``.synthstore`` but the pre-images, which are the store's own files."""
    return ".synthstore" in path.parts and "old" not in path.parts


def test_a_repair_keeps_the_store_s_own_modes(cli: Program, store: Built) -> None:
    assert cli("repair", store.root, "-y").code == 0
    assert cli("rebuild-index", store.root, "--factory", "IDMap2,Flat", "--metric", "l2").code == 0
    assert modes(store.root, not_ours) == {"files": {FILE_MODE}, "folders": {FOLDER_MODE}}
    assert modes(store.root, ours) == {"files": {0o600}, "folders": {0o700}}
    assert cli("undo", store.root, "-y").code == 0
    assert modes(store.root, not_ours)["files"] == {FILE_MODE}
    assert modes(store.root, ours) == {"files": {0o600}, "folders": {0o700}}


def test_copies_of_the_catalog_are_private(cli: Program, store: Built) -> None:
    assert cli("repair", store.root, "-y").code == 0
    store.file(store.memories[11]).unlink()
    assert cli("repair", store.root, "-y").code == 0
    copies = list(store.root.rglob("memory_index.2*.json"))
    assert [stat.S_IMODE(path.stat().st_mode) for path in copies] == [0o600]
    assert modes(store.root, ours) == {"files": {0o600}, "folders": {0o700}}


def test_a_library_s_store_is_private(tmp_path: Path) -> None:
    async def fill() -> None:
        async with MemoryPersistence(tmp_path / "new") as library:
            await library.save_memory(memory(1))
            await library.save_memories_batch([memory(n) for n in range(2, 40)])
            await library.flush()
            await library.delete_memory("memory-1")

    asyncio.run(fill())
    assert modes(tmp_path / "new") == {"files": {0o600}, "folders": {0o700}}


def test_repositories_and_what_is_restored(cli: Program, tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    repo, new = tmp_path / "repo", tmp_path / "new"
    assert cli("backup", built.root, "--repo", repo).code == 0
    assert cli("snapshots", "check", "--read-data", "--drill", "--repo", repo).code == 0
    assert modes(repo) == {"files": {0o600}, "folders": {0o700}}
    assert cli("restore", new, "--repo", repo).code == 0
    assert modes(new) == {"files": {FILE_MODE}, "folders": {FOLDER_MODE}}


def test_pages_and_lists_are_one_s_own_and_metrics_are_not(
    cli: Program, store: Built, tmp_path: Path
) -> None:
    page, known, metrics = (tmp_path / name for name in ("p.html", "k.json", "m.prom"))
    assert cli("stats", store.root, "--html", page).code == 0
    assert cli("verify", store.root, "--write-known", known, "--metrics-file", metrics).code == 1
    seen = [stat.S_IMODE(path.stat().st_mode) for path in (page, known, metrics)]
    assert seen == [0o600, 0o600, 0o644]


def test_nothing_of_content_in_logs_and_errors(
    cli: Program, store: Built, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "synthstore")
    for entity_id in store.memories[:3]:
        store.edit(
            entity_id,
            lambda doc: doc.update(content=SECRET, metadata={SECRET: SECRET}),
            listed=False,
        )
    store.file(store.memories[4]).write_bytes(b'{"memory_id": "' + SECRET.encode() * 3)
    store.mapping.write_bytes(b'{"' + SECRET.encode() + b'": "' + SECRET.encode() + b'"')
    repo = tmp_path / "repo"
    calls = (
        ("verify", store.root),
        ("stats", store.root),
        ("backup", store.root, "--repo", repo),
        ("repair", store.root, "-y"),
        ("rebuild-index", store.root),
        ("restore", tmp_path / "new", "--repo", repo),
        ("diff", store.root, tmp_path / "new"),
        ("undo", store.root, "-y"),
    )
    for call in calls:
        for options in (("-vvv",), ("--json", "-vvv")):
            result = cli(*call, *options)
            assert SECRET not in result.out + result.err + caplog.text
