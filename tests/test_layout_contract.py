"""What holds for every layout: names that lead back, rows that settle."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthstore.layout.base import Layout, Place
from synthstore.layout.names import are_plain_names, is_leftover, is_plain_name
from synthstore.model.catalog import Row
from synthstore.model.ids import EntityRef, Kind, id_problem
from synthstore.testing.spelling import Name, memory, row
from synthstore.testing.stores import unit_vectors
from tests.layouts import CORE2, CORE3, CORE4, KIND, LAYOUTS, NATIVE, relisted, whole

KINDS: tuple[Kind, ...] = ("memory", "assembly")
NAMES: dict[str, Name] = {"native": "native", "core-4": "core-4", "core-3": "core-3"}
JUNK = st.one_of(
    *(st.none(), st.booleans(), st.integers(-5, 2**40), st.floats(), st.text(max_size=8)),
    st.sampled_from(["2025-03-15T14:32:01", "assembly", "memory", "sha256:" + "a" * 64, [], {}]),
)
ROW_KEYS = st.sampled_from(
    [
        *("filepath", "created_at", "updated_at", "quickrecal_score", "content_hash"),
        *("path", "type", "timestamp", "quickrecal", "deleted_at", "member_count", "pinned"),
    ]
)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@given(entity_id=st.text(min_size=1, max_size=40), kind=st.sampled_from(KINDS))
def test_names_lead_back(layout: Layout, entity_id: str, kind: Kind) -> None:
    if id_problem(entity_id, kind=kind, native=layout is NATIVE) is not None:
        return
    path = layout.path_for(EntityRef(kind, entity_id))
    assert layout.names(path, entity_id)
    assert not layout.names(path, entity_id + "x")
    if not is_leftover(path.rpartition("/")[2]):
        assert KIND[layout.place(path)] == kind


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_parts_are_parts_and_layouts_can_be_sent_to_workers(layout: Layout) -> None:
    for path in (layout.catalog_path, layout.faiss_path, *layout.mapping_paths):
        assert layout.place(path) is Place.PART
    for folder in (*layout.entity_folders, *layout.part_folders):
        assert not folder or layout.place(folder, is_dir=True) is Place.PART
    assert type(pickle.loads(pickle.dumps(layout))) is type(layout)  # noqa: S301 - our own


@pytest.mark.parametrize("layout", [NATIVE, CORE4, CORE3], ids=lambda layout: layout.name)
@given(raw=st.dictionaries(ROW_KEYS, JUNK, max_size=8))
def test_any_row_settles_at_once(layout: Layout, raw: dict[str, object]) -> None:
    doc = memory(NAMES[layout.name], "mem_000000000001", 3, unit_vectors(1, 4, 1)[0])
    ref = EntityRef("memory", "mem_000000000001")
    file = whole(layout, layout.path_for(ref), doc)
    settled = layout.row_for(file, Row("memory", ref.id, None, raw), ())
    read = relisted(layout, settled, ref)
    assert read.problems == ()
    assert layout.row_problems(read, file) == ()
    assert list(layout.row_for(file, read, ()).items()) == list(settled.items())
    assert [key for key in settled if key in raw] == [key for key in raw if key in settled]
    if "pinned" in raw:
        assert repr(settled["pinned"]) == repr(raw["pinned"])


@pytest.mark.parametrize("layout", [NATIVE, CORE4, CORE3], ids=lambda layout: layout.name)
@given(document=st.dictionaries(st.text(max_size=16) | ROW_KEYS, JUNK, max_size=8))
def test_no_document_makes_a_layout_raise(layout: Layout, document: dict[str, object]) -> None:
    for kind in KINDS:
        layout.read_record(kind, document)
        layout.members_embedded({**document, "memories": [document, "x", 3, None]})
    rows = {"mem_1": document, "asm:1": None}
    nested = {"memories": rows, "assemblies": rows, "metadata": document}
    catalog = layout.read_catalog(nested if layout is NATIVE else {"a": document, **rows})
    assert len(catalog.rows) in (3, 4)


ID_KEYS = st.sampled_from(["memory_id", "assembly_id", "id", "content", "memory_ids", "memories"])


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@given(document=st.dictionaries(ID_KEYS, JUNK, max_size=6))
def test_a_document_is_identified_as_it_is_read(
    layout: Layout, document: dict[str, object]
) -> None:
    for kind in KINDS:
        record = layout.read_record(kind, document)
        assert layout.identify(kind, document) == (record.id, record.missing)


@pytest.mark.parametrize("layout", [NATIVE, CORE4, CORE3], ids=lambda layout: layout.name)
def test_a_right_row_is_left_alone(layout: Layout) -> None:
    name = NAMES[layout.name]
    doc = memory(name, "mem_000000000002", 4, unit_vectors(1, 4, 1)[0])
    ref = EntityRef("memory", "mem_000000000002")
    file = whole(layout, layout.path_for(ref), doc)
    raw = row(name, doc, file.path, b"")
    if "content_hash" in raw:
        raw["content_hash"] = f"sha256:{file.sha256}"
    old = relisted(layout, {**raw, "pinned": True}, ref)
    assert layout.row_problems(old, file) == ()
    assert layout.row_for(file, old, ()) == {**raw, "pinned": True}


def test_only_core_2_is_positional() -> None:
    assert [layout.positional for layout in LAYOUTS] == [False, False, False, True]
    assert CORE2.mapping_paths[0] == "id_to_index_mapping.json"


ODD_NAMES = [
    "a.json",
    "x.json.json",
    ".json",
    "a.tmp-1.json",
    "A.JSON",
    "a.json.tmp",
    "._a.json",
    "a",
]


@pytest.mark.parametrize("odd", ODD_NAMES)
@pytest.mark.parametrize("at", range(3))
def test_names_are_plain_together_if_each_is(odd: str, at: int) -> None:
    names = ["b.json", "c.json"]
    names.insert(at, odd)
    assert are_plain_names(names) == is_plain_name(odd)


def test_plain_names_are_told() -> None:
    assert are_plain_names([])
    assert are_plain_names(["b.json", "c.json"])
