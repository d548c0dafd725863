"""Formats: what goes in comes out, whatever it is; what is cut or hostile is told."""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from synthstore.errors import UsageError
from synthstore.transfer.formats import FORMATS, format_of, told_by
from synthstore.transfer.formats.base import CUT, Row, Shape, Unread
from synthstore.transfer.formats.packing import Stream, packed
from tests.test_records import values
from tests.transfers import read_back, written

TABULAR = ("csv", "parquet")
RUN = ("=1+1", "+1", "-1", "@sum", "\tx", "\rx", "'quoted", "'=1", "''")
ODD = ("", " ", "\0", "a,b", 'say "so"', "two\nlines", "\r\n", "\ud800", "\ufeffx", "é\u202e", *RUN)
KEYS = (
    "kind", "layout", "id", "content", "name", "embedding", "composite_embedding", "metadata",
    "created_at", "quickrecal_score", "access_count", "memory_ids", "tags", "other", "order",
    "record", "members", "mood",
)  # fmt: skip
anything = st.one_of(values, st.sampled_from(ODD), st.lists(st.floats(-1, 1), max_size=4))
records = st.lists(
    st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=3)), anything, max_size=8),
    max_size=4,
).filter(lambda rows: "Infinity" not in json.dumps(rows))


def back(form: str, raw: bytes) -> list[Any]:
    """The records of a file in which nothing is wrong."""
    found = read_back(form, raw)
    assert all(isinstance(one, Row) for one in found), found
    rows = [one.value for one in found if isinstance(one, Row)]
    return [json.loads(value) if isinstance(value, bytes) else value for value in rows]


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=60, deadline=None)
@given(rows=records, dim=st.integers(0, 4), singles=st.booleans())
def test_any_record_comes_back_as_it_was(
    form: str, rows: list[dict[str, Any]], dim: int, singles: bool
) -> None:
    rows = [row | {"record": 1} for row in rows]
    raw = written(form, rows, Shape((dim, 0), singles))
    assert list(map(json.dumps, back(form, raw))) == list(map(json.dumps, rows))
    assert written(form, rows, Shape((dim, 0), singles)) == raw


@pytest.mark.parametrize("text", ODD)
@pytest.mark.parametrize("form", FORMATS)
def test_odd_texts(form: str, text: str) -> None:
    row = {"kind": "memory", "id": "a", "content": text, "tags": [text], "mood": text, "record": 1}
    assert back(form, written(form, [row])) == [row]


@pytest.mark.parametrize("text", RUN)
def test_no_cell_is_one_that_a_spreadsheet_runs(text: str) -> None:
    raw = written("csv", [{"id": text, "content": text, "quickrecal_score": -0.5, "record": 1}])
    cells = [cell for line in csv.reader(io.StringIO(raw.decode(), newline="")) for cell in line]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_parquet_has_lists_of_one_size() -> None:
    import pyarrow.parquet as pq  # noqa: PLC0415

    rows = [{"id": "a", "embedding": [0.5, 0.25]}, {"id": "b", "embedding": [0.5, 0.1]}]
    for singles, kind in ((True, "float"), (False, "double")):
        raw = written("parquet", rows, Shape((2, 0), singles))
        found = pq.ParquetFile(io.BytesIO(raw)).schema_arrow.field("embedding").type
        assert (str(found.value_type), found.list_size) == (kind, 2)
        assert back("parquet", raw) == rows


def sample(form: str) -> bytes:
    rows = [{"record": 1, "kind": "memory", "id": f"m{n}", "content": "x\ny" * n} for n in range(4)]
    return written(form, rows)


@pytest.mark.parametrize("form", ["jsonl", "json", "csv"])
def test_a_cut_file_gives_what_is_whole_and_says_so(form: str) -> None:
    raw = sample(form)
    whole = back(form, raw)
    for end in range(1, len(raw)):
        found = read_back(form, raw[:end])
        rows = [one.value for one in found if isinstance(one, Row)]
        parsed = [json.loads(row) if isinstance(row, bytes) else row for row in rows]
        assert parsed == whole[: len(rows)]
        torn = [one for one in found if isinstance(one, Unread)]
        assert [one.cut for one in torn] in ([], [True])
        # Between two lines nothing shows that there were more of them.
        assert torn or (form != "json" and between(form, raw, end)) or parsed == whole


def between(form: str, raw: bytes, end: int) -> bool:
    if form == "jsonl":
        return b"\n" in raw[end - 1 : end + 1]
    heading = raw.index(b"\n")
    return end <= heading + 1 or raw[end - 3 : end].strip().endswith(b"1")


def test_a_row_cut_in_any_cell_is_seen() -> None:
    raw = sample("csv")
    last = raw.rindex(b"memory")
    for end in range(last + 1, len(raw) - 3):
        found = read_back("csv", raw[:end])
        assert isinstance(found[-1], Unread), raw[last:end]
        assert (found[-1].cut, found[-1].reason) == (True, CUT)


@pytest.mark.parametrize(
    ("raw", "reason", "cut"),
    [
        (b'"id"x,kind\na,memory\n', "the heading is no CSV", False),
        (b'id,"kind\n', CUT, True),
        (b'"', CUT, True),
        (b"\n\n\x00", "the heading is empty", False),
    ],
)
def test_a_heading_that_is_none(raw: bytes, reason: str, cut: bool) -> None:
    (found,) = read_back("csv", raw)
    assert isinstance(found, Unread)
    assert found.reason.startswith(reason)
    assert found.cut is cut


def test_parquet_with_text_that_is_no_utf_8() -> None:
    raw = written("parquet", [{"id": "a", "kind": "memory", "content": "plain words"}])
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    table = pq.read_table(io.BytesIO(raw))
    place = table.schema.get_field_index("content")
    torn = pa.array([b"\x80\x80"]).view(pa.string())
    out = io.BytesIO()
    pq.write_table(table.set_column(place, "content", torn), out)
    (found,) = read_back("parquet", out.getvalue())
    assert isinstance(found, Unread)
    assert found.cut


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("form", ["jsonl", "json", "csv"])
def test_a_cut_compressed_file(form: str, suffix: str) -> None:
    out = io.BytesIO()
    with packed(out, suffix) as inner:
        inner.write(sample(form))
    raw = out.getvalue()
    assert len(back(form, raw)) == 4
    for end in range(20, len(raw)):
        found = read_back(form, raw[:end])
        assert isinstance(found[-1], Unread)
        assert found[-1].cut
        assert len(found) <= 5


@pytest.mark.parametrize("form", ["jsonl", "json", "csv"])
def test_a_damaged_compressed_file(form: str) -> None:
    raw = bytearray(gzip.compress(sample(form) * 1))
    raw[len(raw) // 2] ^= 0xFF
    found = read_back(form, bytes(raw))
    assert isinstance(found[-1], Unread)


def test_compressed_files_one_behind_the_other() -> None:
    raw = sample("jsonl")
    assert len(back("jsonl", gzip.compress(raw) + gzip.compress(raw))) == 8
    frames = zstandard.ZstdCompressor().compress(raw)
    assert len(back("jsonl", frames + frames)) == 8


def test_a_cut_parquet_file() -> None:
    raw = sample("parquet")
    (found,) = read_back("parquet", raw[:-20])
    assert isinstance(found, Unread)
    assert found.cut


def test_parquet_from_a_pipe_is_refused() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    with pytest.raises(UsageError, match="pipe"):
        list(FORMATS["parquet"].read(Stream(Pipe(sample("parquet")))))


@pytest.mark.parametrize(
    ("raw", "numbers"),
    [
        (b'[\n\n  {"a": "]"},\n {"b": [1, {}]}\n]\n', [3, 4]),
        (b'\xef\xbb\xbf  [{"a": "\\"]"},{"b":1}]', [1, 1]),
        (b"[]", []),
        (b"", []),
        (b'[ {"a": ",{"} ]  \n', [1]),
    ],
)
def test_arrays_as_others_write_them(raw: bytes, numbers: list[int]) -> None:
    found = read_back("json", raw)
    assert [one.number for one in found] == numbers
    assert all(isinstance(one, Row) for one in found)


@pytest.mark.parametrize("raw", [b'{"a": 1}', b"[1] x", b"[1, 2"])
def test_what_is_no_array(raw: bytes) -> None:
    assert isinstance(read_back("json", raw)[-1], Unread)


def test_a_table_as_others_write_it() -> None:
    raw = "\ufeffid,kind,content,mood\r\na,memory,hello,calm\nb,memory,,\n".encode()
    assert back("csv", raw) == [
        {"id": "a", "kind": "memory", "content": "hello", "mood": "calm"},
        {"id": "b", "kind": "memory"},
    ]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"a,memory,x,y,z", "more cells"),
        (b"a,memory,\xff", "no UTF-8"),
        (b'a,"mem"ory,x', "no CSV"),
        (b"a,memory", "fewer cells"),
    ],
)
def test_bad_lines_of_a_table(line: bytes, why: str) -> None:
    found = read_back("csv", b"id,kind,content\n" + line + b"\nb,memory,fine\n")
    assert isinstance(found[0], Unread)
    assert why in found[0].reason
    assert isinstance(found[1], Row)


@pytest.mark.parametrize("cell", ["[1,", "NaN", "[NaN]", '{"a": 1, "a": 2}'])
def test_bad_json_in_a_cell(cell: str) -> None:
    out = io.StringIO()
    csv.writer(out).writerows([["id", "embedding"], ["a", cell]])
    (found,) = read_back("csv", out.getvalue().encode())
    assert isinstance(found, Unread)


def test_foreign_columns_of_parquet() -> None:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    out = io.BytesIO()
    table = pa.table({"id": ["a", "b"], "mood": ["calm", None], "raw": [None, b"x"], "n": [1, 2]})
    pq.write_table(table, out)
    first, second = read_back("parquet", out.getvalue())
    assert isinstance(first, Row)
    assert first.value == {"id": "a", "mood": "calm", "n": 1}
    assert isinstance(second, Unread)
    assert "bytes" in second.reason


@pytest.mark.parametrize(
    ("name", "chosen", "form"),
    [
        ("a.jsonl", None, "jsonl"), ("a.JSON.gz", None, "json"), ("a.csv.zst", None, "csv"),
        ("a.pq", None, "parquet"), ("a.txt", None, "jsonl"), ("a.json", "csv", "csv"),
    ],
)  # fmt: skip
def test_formats_by_name(name: str, chosen: str | None, form: str) -> None:
    assert format_of(name, chosen).name == form


def test_parquet_is_not_compressed_twice() -> None:
    with pytest.raises(UsageError, match="already"):
        format_of("a.parquet.gz", None)


@pytest.mark.parametrize(
    ("beginning", "form"),
    [
        (b"PAR1", "parquet"),
        (b" [", "json"),
        (b'{"a"', "jsonl"),
        (b"id,kind", "csv"),
        (b"", "jsonl"),
    ],
)
def test_formats_by_content(beginning: bytes, form: str) -> None:
    assert told_by(beginning).name == form
