"""Long mapping files are spelt bit by bit, and are what the whole would be."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synthstore.model.entries import Entries
from synthstore.store import mapping, mapping_file
from synthstore.store.mapping import mapping_content, read_mapping
from synthstore.store.mapping_file import MappingContent

NAMES = st.text(st.characters(codec="utf-8"), max_size=5)
ENTRIES = st.dictionaries(NAMES, st.integers(0, 2**63 - 1), min_size=3, max_size=12)
SPELLINGS: dict[str, Callable[[Any], bytes]] = {
    "core": lambda value: json.dumps(value).encode(),
    "indented": lambda value: json.dumps(value, indent=4).encode(),
    "tabs": lambda value: json.dumps(value, indent="\t").encode(),
    "unescaped": lambda value: json.dumps(value, ensure_ascii=False).encode(),
    "compact": orjson.dumps,
    "native": lambda value: orjson.dumps(value, option=orjson.OPT_INDENT_2),
    "newline": lambda value: orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n",
    "none of these": lambda value: json.dumps(value).encode() + b"  ",
}


@pytest.fixture(autouse=True)
def three_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (mapping, mapping_file):
        monkeypatch.setattr(module, "MANY", 3)
    monkeypatch.setattr(mapping_file, "_AT_ONCE", 2)


def written(content: bytes | MappingContent) -> bytes:
    if isinstance(content, bytes):
        return content
    out = BytesIO()
    content(out)
    assert len(out.getvalue()) == content.size
    return out.getvalue()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("spelling", SPELLINGS)
@given(old=ENTRIES, new=ENTRIES | st.just({}))
def test_it_is_spelt_as_the_file_that_stands(
    spelling: str, old: dict[str, int], new: dict[str, int], tmp_path: Path
) -> None:
    raw = SPELLINGS[spelling](old)
    (tmp_path / "mapping.json").write_bytes(raw)
    facts = read_mapping(tmp_path, "mapping.json")
    assert facts.raw is None
    for entries in (new, Entries(new)):
        found = mapping_file.mapping_file(entries, facts, default="native")
        assert written(found) == mapping_content(new, raw, default="native")


@pytest.mark.parametrize("default", ["native", "core"])
def test_without_a_file_it_is_the_layouts_own(default: mapping.MappingStyle) -> None:
    entries = {"é": 1, "b": 2, "c": 3, "d": 4}
    found = mapping_file.mapping_file(entries, None, default=default)
    assert isinstance(found, MappingContent)
    assert written(found) == mapping_content(entries, None, default=default)


def test_a_name_that_is_no_text_is_escaped_in_the_whole_file() -> None:
    entries = {"é": 1, "b": 2, "c": 3, "\ud800": 4}
    found = mapping_file.mapping_file(entries, None, default="native")
    assert found == mapping_content(entries, None, default="native")


def test_what_it_is_to_say_is_not_what_proves_its_spelling(tmp_path: Path) -> None:
    (tmp_path / "mapping.json").write_bytes(b'{"a":1,"b":2,"c":3}')
    facts = replace(read_mapping(tmp_path, "mapping.json"), entries={"b": 2})
    found = mapping_file.mapping_file({"b": 2, "d": 4}, facts, default="native")
    assert written(found) == b'{"b":2,"d":4}'


@pytest.mark.parametrize(
    "raw", [b'{"a": 1, "b": 2, "c": 3, "d": -1}', b'{"a": 1, "b": 2, "c": 3, "a": 4}']
)
def test_what_is_not_all_known_keeps_its_bytes(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "mapping.json").write_bytes(raw)
    facts = read_mapping(tmp_path, "mapping.json")
    assert (facts.raw, facts.looks) == (raw, None)
    found = mapping_file.mapping_file({"a": 1, "b": 2, "c": 3}, facts, default="native")
    assert written(found) == mapping_content({"a": 1, "b": 2, "c": 3}, raw, default="native")
