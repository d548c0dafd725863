"""The catalog as it is read from the disk, whatever stands there, and its backups."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from synthstore.layout.base import Layout
from synthstore.model.facts import PartStatus
from synthstore.model.ids import EntityRef
from synthstore.store.catalog import index_backups, load_catalog, newest_us, read_catalog
from synthstore.testing.spelling import Name
from synthstore.testing.stores import build, write
from tests.layouts import CORE3, CORE4, NATIVE, whole
from tests.trees import stamps
from tests.users import as_nobody, common_folder

BESIDE = Path(__file__).parents[2] / "shared" / "data"
HOME = Path(os.environ.get("SYNTHSTORE_REAL_STORES", BESIDE))
LAYOUTS: dict[Name, Layout] = {"native": NATIVE, "core-4": CORE4, "core-3": CORE3}
NAMES = pytest.mark.parametrize("name", LAYOUTS)


@NAMES
def test_a_healthy_catalog(name: Name, tmp_path: Path) -> None:
    built = build(name, tmp_path / "store")
    before = stamps(tmp_path)
    facts = read_catalog(built.root, LAYOUTS[name])
    assert stamps(tmp_path) == before
    assert (facts.status, facts.path, facts.problem) == (PartStatus.OK, "memory_index.json", None)
    assert facts.sha256 == hashlib.sha256(built.catalog.read_bytes()).hexdigest()
    assert facts.stat is not None
    assert facts.stat.size == built.catalog.stat().st_size
    assert facts.catalog is not None
    kinds = {EntityRef("memory" if built.is_memory(i) else "assembly", i) for i in built.docs}
    assert {row.ref for row in facts.catalog.rows} == kinds
    assert not any(row.problems for row in facts.catalog.rows)
    assert facts.catalog.count_problems == ()


@NAMES
def test_a_missing_catalog(name: Name, tmp_path: Path) -> None:
    facts = read_catalog(tmp_path, LAYOUTS[name])
    assert (facts.status, facts.sha256, facts.stat) == (PartStatus.MISSING, None, None)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "empty"),
        (b"\0" * 40, "zero bytes"),
        (b'{"memories": {', "byte"),
        (b'{"memories": {}} x', "byte"),
        (b'{"memories": "\xff"}', "UTF-8"),
        (b"[]", "no JSON object"),
        (b"null", "no JSON object"),
        (b'{"memories": []}', "memories"),
        (b"{}", "memories"),
        (b"[" * 5000 + b"]" * 5000, "nested"),
    ],
)
def test_an_unreadable_catalog(raw: bytes, said: str, tmp_path: Path) -> None:
    write(tmp_path / "memory_index.json", raw)
    facts = read_catalog(tmp_path, NATIVE)
    assert facts.status is PartStatus.UNREADABLE
    assert said in (facts.problem or "")
    assert facts.sha256 == hashlib.sha256(raw).hexdigest()
    assert facts.stat is not None
    assert facts.catalog is None


def test_a_flat_catalog_may_be_empty_but_not_nested(tmp_path: Path) -> None:
    write(tmp_path / "memory_index.json", b"{}")
    assert read_catalog(tmp_path, CORE4).status is PartStatus.OK
    write(tmp_path / "memory_index.json", b'{"memories": {}}')
    assert read_catalog(tmp_path, CORE4).status is PartStatus.UNREADABLE


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32-be"])
def test_other_encodings_are_read(encoding: str, tmp_path: Path) -> None:
    text = '{"memories": {"é": {"filepath": "memories/é.json"}}}'
    write(tmp_path / "memory_index.json", text.encode(encoding))
    catalog = read_catalog(tmp_path, NATIVE).catalog
    assert catalog is not None
    assert [row.id for row in catalog.rows] == ["é"]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    root = tmp_path / "other"
    root.mkdir()
    (root / "memory_index.json").symlink_to(built.catalog)
    facts = read_catalog(root, NATIVE)
    assert (facts.status, facts.sha256) == (PartStatus.UNREADABLE, None)
    assert "link" in (facts.problem or "")


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir])
def test_what_is_no_file_is_not_opened(make: Any, tmp_path: Path) -> None:
    make(tmp_path / "memory_index.json")
    facts = read_catalog(tmp_path, NATIVE)
    assert (facts.status, facts.sha256) == (PartStatus.UNREADABLE, None)
    assert facts.stat is not None


def test_a_catalog_that_may_not_be_read() -> None:
    with common_folder() as folder:
        root = folder / "store"
        root.mkdir(mode=0o755)
        write(root / "memory_index.json", b"{}", mode=0o000)
        with as_nobody():
            facts = read_catalog(root, CORE4)
    assert (facts.status, facts.sha256) == (PartStatus.UNREADABLE, None)
    assert "Permission denied" in (facts.problem or "")
    assert facts.stat is not None
    assert facts.stat.mode == 0


def test_rows_that_stand_twice_are_malformed(tmp_path: Path) -> None:
    raw = (
        b'{"memories": {"a": {"filepath": "memories/a.json"}, "b": {"filepath": "memories/b.json"},'
        b' "a": {"filepath": "memories/c.json"}, "c": {"filepath": "x", "filepath": "y", "z": 1}},'
        b' "assemblies": {}, "assemblies": {"s": {"filepath": "assemblies/s.json"}},'
        b' "metadata": {"memory_count": 3, "assembly_count": 1}}'
    )
    write(tmp_path / "memory_index.json", raw)
    catalog = read_catalog(tmp_path, NATIVE).catalog
    assert catalog is not None
    problems = {row.id: row.problems for row in catalog.rows}
    assert problems == {
        "a": ("content_hash is missing", "is listed twice"),
        "b": ("content_hash is missing",),
        "c": ("content_hash is missing", "filepath stands twice"),
        "s": (),
    }
    assert catalog.rows[0].path == "memories/c.json"
    assert catalog.count_problems == ("the key assemblies stands twice",)


def test_flat_rows_that_stand_twice(tmp_path: Path) -> None:
    row = '{"path": "a.json", "type": "memory", "timestamp": 1.5}'
    write(tmp_path / "memory_index.json", f'{{"a": {row}, "b": {row}, "a": {row}}}'.encode())
    catalog = read_catalog(tmp_path, CORE3).catalog
    assert catalog is not None
    assert [(r.id, r.problems) for r in catalog.rows] == [("a", ("is listed twice",)), ("b", ())]
    assert catalog.count_problems == ()


def test_a_catalog_is_read_once_for_detection_and_scan(tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    loaded = load_catalog(built.root)
    built.catalog.write_bytes(b"torn")
    assert read_catalog(built.root, NATIVE, loaded).status is PartStatus.OK
    assert read_catalog(built.root, NATIVE).status is PartStatus.UNREADABLE


def shifted(raw: bytes, year: int) -> bytes:
    """The same catalog, written in another year."""
    return raw.replace(b"2025-", f"{year}-".encode())


@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("native", ("backups/index/memory_index.1.json", "backups/index/memory_index.2.json")),
        ("core-4", ("index_backup_20250402_1/memory_index.json", "memory_index.json.bak")),
        ("core-3", ("backups/backup_20250315_023827/memory_index.json", "memory_index.bak")),
    ],
)
def test_backups_newest_content_first(name: Name, paths: tuple[str, str], tmp_path: Path) -> None:
    built = build(name, tmp_path / "store")
    raw = built.catalog.read_bytes()
    for path, year in zip(paths, (2031, 2032), strict=True):
        write(built.root / path, shifted(raw, year))
    found = index_backups(built.root, LAYOUTS[name])
    assert [path for path, _ in found] == [paths[1], paths[0]]
    assert len(found[0][1].rows) == len(built.docs)
    for path, year in zip(paths, (2032, 2031), strict=True):
        write(built.root / path, shifted(raw, year))
    assert [path for path, _ in index_backups(built.root, LAYOUTS[name])] == list(paths)


def test_only_backups_that_parse(tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    folder = built.root / "backups/index"
    write(folder / "torn.json", built.catalog.read_bytes()[:300])
    write(folder / "flat.json", b"{}")
    write(folder / "good.json", built.catalog.read_bytes())
    write(folder / "good.txt", built.catalog.read_bytes())
    (folder / "link.json").symlink_to(built.catalog)
    os.mkfifo(folder / "fifo.json")
    assert [path for path, _ in index_backups(built.root, NATIVE)] == ["backups/index/good.json"]


def test_links_to_folders_hold_no_backups(tmp_path: Path) -> None:
    built = build("core-4", tmp_path / "store")
    write(tmp_path / "outside/memory_index.json", built.catalog.read_bytes())
    (built.root / "index_backup_1").symlink_to(tmp_path / "outside")
    (built.root / "backups").symlink_to(tmp_path / "outside")
    assert index_backups(built.root, CORE4) == []


def test_newest_time_of_a_catalog() -> None:
    metadata = {"last_updated": "2025-01-01T00:00:00"}
    rows = {"a": {"filepath": "a", "updated_at": "1970-01-01T00:00:01"}}
    old = NATIVE.read_catalog({"memories": rows, "metadata": {}})
    assert newest_us(old) == 1_000_000
    assert newest_us(NATIVE.read_catalog({"memories": rows, "metadata": metadata})) > 10**15
    assert newest_us(CORE4.read_catalog({})) == 0


@pytest.mark.real_stores
@pytest.mark.skipif(not HOME.is_dir(), reason="the real stores are not beside the project")
@pytest.mark.parametrize(
    ("folder", "layout", "rows"),
    [
        ("core-3-drifted", CORE3, 351),
        ("core-3-string-members", CORE3, 22),
        ("core-4-sixty", CORE4, 66),
    ],
)
def test_real_catalogs_agree_with_their_files(folder: str, layout: Layout, rows: int) -> None:
    catalog = read_catalog(HOME / folder, layout).catalog
    assert catalog is not None
    assert len(catalog.rows) == rows
    for row in catalog.rows:
        assert row.problems == ()
        assert row.path is not None
        file = whole(layout, row.path, json.loads((HOME / folder / row.path).read_bytes()))
        assert file.ref == row.ref
        assert layout.names(row.path, row.id)
        assert layout.path_for(row.ref) == row.path
        assert layout.row_problems(row, file) == ()
        assert list(layout.row_for(file, row, catalog.rows).items()) == list(row.raw.items())
        assert file.record is not None
        assert file.record.out_of_range == ()
        new = layout.row_for(file, None, catalog.rows)
        assert list(new) == list(row.raw)
        if "quickrecal" in row.raw:
            assert new == row.raw
