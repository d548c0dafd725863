"""Mapping files: read with every oddity named, and written as they were spelt."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from synthstore.files.jsonio import Parsed, parse
from synthstore.model.entries import Entries
from synthstore.model.facts import PartStatus
from synthstore.model.ids import numeric_id
from synthstore.store.mapping import mapping_content, read_mapping
from synthstore.store.vectors import read_index
from tests.faiss_reference import put, real_store

MAPPING = "vector_index/mapping.json"


def put_mapping(root: Path, raw: bytes) -> None:
    put(root, raw, MAPPING)


def test_a_mapping_is_read(tmp_path: Path) -> None:
    entries = {"b": 2, "a": 2**63 - 1, "asm:asm:c": 0}
    raw = json.dumps(entries).encode()
    put_mapping(tmp_path, raw)
    facts = read_mapping(tmp_path, MAPPING)
    assert (facts.status, facts.problem, facts.path) == (PartStatus.OK, None, MAPPING)
    assert facts.entries == entries
    assert list(facts.entries or ()) == ["b", "a", "asm:asm:c"]
    assert (facts.raw, facts.sha256) == (raw, hashlib.sha256(raw).hexdigest())
    assert (facts.duplicate_keys, facts.bad_entries) == ((), ())


def test_an_empty_mapping_is_sound(tmp_path: Path) -> None:
    put_mapping(tmp_path, b"{}")
    assert read_mapping(tmp_path, MAPPING).entries == {}


def test_keys_that_occur_twice_are_named(tmp_path: Path) -> None:
    put_mapping(tmp_path, b'{"a": 1, "b": 2, "a": 3, "c": 4, "c": 4}')
    facts = read_mapping(tmp_path, MAPPING)
    assert facts.duplicate_keys == ("a", "c")
    assert facts.entries == {"a": 3, "b": 2, "c": 4}


@pytest.mark.parametrize("value", ["-1", str(2**63), str(10**30), "1.0", "true", '"5"', "null"])
def test_a_value_that_no_id_can_be_is_named(value: str, tmp_path: Path) -> None:
    put_mapping(tmp_path, f'{{"good": 7, "bad": {value}}}'.encode())
    facts = read_mapping(tmp_path, MAPPING)
    assert (facts.status, facts.bad_entries) == (PartStatus.OK, ("bad",))
    assert facts.problem
    assert facts.entries == ({"good": 7, "bad": -1} if value == "-1" else {"good": 7})


UNREADABLE_MAPPINGS = {
    "empty": b"",
    "torn": b'{"a": 1, "b',
    "zeros": bytes(100),
    "list": b"[1, 2]",
    "number": b"7",
    "bytes": b"\xff\xfe\xfa",
    "texts": b'{"a": "x", "b": "y"}',
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("raw", UNREADABLE_MAPPINGS.values(), ids=UNREADABLE_MAPPINGS.keys())
def test_what_is_no_mapping_is_unreadable(raw: bytes, tmp_path: Path) -> None:
    put_mapping(tmp_path, raw)
    facts = read_mapping(tmp_path, MAPPING)
    assert (facts.status, facts.entries, facts.raw) == (PartStatus.UNREADABLE, None, raw)
    assert facts.problem
    assert facts.sha256 == hashlib.sha256(raw).hexdigest()


@pytest.mark.parametrize("raw", [b'\xef\xbb\xbf{"a": 1}', '{"a": 1}'.encode("utf-16")])
def test_other_encodings_are_understood(raw: bytes, tmp_path: Path) -> None:
    put_mapping(tmp_path, raw)
    assert read_mapping(tmp_path, MAPPING).entries == {"a": 1}


OLD = {"é": 1, "a": 2}
SPELLINGS = {
    "core": json.dumps(OLD).encode(),
    "escaped, indented": json.dumps(OLD, indent=4).encode(),
    "unescaped": json.dumps(OLD, ensure_ascii=False).encode(),
    "compact": json.dumps(OLD, ensure_ascii=False, separators=(",", ":")).encode(),
    "native": json.dumps(OLD, indent=2, ensure_ascii=False).encode(),
    "with a newline": json.dumps(OLD, indent=2, ensure_ascii=False).encode() + b"\n",
}


@pytest.mark.parametrize("like", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_a_mapping_keeps_its_spelling(like: bytes) -> None:
    assert mapping_content(OLD, like) == like
    longer = mapping_content({**OLD, "ü": 2**63 - 1}, like)
    assert json.loads(longer) == {**OLD, "ü": 2**63 - 1}
    assert mapping_content(OLD, longer) == like


@pytest.mark.parametrize("known", [OLD, Entries(OLD), {}, {**OLD, "a": 5}])
@pytest.mark.parametrize("like", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_what_is_known_of_a_mapping_only_proves_its_spelling(
    like: bytes, known: Mapping[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[bytes] = []

    def count(raw: bytes) -> Parsed:
        parsed.append(raw)
        return parse(raw)

    monkeypatch.setattr("synthstore.store.mapping.parse", count)
    found = mapping_content({"b": 1}, like, known=known)
    assert parsed == ([] if dict(known) == OLD else [like])
    assert found == mapping_content({"b": 1}, like)


@pytest.mark.parametrize("like", [None, b"", b'{"a": 1', b"[[["])
def test_without_a_spelling_to_keep_it_is_the_layouts_own(like: bytes | None) -> None:
    assert mapping_content({"a": 1, "b": 2}, like) == b'{"a": 1, "b": 2}'
    native = mapping_content({"a": 1}, like, default="native")
    assert native == b'{\n  "a": 1\n}'


@pytest.mark.parametrize("name", ["core-4-sixty", "core-3-string-members"])
def test_a_real_mapping_agrees_with_its_index(name: str) -> None:
    mapping = read_mapping(real_store(name), "faiss_index.bin.mapping.json")
    index = read_index(real_store(name), "faiss_index.bin", with_vectors=False)
    assert mapping.entries is not None
    assert index.ids is not None
    assert sorted(mapping.entries.values()) == sorted(index.ids.tolist())
    assert all(numeric_id(key) == value for key, value in mapping.entries.items())
    assert mapping_content(mapping.entries, mapping.raw) == mapping.raw


@pytest.mark.parametrize(
    ("name", "count"), [("faiss_index.bin.mapping.json", 56), ("id_to_index_mapping.json", 46)]
)
def test_a_real_mapping_without_an_index(name: str, count: int) -> None:
    mapping = read_mapping(real_store("core-3-drifted"), name)
    assert (mapping.status, mapping.problem) == (PartStatus.OK, None)
    assert mapping.entries is not None
    assert len(mapping.entries) == count
    assert mapping_content(mapping.entries, mapping.raw) == mapping.raw


def test_a_mapping_that_is_not_there_is_missing(tmp_path: Path) -> None:
    assert read_mapping(tmp_path, MAPPING).status is PartStatus.MISSING


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    put(tmp_path, b'{"a": 1}', "real.json")
    (tmp_path / "link.json").symlink_to("real.json")
    facts = read_mapping(tmp_path, "link.json")
    assert (facts.status, facts.sha256) == (PartStatus.UNREADABLE, None)
    assert "link" in (facts.problem or "")
