"""Layouts core-4 and core-3: names, records of mixed eras, and rows spelt as the store spells."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from synthstore.layout.base import CatalogShapeError, Layout, Place
from synthstore.layout.core_rows import agreed_shape
from synthstore.model.catalog import Row
from synthstore.model.ids import EntityRef
from tests.layouts import CORE2, CORE3, CORE4, relisted, whole

MEMORY: Mapping[str, Any] = {
    "id": "mem_000000000001",
    "content": "note",
    "embedding": [1.0],
    "timestamp": "2025-03-29T10:46:40.423193+00:00",
    "quickrecal_score": 0.66,
    "quickrecal_updated": "2025-03-29T10:46:40.532779",
    "metadata": {},
    "access_count": 0,
    "last_access_time": "2025-03-29T10:46:40.423198+00:00",
}
FLOATS: Mapping[str, Any] = {**MEMORY, "timestamp": 1743179560.2162163, "last_access_time": None}
ASSEMBLY: Mapping[str, Any] = {
    "id": "asm:0123456789ab",
    "assembly_id": "asm:0123456789ab",
    "name": "n",
    "memories": [MEMORY, {"id": "mem_2", "embedding": [1.0]}, "mem_3"],
    "creation_time": "2025-03-29T11:00:00+00:00",
    "last_activated": 0.0,
    "merged_from": [],
}
M1 = EntityRef("memory", "mem_000000000001")
A1 = EntityRef("assembly", "asm:0123456789ab")
CORES = pytest.mark.parametrize("layout", [CORE4, CORE3], ids=lambda layout: layout.name)


@CORES
@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("mem_000000000001.json", Place.MEMORY),
        ("anything.json", Place.MEMORY),
        ("memories/mem_000000000001.json", Place.MEMORY),
        ("assemblies/asm-0123456789ab.json", Place.ASSEMBLY),
        ("mem_000000000001.bak", Place.FOREIGN),
        ("memory_index.json.bak", Place.FOREIGN),
        ("notes.txt", Place.FOREIGN),
        ("memories/deeper/x.json", Place.FOREIGN),
        ("memory_index.json", Place.PART),
        ("faiss_index.bin", Place.PART),
        ("faiss_index.bin.mapping.json", Place.PART),
        ("id_to_index.json", Place.PART),
        ("id_to_index_mapping.json", Place.PART),
        ("memory_index.tmp", Place.LEFTOVER),
        ("mem_000000000001.89abcdef.tmp", Place.LEFTOVER),
        ("mem_000000000001.89abcdef.tmp.json", Place.LEFTOVER),
        ("memories/mem_1.json.tmp", Place.LEFTOVER),
        ("faiss_index.bin.tmp.1743179560", Place.LEFTOVER),
        ("faiss_index.bin.mapping.json.tmp.1743179560", Place.LEFTOVER),
        ("faiss_index.bin.tmp.x", Place.FOREIGN),
        (".tmp-0a1b", Place.LEFTOVER),
        ("logs/merge_log.jsonl", Place.SIDE),
        ("backups/backup_20250315_023827/memory_index.json", Place.SIDE),
        ("corrupted_backups/x_1.json", Place.SIDE),
    ],
)
def test_place_of_a_file(layout: Layout, path: str, place: Place) -> None:
    assert layout.place(path) is place


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("memories", Place.PART),
        ("assemblies", Place.PART),
        ("logs", Place.SIDE),
        ("index_backup_20250402", Place.SIDE),
        ("vector_index", Place.FOREIGN),
        ("mem_1.json", Place.MEMORY),
    ],
)
def test_place_of_a_folder(path: str, place: Place) -> None:
    assert CORE3.place(path, is_dir=True) is place


@pytest.mark.parametrize(
    ("layout", "ref", "path"),
    [
        (CORE4, M1, "memories/mem_000000000001.json"),
        (CORE3, M1, "mem_000000000001.json"),
        (CORE2, M1, "mem_000000000001.json"),
        (CORE4, A1, "assemblies/asm-0123456789ab.json"),
        (CORE3, A1, "assemblies/asm-0123456789ab.json"),
        (CORE3, EntityRef("memory", "a:b"), "a-b.json"),
        (CORE3, EntityRef("memory", "memory_index"), "memories/memory_index.json"),
        (CORE3, EntityRef("memory", "id_to_index"), "memories/id_to_index.json"),
    ],
)
def test_path_for(layout: Layout, ref: EntityRef, path: str) -> None:
    assert layout.path_for(ref) == path


@pytest.mark.parametrize(
    ("path", "entity_id", "names"),
    [
        ("assemblies/asm-0123456789ab.json", "asm:0123456789ab", True),
        ("assemblies/asm-0123456789ab.json", "asm-0123456789ab", True),
        ("assemblies/asm_0123456789ab.json", "asm:0123456789ab", False),
        ("memories/asm-x.json", "asm:x", True),
        ("mem_1.json", "mem_1", True),
        ("mem_1.json", "mem_2", False),
    ],
)
def test_names_go_by_the_forward_map(path: str, entity_id: str, names: bool) -> None:
    assert CORE3.names(path, entity_id) is names


def test_ids_from_names() -> None:
    assert CORE4.id_from_path("assemblies/asm-0123456789ab.json") == "asm:0123456789ab"
    assert CORE4.id_from_path("memories/asm-x.json") == "asm-x"
    assert CORE4.id_from_path("assemblies/asm_0123456789ab.json") == "asm_0123456789ab"


def test_memory_record() -> None:
    record = CORE4.read_record("memory", MEMORY)
    assert (record.id, record.score, record.missing) == ("mem_000000000001", 0.66, ())
    assert (record.created_at, record.updated_at) == (MEMORY["timestamp"], None)
    assert record.created_us == 1_743_245_200_423_193
    assert record.updated_us == 1_743_245_200_532_779
    assert (record.content_sha256, record.model, record.out_of_range) == (None, None, ())


def test_memory_record_of_the_float_era() -> None:
    older = {k: v for k, v in FLOATS.items() if k != "quickrecal_updated"}
    record = CORE3.read_record("memory", older)
    assert record.created_at == 1743179560.2162163
    assert record.updated_us == record.created_us == 1_743_179_560_216_216


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"timestamp": "long ago"}, "timestamp is no readable time"),
        ({"timestamp": 1743179560216}, "timestamp is no readable time"),
        ({"last_access_time": True}, "last_access_time is no readable time"),
        ({"quickrecal_updated": "?"}, "quickrecal_updated is no readable time"),
        ({"quickrecal_score": 1.5}, "quickrecal_score is not within 0 and 1"),
        ({"quickrecal_score": math.inf}, "quickrecal_score is no number"),
    ],
)
def test_out_of_range(change: dict[str, object], said: str) -> None:
    assert CORE4.read_record("memory", {**MEMORY, **change}).out_of_range == (said,)


@pytest.mark.parametrize(
    ("change", "missing"),
    [({"id": None}, ("id",)), ({"content": 3}, ("content",)), ({"embedding": None}, ())],
)
def test_required_fields_of_a_memory(change: dict[str, object], missing: tuple[str, ...]) -> None:
    assert CORE4.read_record("memory", {**MEMORY, **change}).missing == missing


def test_assembly_record() -> None:
    record = CORE4.read_record("assembly", ASSEMBLY)
    assert record.id == "asm:0123456789ab"
    assert record.members == ("mem_000000000001", "mem_2", "mem_3")
    assert record.embedded == ("mem_000000000001",)
    assert record.string_members
    assert CORE4.members_embedded(ASSEMBLY) == [MEMORY]
    assert CORE4.embedding_key("assembly") == "composite_embedding"


@pytest.mark.parametrize(
    ("change", "members", "bare", "missing"),
    [
        ({"memories": ["a", "b"]}, ("a", "b"), True, ()),
        ({"memories": []}, (), False, ()),
        ({"memories": [], "memory_ids": ["a"]}, ("a",), True, ()),
        ({"memories": None, "memory_ids": ["a"]}, ("a",), True, ()),
        ({"memories": [MEMORY], "memory_ids": ["z"]}, ("mem_000000000001",), False, ()),
        ({"memories": None}, (), False, ("memories",)),
        ({"id": None}, ("mem_000000000001", "mem_2", "mem_3"), True, ()),
        ({"id": 3, "assembly_id": None, "memories": {}}, (), False, ("id", "memories")),
    ],
)
def test_members_of_all_eras(
    change: dict[str, object], members: tuple[str, ...], bare: bool, missing: tuple[str, ...]
) -> None:
    record = CORE3.read_record("assembly", {**ASSEMBLY, **change})
    assert (record.members, record.string_members, record.missing) == (members, bare, missing)


def test_a_member_that_is_nothing_is_said() -> None:
    record = CORE4.read_record("assembly", {**ASSEMBLY, "memories": [7, MEMORY]})
    assert record.members == ("mem_000000000001",)
    assert record.out_of_range == ("memories holds what is neither a memory nor an id",)


@pytest.mark.parametrize(
    ("entity_id", "raw", "kind", "problems"),
    [
        ("m", {"path": "m.json", "type": "memory", "timestamp": 1.0}, "memory", ()),
        ("a", {"path": "assemblies/a.json", "type": "assembly"}, "assembly", ()),
        ("a", {"path": "assemblies/a.json"}, "assembly", ()),
        ("m", {"path": "m.json"}, "memory", ("type is missing",)),
        ("m", {"path": "m.json", "type": "dream"}, "memory", ("type is mistyped",)),
        ("m", {"type": "memory"}, "memory", ("path is missing",)),
        ("m", {"path": 3, "type": "memory"}, "memory", ("path is mistyped",)),
        ("asm:1", None, "assembly", ("is no object",)),
        ("m", "m.json", "memory", ("is no object",)),
        (
            "m",
            {"path": "m.json", "timestamp": [], "quickrecal": "x", "type": "memory"},
            "memory",
            ("timestamp is mistyped", "quickrecal is mistyped"),
        ),
    ],
)
def test_rows(entity_id: str, raw: object, kind: str, problems: tuple[str, ...]) -> None:
    row = CORE3.read_catalog({entity_id: raw}).rows[0]
    assert (row.kind, row.id, row.problems) == (kind, entity_id, problems)
    assert (row.created_at, row.updated_at) == (None, None)


def test_a_nested_catalog_is_no_memory_cores() -> None:
    with pytest.raises(CatalogShapeError):
        CORE4.read_catalog({"memories": {"m": {"filepath": "memories/m.json"}}})
    row = {"path": "memories.json", "type": "memory", "timestamp": 1.0}
    assert CORE4.read_catalog({"memories": row}).rows[0].problems == ()


ROW3 = {
    "path": "mem_000000000001.json",
    "timestamp": MEMORY["timestamp"],
    "quickrecal": 0.66,
    "type": "memory",
}
ROW4 = {"path": "memories/mem_000000000001.json", "type": "memory", "timestamp": "2026-01-01"}


@pytest.mark.parametrize(
    ("layout", "row", "change", "problems"),
    [
        (CORE3, ROW3, {}, ()),
        (CORE3, ROW3, {"timestamp": 1743245200.423193}, ()),
        (CORE3, ROW3, {"timestamp": "2025-03-29T10:46:41+00:00"}, ("timestamp",)),
        (CORE3, ROW3, {"quickrecal": 0.5}, ("quickrecal",)),
        (CORE3, ROW3, {"path": "mem_2.json", "type": "assembly"}, ("path", "type")),
        (CORE4, ROW4, {}, ()),
        (CORE4, ROW4, {"timestamp": 12.5}, ()),
        (CORE4, ROW4, {"path": "memories/mem_2.json"}, ("path",)),
        (CORE4, ROW4, {"quickrecal": 0.66, "timestamp": MEMORY["timestamp"]}, ()),
        (CORE4, ROW4, {"quickrecal": 0.66}, ("timestamp",)),
    ],
)
def test_row_against_file(
    layout: Layout, row: Mapping[str, object], change: dict[str, object], problems: tuple[str, ...]
) -> None:
    raw = {**row, "pin": 1, **change}
    file = whole(layout, str(row["path"]), MEMORY)
    old = Row("memory", M1.id, None, raw)
    assert layout.row_problems(old, file) == problems
    fresh = layout.row_for(file, old, ())
    assert list(fresh) == list(raw)
    assert layout.row_problems(relisted(layout, fresh, M1), file) == ()
    assert {k for k in raw if raw[k] != fresh[k]} == set(problems)


def test_assembly_rows_bear_the_time_of_saving() -> None:
    raw = {"path": "assemblies/asm-0123456789ab.json", "timestamp": 1.5, "type": "assembly"}
    file = whole(CORE3, raw["path"], ASSEMBLY)  # type: ignore[arg-type]
    row = relisted(CORE3, raw, A1)
    assert CORE3.row_problems(row, file) == ()
    assert CORE3.row_for(file, row, ()) == raw


def test_first_rows_of_a_catalog() -> None:
    memory3 = CORE3.row_for(whole(CORE3, "mem_000000000001.json", FLOATS), None, ())
    assert list(memory3.items()) == [
        ("path", "mem_000000000001.json"),
        ("timestamp", 1743179560.2162163),
        ("quickrecal", 0.66),
        ("type", "memory"),
    ]
    memory4 = CORE4.row_for(whole(CORE4, "memories/mem_000000000001.json", MEMORY), None, ())
    assert list(memory4.items()) == [
        ("path", "memories/mem_000000000001.json"),
        ("type", "memory"),
        ("timestamp", MEMORY["timestamp"]),
    ]
    file = whole(CORE3, "assemblies/asm-0123456789ab.json", ASSEMBLY)
    assert list(CORE3.row_for(file, None, ())) == ["path", "timestamp", "type"]


def rows_of(layout: Layout, *raws: Mapping[str, object]) -> Sequence[Row]:
    """Rows of a catalog that holds ``raws`` under made-up ids."""
    return layout.read_catalog({str(n): raw for n, raw in enumerate(raws)}).rows


def test_a_new_row_follows_the_shape_of_most() -> None:
    file = whole(CORE4, "memories/mem_000000000001.json", FLOATS)
    mixed = rows_of(CORE4, ROW3, ROW4, {**ROW4, "path": "memories/2.json"}, {"path": 3})
    assert list(CORE4.row_for(file, None, mixed)) == ["path", "type", "timestamp"]
    mostly3 = rows_of(CORE4, ROW3, {**ROW3, "path": "mem_2.json"}, ROW4)
    assert list(CORE4.row_for(file, None, mostly3)) == list(ROW3)


def test_save_times_are_spelt_as_in_most_rows() -> None:
    row = {"path": "assemblies/a.json", "timestamp": 1743179560.25, "type": "assembly"}
    file = whole(CORE3, "assemblies/asm-0123456789ab.json", ASSEMBLY)
    floats = rows_of(CORE3, row, row, {**row, "timestamp": "2025-03-29"}, ROW3)
    assert CORE3.row_for(file, None, floats)["timestamp"] == 1743246000.0
    text = rows_of(CORE3, {**row, "timestamp": "2025-03-29"})
    numbers = whole(
        CORE3, "assemblies/asm-0123456789ab.json", {**ASSEMBLY, "creation_time": 1743246000.5}
    )
    spelt = CORE3.row_for(numbers, None, text)["timestamp"]
    assert spelt == "2025-03-29T11:00:00.500000+00:00"


def test_a_memorys_own_time_is_repeated_as_it_is() -> None:
    file = whole(CORE3, "mem_000000000001.json", FLOATS)
    others = rows_of(CORE3, ROW3, {**ROW3, "path": "mem_2.json"})
    assert CORE3.row_for(file, None, others)["timestamp"] == FLOATS["timestamp"]


def test_what_the_file_does_not_say_is_left_out() -> None:
    silent = {"id": M1.id, "content": "note"}
    file = whole(CORE3, "mem_000000000001.json", silent)
    assert CORE3.row_for(file, None, ()) == {"path": "mem_000000000001.json", "type": "memory"}
    assert CORE3.row_problems(relisted(CORE3, ROW3, M1), file) == ()


def test_the_shape_is_asked_of_each_catalog_anew() -> None:
    assert agreed_shape((), "memory") is None
    three, four = rows_of(CORE3, ROW3), rows_of(CORE4, ROW4)
    for rows, keys in ((three, list(ROW3)), (four, list(ROW4)), (three, list(ROW3))):
        shape = agreed_shape(rows, "memory")
        assert shape is not None
        assert list(shape.keys) == keys
    assert agreed_shape(three, "assembly") is None


def test_writing_gives_the_rows_in_their_order() -> None:
    rows: dict[EntityRef, Mapping[str, object]] = {A1: {"path": "a"}, M1: ROW3}
    assert CORE3.write_catalog(None, rows) == {A1.id: {"path": "a"}, M1.id: ROW3}
    assert list(CORE3.write_catalog(None, rows)) == [A1.id, M1.id]
