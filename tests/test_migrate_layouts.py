"""Older layouts and mixed eras: verified, repaired, migrated; and the real stores."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings

from synthstore.checks.finding import Severity
from synthstore.model.embedding import judge
from synthstore.model.times import in_seconds, instant_us
from synthstore.testing import flat_bytes, spelling, stores
from synthstore.testing.spelling import Doc
from tests import old_stores, oracle
from tests.migrations import bring, entities, unreadable
from tests.old_stores import Old
from tests.operate import codes, look, mend, take_back
from tests.test_conversion import assemblies, memories, same
from tests.trees import changed, sha_tree

OLD: tuple[Old, ...] = ("core-2", "lucidia-1", "lucidia-0")
REAL = ("core-3-drifted", "core-3-string-members", "core-4-sixty")


@pytest.mark.parametrize("layout", OLD)
@pytest.mark.parametrize("target", ["native", "core-4"])
def test_old_layouts_are_read_whole(layout: Old, target: str, tmp_path: Path) -> None:
    docs = old_stores.build(layout, tmp_path / "store")
    before = sha_tree(tmp_path / "store", skip="")
    seen = look(tmp_path / "store")
    assert (seen.layout, codes(seen).keys() - {"A023", "V010"}) == (layout, set())
    report = bring(tmp_path / "store", tmp_path / "new", target)
    assert (report.exit_code, report.layout, report.memories) == (0, layout, len(docs))
    assert sha_tree(tmp_path / "store", skip="") == before
    assert codes(look(tmp_path / "new")) == {}
    for ref, entity in entities(tmp_path / "new").items():
        if ref.kind == "memory":
            assert_same(docs[ref.id], entity)
    if target == "core-4":
        assert list(unreadable(tmp_path / "new")) == []


def assert_same(doc: Doc, entity: Any) -> None:
    """An older document and the memory that it became."""
    assert entity.content == doc.get("content", doc.get("text"))
    assert entity.quickrecal_score == doc.get("quickrecal_score", doc.get("significance"))
    assert entity.metadata["n"] == doc["metadata"]["n"]
    moment = instant_us(in_seconds(doc["timestamp"]))
    assert round(entity.created_at.timestamp() * 1e6) == moment
    numbers = doc["embedding"]
    if isinstance(numbers, str):
        numbers = [float(text) for text in numbers.strip("[]").split()]
    assert np.array_equal(entity.embedding, np.array(numbers, dtype=np.float32))


def test_a_printed_embedding_that_was_cut_is_not_made_up(tmp_path: Path) -> None:
    docs = old_stores.build("lucidia-1", tmp_path / "store")
    name = next(name for name, doc in docs.items() if isinstance(doc["embedding"], str))
    doc = docs[name] | {"embedding": "[ 0.1 0.2 ... 0.3 0.4]"}
    stores.write(tmp_path / "store" / f"{name}.json", json.dumps(doc).encode())
    assert codes(look(tmp_path / "store")) == {"E003": 1}
    report = bring(tmp_path / "store", tmp_path / "new", "native")
    assert (report.exit_code, report.vectors) == (0, len(docs) - 1)
    kept = json.loads((tmp_path / "new" / "memories" / f"{name}.json").read_bytes())
    assert kept["embedding"] == doc["embedding"]


def hurt_core_2(root: Path) -> None:
    (root / "id_to_index_mapping.json").unlink()
    rows = json.loads((root / "memory_index.json").read_bytes())
    rows.pop("mem_000000000003")
    (root / "memory_index.json").write_text(json.dumps(rows))
    flat = flat_bytes.parse((root / "faiss_index.bin").read_bytes())
    (root / "faiss_index.bin").write_bytes(flat.without(2).dump())


def hurt_lucidia_1(root: Path) -> None:
    document = json.loads((root / "memory_index.json").read_bytes())
    first, second, *_ = document["memories"]
    del document["memories"][first]
    document["memories"][second]["timestamp"] = 1.5
    (root / "memory_index.json").write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("layout", "hurt", "found"),
    [
        ("core-2", hurt_core_2, {"M002", "V006", "V003"}),
        ("lucidia-1", hurt_lucidia_1, {"M002", "C004", "C007"}),
    ],
)
def test_old_layouts_are_repaired_in_place(
    layout: Old, hurt: Callable[[Path], None], found: set[str], tmp_path: Path
) -> None:
    root = tmp_path / "store"
    old_stores.build(layout, root)
    hurt(root)
    before = sha_tree(root)
    seen = look(root)
    assert (seen.layout, found - codes(seen).keys()) == (layout, set())
    report = mend(root)
    assert report.layout == layout
    assert codes(look(root)).keys() <= {"A023", "V010"}
    assert mend(root).run is None
    take_back(root)
    assert sha_tree(root) == before


def test_the_oldest_layout_has_nothing_to_repair_but_files(tmp_path: Path) -> None:
    root = tmp_path / "store"
    docs = old_stores.build("lucidia-0", root)
    before = sha_tree(root)
    assert mend(root).run is None
    assert sha_tree(root) == before
    (root / f"{next(iter(docs))}.json").write_bytes(b"")
    assert codes(look(root)) == {"M009": 1}
    mend(root)
    assert codes(look(root)) == {}
    take_back(root)
    assert codes(look(root)) == {"M009": 1}


@pytest.mark.parametrize("layout", OLD)
def test_old_layouts_are_converted_in_place(layout: Old, tmp_path: Path) -> None:
    root = tmp_path / "store"
    old_stores.build(layout, root)
    before = sha_tree(root)
    bring(root, None, "core-4")
    assert list(unreadable(root)) == []
    assert codes(look(root)) == {}
    take_back(root)
    assert sha_tree(root) == before


# A store of several eras


def mixed(root: Path) -> stores.Built:
    """Mostly of the newest era, some memories of the one before, a nested store, leftovers."""
    built = stores.build("core-4", root)
    vectors = stores.unit_vectors(2, built.vectors().dim, seed=77)
    for n, vector in enumerate(vectors):
        name = f"mem_00000000000{n}"
        doc = spelling.memory("core-3", name, 2 * n + 1, vector)
        raw = spelling.entity_text("core-3", doc)
        stores.write(root / f"{name}.json", raw)
        row = spelling.row("core-3", doc, f"{name}.json", raw)
        built.edit_rows(lambda rows, name=name, row=row: rows.update({name: row}))  # type: ignore[misc]
        built.put_vectors(built.vectors().plus(spelling.numeric(name), vector))
        built.edit_mapping(lambda m, name=name: m.update({name: spelling.numeric(name)}))  # type: ignore[misc]
    stores.build("core-3", root / "older", memories=2, assemblies=0)
    stores.write(root / "memories" / "mem_1.1a2b3c4d.tmp.json", b"{")
    stores.write(root / "index_backup_1742049121" / "memory_index.json", b"{}")
    return built


def test_a_mixed_store_is_verified_file_by_file(tmp_path: Path) -> None:
    built = mixed(tmp_path / "store")
    seen = look(built.root)
    assert (seen.layout, codes(seen)) == ("core-4", {"S002": 1, "S008": 1})
    assert (seen.counts.memories, seen.counts.vectors) == (14, 16)


def test_a_mixed_store_is_repaired_as_it_is(tmp_path: Path) -> None:
    built = mixed(tmp_path / "store")
    before = sha_tree(built.root)
    built.edit_rows(lambda rows: rows.pop("mem_000000000000"))
    built.edit_rows(lambda rows: rows.pop(built.memories[0]))
    mend(built.root)
    assert codes(look(built.root)) == {"S008": 1}
    assert built.row("mem_000000000000")["path"] == "mem_000000000000.json"
    gone = changed(before, sha_tree(built.root))
    assert gone == {"memory_index.json", "memories/mem_1.1a2b3c4d.tmp.json"}


def test_a_mixed_store_becomes_one_of_the_newest(tmp_path: Path) -> None:
    built = mixed(tmp_path / "store")
    before = sha_tree(built.root)
    report = bring(built.root, tmp_path / "new", "core-4")
    assert report.others == (
        "index_backup_1742049121/",
        "memories/mem_1.1a2b3c4d.tmp.json",
        "older/",
    )
    assert list(unreadable(tmp_path / "new")) == []
    assert oracle.problems(tmp_path / "new", "core-4") == []
    bring(built.root, None, "core-4")
    assert list(unreadable(built.root)) == []
    assert codes(look(built.root)).keys() == {"S002", "S008"}
    assert not any("older" in path for path in changed(before, sha_tree(built.root)))
    take_back(built.root)
    assert sha_tree(built.root) == before


def test_each_nested_store_goes_by_its_own_path(tmp_path: Path) -> None:
    built = mixed(tmp_path / "store")
    report = bring(built.root / "older", tmp_path / "new", "native")
    assert (report.layout, report.memories, report.exit_code) == ("core-3", 2, 0)


# There and back


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(memory=memories(), assembly=assemblies())
def test_native_to_core_and_back_gives_equal_entities(
    memory: Doc, assembly: Doc, tmp_path_factory: pytest.TempPathFactory
) -> None:
    judged = judge(memory.get("embedding"))
    # Embeddings of several dimensions are refused, as they should be.
    assume(judged.vector is None or judged.dim == 2)
    folder = tmp_path_factory.mktemp("law")
    built = stores.build("native", folder / "store", memories=2, assemblies=1, dim=2)
    memory["memory_id"], assembly["assembly_id"] = built.memories[0], built.assemblies[0]
    assembly["memory_ids"] = [built.memories[1], "gone"]
    docs = {built.memories[0]: memory, built.assemblies[0]: assembly}
    for name, doc in docs.items():
        built.overwrite(name, json.dumps(doc).encode())
        built.relist(name)
    bring(folder / "store", folder / "core", "core-4")
    bring(folder / "core", folder / "back", "native")
    for name, path in built.paths.items():
        assert same(json.loads((folder / "back" / path).read_bytes()), built.read(name))


@pytest.mark.real_stores
@pytest.mark.parametrize("name", REAL)
def test_real_stores_there_and_back(name: str, real_stores: Path, tmp_path: Path) -> None:
    steps = {"native": real_stores / name, "core-4": tmp_path / "native"}
    for layout, source in steps.items():
        report = bring(source, tmp_path / layout, layout)
        assert (report.exit_code, report.left) == (0, ())
    bring(tmp_path / "core-4", tmp_path / "back", "native")
    assert sha_tree(tmp_path / "back") == sha_tree(tmp_path / "native")
    assert list(unreadable(tmp_path / "core-4")) == []
    had = entities(real_stores / name)
    now = entities(tmp_path / "native")
    assert now.keys() == had.keys()
    for ref, entity in had.items():
        assert now[ref].created_at == entity.created_at
        assert getattr(now[ref], "content", None) == getattr(entity, "content", None)
    worst = max((f.severity for f in look(tmp_path / "core-4").findings), default=Severity.INFO)
    assert worst <= Severity.WARNING


@pytest.mark.real_stores
@pytest.mark.parametrize("name", REAL)
def test_real_stores_in_place(name: str, real_copy: Callable[[str], Path]) -> None:
    root = real_copy(name)
    before = sha_tree(root)
    bring(root, None, "core-4")
    assert list(unreadable(root)) == []
    take_back(root)
    assert sha_tree(root) == before
