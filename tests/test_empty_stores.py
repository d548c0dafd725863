"""Stores without a single entity: made, recognised, filled, and given back."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthstore.errors import NotAStoreError
from synthstore.layout.detect import detect
from synthstore.layout.evidence import Evidence
from tests.program import Program
from tests.trees import sha_tree

LAYOUTS = ("native", "core-4")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A file of no rows."""
    path = tmp_path / "rows.json"
    path.write_text("[]")
    return path


def is_clean(cli: Program, store: Path, layout: str) -> bool:
    report = cli("verify", store, "--json").document
    return report["clean"] and report["layout"] == layout and not report["counts"]["memories"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_import_of_nothing_makes_a_store(
    layout: str, cli: Program, rows: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    made = cli("import", store, rows, "--create", "--layout", layout, "--json")
    assert (made.code, made.document["created"]) == (0, True)
    assert is_clean(cli, store, layout)
    empty = sha_tree(store)
    assert cli("export", store, "-o", tmp_path / "out.jsonl").code == 0
    sample = ("--sample", "12", "--dim", "8", "--seed", "1")
    assert cli("import", tmp_path / "sample", *sample).code == 0
    assert cli("export", tmp_path / "sample", "-o", tmp_path / "some.jsonl").code == 0
    assert cli("import", store, tmp_path / "some.jsonl").code == 0
    full = cli("verify", store, "--json").document
    assert (full["layout"], full["clean"], full["counts"]["memories"]) == (layout, True, 12)
    assert cli("undo", store, "-y").code == 0
    assert sha_tree(store) == empty
    assert cli("undo", store, "-y").code == 0
    assert sha_tree(store) == {}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("into", LAYOUTS)
def test_an_empty_store_is_migrated_to_one(
    layout: str, into: str, cli: Program, rows: Path, tmp_path: Path
) -> None:
    store, target = tmp_path / "store", tmp_path / "target"
    cli("import", store, rows, "--create", "--layout", layout)
    assert cli("migrate", store, target, "--layout", into).code == 0
    assert is_clean(cli, target, into)
    assert cli("diff", store, target).code == 0
    before = sha_tree(store)
    assert cli("migrate", store, "--in-place", "--layout", into, "-y").code == 0
    assert is_clean(cli, store, into)
    if layout != into:
        assert cli("undo", store, "-y").code == 0
    assert sha_tree(store) == before


@pytest.mark.parametrize(
    ("mapping", "folders", "layout"),
    [
        ("faiss_index.bin.mapping.json", set(), "core-4"),
        ("id_to_index.json", {".synthstore"}, "core-4"),
        ("faiss_index.bin.mapping.json", {"memories", "assemblies"}, "core-4"),
        ("faiss_index.bin.mapping.json", {"assemblies"}, "core-3"),
        ("faiss_index.bin", set(), "core-3"),
        ("id_to_index_mapping.json", set(), "core-2"),
    ],
)
def test_the_era_of_a_store_without_entities(mapping: str, folders: set[str], layout: str) -> None:
    seen = Evidence("store", catalog={}, folders=frozenset(folders), vectors=frozenset({mapping}))
    assert detect(seen).name == layout


def test_an_empty_catalog_alone_tells_nothing() -> None:
    with pytest.raises(NotAStoreError):
        detect(Evidence("store", catalog={}))
