"""Laws of moving data: export → import → export is the same bytes, and one layout's other's."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthstore.diff import compare, store_side
from synthstore.layout.base import Layout
from synthstore.model.times import instant_us
from synthstore.progress import SilentProgress
from synthstore.transfer.records import record_of
from tests.layouts import CORE4, NATIVE
from tests.operate import codes, look
from tests.test_records import keys, native_assemblies, native_memories, values
from tests.transfers import FORMS, put_rows, take_in, write_out

REAL = {"core-3-drifted": "core-3", "core-4-sixty": "core-4", "core-3-string-members": "core-3"}


def finite(value: Any) -> bool:
    return not (isinstance(value, float) and value in (float("inf"), float("-inf")))


extras = st.dictionaries(keys, values.filter(finite), max_size=3)
documents = st.lists(
    st.one_of(
        st.tuples(st.just("memory"), native_memories, extras),
        st.tuples(st.just("assembly"), native_assemblies, extras),
    ),
    min_size=1,
    max_size=4,
)


def rows_from(drawn: list[tuple[Any, dict[str, Any], dict[str, Any]]]) -> list[dict[str, Any]]:
    """Native documents of any spelling as records, each with an id of its own."""
    rows = []
    for number, (kind, document, extra) in enumerate(drawn):
        whole = {**extra, **document, f"{kind}_id": f"{kind}{number}"}
        rows.append(record_of(NATIVE, kind, whole))
    return rows


@contextmanager
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp())
    try:
        yield path
    finally:
        shutil.rmtree(path)


def round_trip(store: Path, form: str, layout: str, where: Path) -> tuple[bytes, bytes]:
    """An export, and the export of what it was imported into."""
    first, second = where / f"first.{form}", where / f"second.{form}"
    # Hypothesis finds keys that speak for two layouts at once.
    write_out(store, first, layout=None if store.parent != where else layout)
    copy = where / f"copy-{form}-{layout}"
    assert take_in(copy, first, create=True, layout=layout).rejected == 0
    write_out(copy, second, layout=layout)
    return first.read_bytes(), second.read_bytes()


@pytest.mark.parametrize("form", ["jsonl", "json", "csv", "parquet"])
@pytest.mark.parametrize("layout", [NATIVE, CORE4], ids=lambda layout: layout.name)
@settings(max_examples=6, deadline=None)
@given(drawn=documents)
def test_out_and_in_and_out_is_the_same(layout: Layout, form: str, drawn: Any) -> None:
    with folder() as where:
        file = put_rows(where / "rows.jsonl", rows_from(drawn))
        take_in(where / "store", file, create=True, layout=layout.name)
        first, second = round_trip(where / "store", form, layout.name, where)
        assert first == second


@settings(max_examples=10, deadline=None)
@given(drawn=documents)
def test_there_and_back_again_is_equal(drawn: Any) -> None:
    with folder() as where:
        file = put_rows(where / "rows.jsonl", rows_from(drawn))
        take_in(where / "store", file, create=True)
        write_out(where / "store", where / "there.jsonl", layout="native")
        take_in(where / "core", where / "there.jsonl", create=True, layout="core-4")
        write_out(where / "core", where / "back.jsonl", layout="core-4")
        take_in(where / "again", where / "back.jsonl", create=True)
        write_out(where / "again", where / "again.jsonl", layout="native")
        first, second = (
            [json.loads(line) for line in (where / name).read_bytes().splitlines()]
            for name in ("there.jsonl", "again.jsonl")
        )
        # A Memory Core's documents have fields that the design's need not have.
        for old, new in zip(first, second, strict=True):
            assert timed({key: new[key] for key in old}) == timed(old)


def timed(row: dict[str, Any]) -> dict[str, Any]:
    """A record whose times are instants: one layout spells in seconds what another has as text."""
    return row | {key: instant_us(row[key]) for key in ("created_at", "updated_at") if key in row}


@pytest.mark.real_stores
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", REAL)
def test_the_real_stores_come_out_as_they_went_in(
    name: str, form: str, real_stores: Path, tmp_path: Path
) -> None:
    first, second = round_trip(real_stores / name, form, REAL[name], tmp_path)
    assert first == second


@pytest.mark.real_stores
@pytest.mark.parametrize("layout", ["native", "core-4"])
@pytest.mark.parametrize("name", REAL)
def test_the_real_stores_in_another_layout(
    name: str, layout: str, real_stores: Path, tmp_path: Path
) -> None:
    round_trip(real_stores / name, "jsonl", layout, tmp_path)
    copy = tmp_path / f"copy-jsonl-{layout}"
    first, second = round_trip(copy, "csv", layout, tmp_path)
    assert first == second
    sides = (store_side(root, SilentProgress()) for root in (real_stores / name, copy))
    differences = compare(*sides).differences
    # The newest of several times of a Memory Core's is in another field.
    assert {field for one in differences for field in one.fields} <= {"updated_at"}
    assert codes(look(copy)).keys() <= {"E004", "A021"}


@pytest.mark.real_stores
@pytest.mark.parametrize("name", REAL)
def test_a_real_store_takes_its_own_export(
    name: str, real_copy: Callable[[str], Path], tmp_path: Path
) -> None:
    store = real_copy(name)
    write_out(store, tmp_path / "rows.csv")
    report = take_in(store, tmp_path / "rows.csv", on_conflict="replace")
    assert (report.updated, report.rejected, report.inserted) == (0, 0, 0)
    assert report.run is None
