"""The rows of an export are the same by whichever way they go out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from synthstore.files import passing, walk
from synthstore.files.passing import Filled
from synthstore.files.sharing import Address
from synthstore.layout.native import Native
from synthstore.layout.native_columns import NativeRows
from synthstore.model.ids import Kind
from synthstore.scan import pool
from synthstore.store import catalog
from synthstore.testing import stores
from synthstore.testing.spelling import Name
from synthstore.transfer import exporting, reading, records
from synthstore.transfer.exporting import ExportOptions, export
from synthstore.transfer.formats.jsonl import line_of
from synthstore.transfer.reading import FileName, Portion, Task, read_portion
from synthstore.transfer.selection import Selection
from tests.test_buffers import HOSTILE
from tests.transfers import FORMS, make_sample, rows_of

ODD = (
    "0", "-0", "0.0", "-0.0", "1", "1.0", "1e0", "1E+2", "100.0", "0.10", "1e-7", "1e-400", "1e400",
    "4.9406564584124654e-324", "2.2250738585072011e-308", "1.7976931348623157e308", "1e16", "1e15",
    "0.1000000000000000055511151231257827", "9007199254740993", "9007199254740993.0",
    "18446744073709551615", "18446744073709551616", "3.0000000000000004", "null", "true", '"1"',
    "[1.5]", "[]", "1.", "01", ".5", "NaN", " 1.5 ", "1.5\n",
)  # fmt: skip

number_texts = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(-1, 1, width=32).map(repr),
    st.floats(-1, 1).map(lambda number: f"{number:.20e}"),
    st.integers(-(2**65), 2**65).map(str),
    st.sampled_from(ODD),
)


def portion_of(root: Path, raw: bytes, form: str, *, arrays: bool) -> Portion:
    """What becomes of a memory's file: the expression asks for each number, and is true of all."""
    (root / "memories").mkdir(exist_ok=True)
    (root / "memories" / "m.json").write_bytes(raw)
    task = Task(str(root), Native(), Selection(where=None if arrays else "record"), form)
    assert task.arrays == (arrays and form in ("jsonl", "json"))
    return read_portion(task, [FileName("memories/m.json", "memory")], None, None)


def told(portion: Portion) -> object:
    held = None if portion.piece is None else portion.piece.held
    return held, portion.counts, portion.known, portion.problems


def same(root: Path, raw: bytes) -> Portion:
    for form in ("jsonl", "json"):
        quick, slow = (portion_of(root, raw, form, arrays=arrays) for arrays in (True, False))
        assert told(quick) == told(slow)
    return quick


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rows")


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=300)
@given(st.lists(number_texts, max_size=5), st.sampled_from([",", ", ", ",\n    "]), st.text())
@example(["0.5", "2"], ",", "[1.5]")
@example(["0.5"], ",", '"embedding": [')
def test_any_numbers_are_spelt_alike(
    root: Path, numbers: list[str], comma: str, content: str
) -> None:
    text = '{"memory_id": "m", "content": %s, "embedding": [%s], "n": 1}'
    raw = text % (json.dumps(content), comma.join(numbers))
    same(root, raw.encode())


@pytest.mark.parametrize("number", ODD)
def test_odd_numbers_are_spelt_alike(root: Path, number: str) -> None:
    text = '{"memory_id": "m", "content": "x", "embedding": [0.25, %s]}'
    same(root, (text % number).encode())


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_files_are_told_alike(root: Path, hostile: bytes) -> None:
    same(root, hostile)
    same(root, hostile.replace(b"{", b'{"memory_id": "m", "content": "x", ', 1))


def test_texts_that_one_writer_refuses(root: Path) -> None:
    raw = rb'{"memory_id": "m", "content": "\ud800", "embedding": [0.1, -2.5e-9]}'
    piece = same(root, raw).piece
    assert piece is not None
    assert piece.held is not None
    assert rb"\ud800" in piece.held


def test_the_usual_file_is_read_as_an_array(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def record_of(layout: Native, kind: Kind, document: dict[str, object]) -> object:
        seen.append(document["embedding"])
        return records.record_of(layout, kind, document)

    monkeypatch.setattr(reading, "record_of", record_of)
    pytest.importorskip("simdjson")
    portion_of(root, b'{"memory_id": "m", "content": "", "embedding": [0.5]}', "jsonl", arrays=True)
    assert isinstance(seen[0], np.ndarray)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_an_array_is_spelt_as_its_list(numbers: list[float]) -> None:
    array = np.array(numbers, dtype=np.float64)
    assert line_of({"embedding": array}) == line_of({"embedding": numbers})
    assert line_of({"e": array, "n": 2**70}) == line_of({"e": numbers, "n": 2**70})


# Through worker processes


def written(store: Path, file: Path, jobs: int) -> bytes:
    report = asyncio.run(export(store, file, ExportOptions(jobs=jobs)))
    assert report.exit_code == 0
    return file.read_bytes()


@pytest.mark.parametrize("reached", [True, False], ids=["trays", "held"])
@pytest.mark.parametrize("form", FORMS)
def test_processes_write_the_same_bytes(
    form: str, reached: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "SHARD", 7)
    store = make_sample(tmp_path / "store", n=60)
    alone = written(store, tmp_path / f"alone.{form}", jobs=1)
    monkeypatch.setattr(pool, "PROCESSES_PAY_FROM", 1)
    monkeypatch.setattr(passing, "lay_out", passing.lay_out if reached else lambda: None)
    assert written(store, tmp_path / f"together.{form}", jobs=2) == alone


@pytest.mark.parametrize("large", [True, False])
def test_workers_of_a_large_store_begin_before_its_files_are_known(
    large: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_sample(tmp_path / "store", n=60)
    alone = written(store, tmp_path / "alone.jsonl", jobs=1)
    steps: list[str] = []

    def noting(module: ModuleType, name: str) -> None:
        step = getattr(module, name)

        def noted(*args: Any) -> object:
            steps.append(name)
            return step(*args)

        monkeypatch.setattr(module, name, noted)

    noting(exporting, "recognise")
    noting(exporting, "locate")
    noting(pool, "processes")
    monkeypatch.setattr(pool, "PROCESSES_PAY_FROM", 1)
    monkeypatch.setattr(exporting, "looks_large", lambda _: large)
    assert written(store, tmp_path / "together.jsonl", jobs=2) == alone
    assert steps == ["recognise", *(["processes", "locate"] if large else ["locate", "processes"])]


def test_rows_go_by_tray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled: list[Filled] = []

    def fill(address: Address | None, parts: list[bytes]) -> Filled:
        filled.append(passing.fill(address, parts))
        return filled[-1]

    monkeypatch.setattr(reading, "fill", fill)
    assert rows_of(make_sample(tmp_path / "store"))
    assert {one.held for one in filled} == {None}
    assert filled[0].size > 0


# Files that are not read


def doomed(built: stores.Built) -> str:
    memory = built.memories[0]
    built.edit_rows(lambda rows: rows[memory].update(deleted_at="2025-03-15T15:00:00"))
    return memory


def as_it_is(raw: bytes) -> bytes:
    return raw


def escaped(raw: bytes) -> bytes:
    return raw.replace(b"deleted_at", rb"deleted\u005fat")


def in_utf_16(raw: bytes) -> bytes:
    return raw.decode().encode("utf-16")


@pytest.mark.parametrize("layout", ["native", "core-4", "core-3"])
@pytest.mark.parametrize("spelt", [as_it_is, escaped, in_utf_16])
@pytest.mark.parametrize("longest", [0, 1 << 20])
def test_the_deleted_stay_here(
    layout: Name,
    spelt: Callable[[bytes], bytes],
    longest: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalog, "_LONG", longest)
    built = stores.build(layout, tmp_path / "store")
    memory = doomed(built)
    built.catalog.write_bytes(spelt(built.catalog.read_bytes()))
    assert {row["id"] for row in rows_of(built.root, layout=layout)} == set(built.docs) - {memory}


def test_no_row_of_a_long_catalog_is_made_to_find_the_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = stores.build("native", tmp_path / "store")
    memory = doomed(built)
    monkeypatch.setattr(catalog, "_LONG", 0)
    monkeypatch.delattr(Native, "read_catalog")
    monkeypatch.delattr(NativeRows, "_row")
    assert {row["id"] for row in rows_of(built.root)} == set(built.docs) - {memory}


@pytest.mark.parametrize("layout", ["native", "core-4", "core-3", "lucidia-1"])
def test_a_store_is_read_once_to_find_its_files(
    layout: Name, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = stores.build(layout, tmp_path / "store")
    doomed(built)
    listed: list[str] = []
    loaded: list[str] = []

    def scanned(root: Path, folder: str, take: Any) -> Any:
        listed.append(folder)
        return scan(root, folder, take)

    def read_file(root: Path, path: str) -> Any:
        loaded.append(path)
        return read(root, path)

    scan, read = walk._scanned, walk.read_file
    monkeypatch.setattr(walk, "_scanned", scanned)
    monkeypatch.setattr(catalog, "read_file", read_file)
    assert len(rows_of(built.root)) == len(built.docs) - 1
    folders = [folder for folder in listed if not folder.startswith(".synthstore")]
    assert sorted(folders) == sorted(set(folders))
    assert loaded == [built.catalog.name]
