"""Layout native: where things are, what records and rows say, what is written back."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import pytest

from synthstore.layout.base import CatalogShapeError, Place
from synthstore.layout.native import major
from synthstore.model.catalog import Catalog, Row
from synthstore.model.ids import EntityRef
from tests.layouts import NATIVE, relisted, whole

MEMORY: Mapping[str, Any] = {
    "memory_id": "m1",
    "content": "note",
    "embedding": [1.0, 0.0],
    "created_at": "2025-03-15T14:32:01.123456",
    "updated_at": "2025-03-15T14:45:22.654321",
    "quickrecal_score": 0.85,
    "metadata": {"embedding_model": "mpnet", "model": "gpt"},
    "access_count": 0,
}
ASSEMBLY: Mapping[str, Any] = {
    "assembly_id": "a1",
    "name": "n",
    "memory_ids": ["m1", "m2"],
    "composite_embedding": None,
    "created_at": "2025-03-17T10:24:56.135790",
    "updated_at": "2025-03-18T15:30:42.864209",
    "merged_from": ["a0"],
}
M1 = EntityRef("memory", "m1")
A1 = EntityRef("assembly", "a1")


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("memories/x.json", Place.MEMORY),
        ("memories/asm:x.json", Place.MEMORY),
        ("memories/.x.json", Place.MEMORY),
        ("memories/x.tmp.json", Place.MEMORY),
        ("assemblies/x.json", Place.ASSEMBLY),
        ("memories/x.bak", Place.FOREIGN),
        ("memories/x.JSON", Place.FOREIGN),
        ("memories/._x.json", Place.FOREIGN),
        ("memories/old/x.json", Place.FOREIGN),
        ("assemblies/README", Place.FOREIGN),
        ("memories/x.0123abcd.tmp", Place.LEFTOVER),
        ("memories/x.0123abcd.tmp.json", Place.LEFTOVER),
        ("memories/x.json.tmp", Place.LEFTOVER),
        ("memories/.tmp-x", Place.LEFTOVER),
        ("memories/x.json.tmp-1f", Place.LEFTOVER),
        ("memory_index.tmp", Place.LEFTOVER),
        ("vector_index/.tmp-0a", Place.LEFTOVER),
        ("memory_index.json", Place.PART),
        ("vector_index/mapping.json", Place.PART),
        ("backups/index/memory_index.1.json", Place.SIDE),
        (".synthstore/lock", Place.SIDE),
        ("index_backup_17/faiss_index.bin", Place.SIDE),
        ("notes.txt", Place.ELSEWHERE),
        ("mem_000000000001.json", Place.ELSEWHERE),
        ("vector_index/notes", Place.ELSEWHERE),
    ],
)
def test_place_of_a_file(path: str, place: Place) -> None:
    assert NATIVE.place(path) is place


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("memories", Place.PART),
        ("memories/x.json", Place.MEMORY),
        ("memories/old", Place.FOREIGN),
        ("memories/x.0123abcd.tmp", Place.FOREIGN),
        ("logs", Place.SIDE),
        ("data", Place.ELSEWHERE),
    ],
)
def test_place_of_a_folder(path: str, place: Place) -> None:
    assert NATIVE.place(path, is_dir=True) is place


def test_memory_record() -> None:
    record = NATIVE.read_record("memory", MEMORY)
    assert (record.id, record.score, record.model) == ("m1", 0.85, "mpnet")
    assert record.created_at == MEMORY["created_at"]
    assert record.updated_us == 1_742_049_922_654_321
    assert record.content_sha256 == hashlib.sha256(b"note").hexdigest()
    assert (record.missing, record.out_of_range) == ((), ())
    assert NATIVE.id_key("memory") == "memory_id"


def test_assembly_record() -> None:
    record = NATIVE.read_record("assembly", ASSEMBLY)
    assert (record.id, record.members, record.merged_from) == ("a1", ("m1", "m2"), ("a0",))
    assert (record.embedded, record.string_members, record.content_sha256) == ((), False, None)
    assert NATIVE.members_embedded(ASSEMBLY) == ()


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"memory_id": None}, ("memory_id",)),
        ({"memory_id": 7}, ("memory_id",)),
        ({"content": ["note"]}, ("content",)),
        ({"content": ""}, ()),
        ({"embedding": "x", "metadata": 3}, ()),
    ],
)
def test_required_fields(change: dict[str, object], missing: tuple[str, ...]) -> None:
    assert NATIVE.read_record("memory", {**MEMORY, **change}).missing == missing


def test_an_assembly_needs_a_list_of_members() -> None:
    bare = {"assembly_id": "a1", "memory_ids": "m1"}
    assert NATIVE.read_record("assembly", bare).missing == ("memory_ids",)
    odd = NATIVE.read_record("assembly", {**ASSEMBLY, "memory_ids": ["m1", 2]})
    assert (odd.missing, odd.members) == ((), ("m1",))
    assert odd.out_of_range == ("memory_ids is no list of strings",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"quickrecal_score": 1.01}, "quickrecal_score is not within 0 and 1"),
        ({"quickrecal_score": -0.01}, "quickrecal_score is not within 0 and 1"),
        ({"quickrecal_score": math.nan}, "quickrecal_score is no number"),
        ({"quickrecal_score": True}, "quickrecal_score is no number"),
        ({"quickrecal_score": "0.5"}, "quickrecal_score is no number"),
        ({"created_at": "yesterday"}, "created_at is no readable time"),
        ({"updated_at": True}, "updated_at is no readable time"),
        ({"updated_at": [2025]}, "updated_at is no readable time"),
        ({"updated_at": "2025-03-15T14:32:01"}, "updated_at is before created_at"),
    ],
)
def test_out_of_range(change: dict[str, object], said: str) -> None:
    assert NATIVE.read_record("memory", {**MEMORY, **change}).out_of_range == (said,)


@pytest.mark.parametrize("change", [{"quickrecal_score": None}, {"created_at": None}])
def test_null_is_not_out_of_range(change: dict[str, object]) -> None:
    assert NATIVE.read_record("memory", {**MEMORY, **change}).out_of_range == ()


def catalog(**metadata: object) -> dict[str, Any]:
    """A right catalog of one memory and one assembly."""
    m1 = NATIVE.row_for(whole(NATIVE, "memories/m1.json", MEMORY), None, ())
    a1 = NATIVE.row_for(whole(NATIVE, "assemblies/a1.json", ASSEMBLY), None, ())
    counts = {"memory_count": 1, "assembly_count": 1}
    return {
        "memories": {"m1": m1},
        "assemblies": {"a1": a1},
        "metadata": {"version": "2.3.0", "last_updated": "x", **counts, **metadata},
    }


def test_a_right_catalog() -> None:
    found = NATIVE.read_catalog(catalog())
    assert [row.ref for row in found.rows] == [M1, A1]
    assert [row.problems for row in found.rows] == [(), ()]
    assert (found.version, found.count_problems) == ("2.3.0", ())
    assert found.rows[1].member_count == 2


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        ({"filepath": None}, ("filepath is missing",)),
        ({"filepath": 3}, ("filepath is mistyped",)),
        ({"created_at": []}, ("created_at is mistyped",)),
        ({"updated_at": True}, ("updated_at is mistyped",)),
        ({"quickrecal_score": "high"}, ("quickrecal_score is mistyped",)),
        ({"quickrecal_score": math.nan}, ("quickrecal_score is mistyped",)),
        ({"member_count": 2.5}, ("member_count is mistyped",)),
        ({"member_count": -1}, ("member_count is mistyped",)),
        ({"content_hash": "sha256:a1b2c3"}, ("content_hash is mistyped",)),
        ({"created_at": 1742049121.5, "quickrecal_score": 1}, ()),
    ],
)
def test_malformed_rows(change: dict[str, object], problems: tuple[str, ...]) -> None:
    document = catalog()
    document["memories"]["m1"].update(change)
    assert NATIVE.read_catalog(document).rows[0].problems == problems


@pytest.mark.parametrize("value", [None, 3, "x", []])
def test_a_row_that_is_no_object(value: object) -> None:
    row = NATIVE.read_catalog({"memories": {"m1": value}}).rows[0]
    assert (row.path, row.raw, row.problems) == (None, {}, ("is no object",))


@pytest.mark.parametrize("value", [None, [], "x", 3])
def test_without_memories_it_is_no_catalog(value: object) -> None:
    with pytest.raises(CatalogShapeError):
        NATIVE.read_catalog({"memories": value, "assemblies": {}, "metadata": {}})


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"memory_count": 2}, "memory_count says 2, 1 are listed"),
        ({"assembly_count": "1"}, "assembly_count is mistyped, 1 are listed"),
        ({"memory_count": None}, "memory_count is missing, 1 are listed"),
        ({"memory_count": True}, "memory_count is mistyped, 1 are listed"),
    ],
)
def test_counts(metadata: dict[str, object], said: str) -> None:
    found = NATIVE.read_catalog(catalog(**metadata))
    assert found.count_problems == (said,)
    written = NATIVE.write_catalog(found, {row.ref: row.raw for row in found.rows})
    assert NATIVE.read_catalog(written).count_problems == ()


def test_sections_that_are_missing_or_odd() -> None:
    bare = {"memories": catalog()["memories"]}
    found = NATIVE.read_catalog(bare)
    assert (found.version, found.count_problems) == (None, ("metadata is missing",))
    written = NATIVE.write_catalog(found, {row.ref: row.raw for row in found.rows})
    assert list(written) == ["memories", "metadata"]
    odd = NATIVE.read_catalog({**catalog(assembly_count=0), "assemblies": []})
    assert odd.count_problems == ("assemblies is no object",)
    assert NATIVE.write_catalog(odd, {})["assemblies"] == {}


def test_a_new_row_in_the_order_of_the_design() -> None:
    file = whole(NATIVE, "memories/m1.json", MEMORY)
    assert list(NATIVE.row_for(file, None, ()).items()) == [
        ("filepath", "memories/m1.json"),
        ("created_at", MEMORY["created_at"]),
        ("updated_at", MEMORY["updated_at"]),
        ("quickrecal_score", 0.85),
        ("content_hash", f"sha256:{file.sha256}"),
    ]
    assembly = NATIVE.row_for(whole(NATIVE, "assemblies/a1.json", ASSEMBLY), None, ())
    assert list(assembly)[3:] == ["member_count", "content_hash"]


def edited(**changes: object) -> Row:
    """The right row of memory m1 with some keys changed, and one more."""
    file = whole(NATIVE, "memories/m1.json", MEMORY)
    row = {"pin": 1, **NATIVE.row_for(file, None, ()), **changes}
    return relisted(NATIVE, row, M1)


@pytest.mark.parametrize(
    ("key", "value", "problems"),
    [
        ("filepath", "memories/m2.json", ("filepath",)),
        ("filepath", "./memories//m1.json", ()),
        ("created_at", "2025-03-15T14:32:01.123457", ("created_at",)),
        ("created_at", "2025-03-15T15:32:01.123456+01:00", ()),
        ("created_at", 1742049121.123456, ()),
        ("updated_at", None, ("updated_at",)),
        ("quickrecal_score", 0.8, ("quickrecal_score",)),
        ("quickrecal_score", 0.8500000000000001, ()),
        ("content_hash", "sha256:" + "0" * 64, ()),
    ],
)
def test_row_against_file(key: str, value: object, problems: tuple[str, ...]) -> None:
    file = whole(NATIVE, "memories/m1.json", MEMORY)
    row = edited(**{key: value})
    assert NATIVE.row_problems(row, file) == problems
    fresh = NATIVE.row_for(file, row, ())
    assert list(fresh) == list(row.raw)
    right = NATIVE.row_for(file, None, ())
    if problems:
        assert fresh == {"pin": 1, **right}
    elif key != "content_hash":
        assert fresh == row.raw


def test_hashes_of_the_content_are_left_but_wrong_ones_are_not() -> None:
    file = whole(NATIVE, "memories/m1.json", MEMORY)
    legacy = "SHA256:" + hashlib.sha256(b"note").hexdigest().upper()
    assert NATIVE.row_for(file, edited(content_hash=legacy), ())["content_hash"] == legacy
    wrong = NATIVE.row_for(file, edited(content_hash="sha256:" + "0" * 64), ())
    assert wrong["content_hash"] == f"sha256:{file.sha256}"


def test_a_missing_hash_is_malformed_and_comes_back() -> None:
    file = whole(NATIVE, "memories/m1.json", MEMORY)
    without = {k: v for k, v in edited().raw.items() if k != "content_hash"}
    row = relisted(NATIVE, without, M1)
    assert row.problems == ("content_hash is missing",)
    assert NATIVE.row_for(file, row, ())["content_hash"] == f"sha256:{file.sha256}"
    stale = relisted(NATIVE, {**without, "quickrecal_score": 0.1}, M1)
    assert NATIVE.row_for(file, stale, ())["content_hash"] == f"sha256:{file.sha256}"


def test_what_the_file_does_not_say_contradicts_nothing() -> None:
    silent = {k: v for k, v in MEMORY.items() if k not in ("created_at", "quickrecal_score")}
    file = whole(NATIVE, "memories/m1.json", silent)
    assert NATIVE.row_problems(edited(), file) == ()
    odd = whole(NATIVE, "memories/m1.json", {**MEMORY, "quickrecal_score": "high"})
    assert NATIVE.row_problems(edited(), odd) == ()
    unreadable = whole(NATIVE, "memories/m1.json", {**MEMORY, "created_at": "long ago"})
    assert NATIVE.row_problems(edited(), unreadable) == ("created_at",)
    assert NATIVE.row_problems(edited(created_at="long ago"), unreadable) == ()


def test_writing_keeps_all_that_is_not_a_row() -> None:
    document = {"generator": "x", **catalog(extra=[1]), "tail": None}
    found = NATIVE.read_catalog(document)
    rows = {row.ref: row.raw for row in found.rows}
    assert NATIVE.write_catalog(found, rows) == document
    assert list(NATIVE.write_catalog(found, rows)) == list(document)
    fewer: Any = NATIVE.write_catalog(found, {A1: rows[A1]})
    assert fewer["metadata"] == {**document["metadata"], "memory_count": 0}
    assert list(fewer["metadata"]) == list(document["metadata"])


def test_a_catalog_from_nothing_asks_no_clock() -> None:
    rows = {row.ref: row.raw for row in NATIVE.read_catalog(catalog()).rows}
    assert NATIVE.write_catalog(None, rows)["metadata"] == {
        "version": "2.3.0",
        "last_updated": ASSEMBLY["updated_at"],
        "memory_count": 1,
        "assembly_count": 1,
    }
    assert NATIVE.write_catalog(None, {}) == {
        "memories": {},
        "assemblies": {},
        "metadata": {"version": "2.3.0", "memory_count": 0, "assembly_count": 0},
    }


def test_rows_stand_in_the_callers_order() -> None:
    rows = {EntityRef("memory", name): {"filepath": name} for name in ("c", "a", "b")}
    document: Any = NATIVE.write_catalog(Catalog((), catalog()), rows)
    assert list(document["memories"]) == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("version", "number"),
    [("2.3.0", 2), ("3", 3), (" v10.1", 10), ("", None), ("beta", None), ("9" * 5000, 999999999)],
)
def test_major(version: str, number: int | None) -> None:
    assert major(version) == number
