"""JSON as found on disks: what is parsed, what is called rigid, how spelling is kept."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthstore.files import jsonio
from synthstore.files.jsonio import ParseFailure, Style, TooDeep

Pairs = list[tuple[str, object]]

NUMBERS = st.one_of(
    st.integers(min_value=-(2**70), max_value=2**70), st.floats(allow_nan=False, width=64)
)
TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)


class Members(list[tuple[str, object]]):
    """An object as pairs, so that keys may repeat."""


def values() -> st.SearchStrategy[object]:
    keys = st.one_of(st.sampled_from(["a", "b", "a:b", ":", "é"]), TEXTS)
    return st.recursive(
        SCALARS,
        lambda child: st.one_of(
            st.lists(child, max_size=4),
            st.lists(NUMBERS, max_size=6),
            st.lists(st.tuples(keys, child), max_size=4).map(Members),
        ),
        max_leaves=12,
    )


def spell(value: object, *, ascii_only: bool) -> str:
    if isinstance(value, Members):
        parts = (
            json.dumps(k, ensure_ascii=ascii_only) + ": " + spell(v, ascii_only=ascii_only)
            for k, v in value
        )
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list):
        return "[" + ",".join(spell(v, ascii_only=ascii_only) for v in value) + "]"
    return json.dumps(value, ensure_ascii=ascii_only)


def nodes(value: object) -> Iterator[object]:
    yield value
    if isinstance(value, Members):
        for _, child in value:
            yield from nodes(child)
    elif isinstance(value, list):
        for child in value:
            yield from nodes(child)


def truth(value: object) -> set[str]:
    found = set()
    for node in nodes(value):
        if isinstance(node, Members) and len({k for k, _ in node}) < len(node):
            found.add("duplicate keys")
        if type(node) is int and not -(2**63) <= node < 2**64:
            found.add("integer beyond 64 bits")
    if holds_stray_infinity(value):
        found.add("NaN or Infinity outside a list of numbers")
    return found


def holds_stray_infinity(value: object) -> bool:
    if isinstance(value, Members):
        return any(map(holds_stray_infinity, dict(value).values()))  # the last of a key counts
    if isinstance(value, list):
        numbers = all(isinstance(child, int | float) for child in value)
        return not numbers and any(map(holds_stray_infinity, value))
    return isinstance(value, float) and math.isinf(value)


@given(values(), st.booleans())
def test_every_loss_of_parsing_is_told_and_nothing_else(value: object, ascii_only: bool) -> None:
    text = spell(value, ascii_only=ascii_only)
    parsed = jsonio.parse(text.encode())
    assert set(parsed.rigid) == truth(value)
    assert parsed.value == json.loads(text)


@pytest.mark.parametrize(
    ("raw", "rigid"),
    [
        (b'\xef\xbb\xbf{"a": 1}', ("byte order mark",)),
        ('{"a": "é"}'.encode("utf-16"), ("UTF-16 encoding",)),
        ('{"a": "é"}'.encode("utf-32-le"), ("UTF-32 encoding",)),
        (rb'{"a": "\ud800"}', ("lone surrogate",)),
        (rb'{"\udfff": [1, "x"]}', ("lone surrogate",)),
        (b'{"a": 1, "a": 2}', ("duplicate keys",)),
        (rb'{"a\u003ab": 1, "c": 1}', ()),
        (rb'{"a": "\u003A", "b": 1, "b": 1}', ("duplicate keys",)),
        (b'{"a": 18446744073709551615}', ()),
        (b'{"a": 18446744073709551616}', ("integer beyond 64 bits",)),
        (b'{"a": [0.5, -9223372036854775809]}', ("integer beyond 64 bits",)),
        (b'{"a": 1e30, "b": [1e300, -1e300]}', ()),
        (b'{"a": 1e-400}', ()),
        (b'{"a": NaN}', ("NaN or Infinity outside a list of numbers",)),
        (b'{"a": ["x", Infinity]}', ("NaN or Infinity outside a list of numbers",)),
        (b'{"a": [0.5, NaN, 1e400]}', ()),
        (b"[" * 254 + b"]" * 254, ()),
        (b"[" * 255 + b"]" * 255, ("nested deeper than 254",)),
        (b"[" + b"[]," * 400 + b"1]", ()),
        (b"[" * 300 + b"NaN" + b"]" * 300, ("nested deeper than 254",)),
    ],
)
def test_oddities(raw: bytes, rigid: tuple[str, ...]) -> None:
    assert jsonio.parse(raw).rigid == rigid


def test_numbers_beyond_64_bits_are_read_exactly() -> None:
    assert jsonio.parse(b'{"a": 100000000000000000000001}').value == {"a": 10**23 + 1}


def test_a_number_of_five_thousand_digits_is_no_crash() -> None:
    parsed = jsonio.parse(b'{"a": ' + b"9" * 5000 + b"}")
    assert parsed.value == {"a": math.inf}
    assert parsed.nan


def test_non_finite_numbers_are_flagged_wherever_they_stand() -> None:
    assert jsonio.parse(b'{"e": [NaN, 1.0]}').nan
    assert jsonio.parse(b'{"e": 1e999}').nan
    assert not jsonio.parse(b'{"e": [1.0]}').nan


@pytest.mark.parametrize(
    ("raw", "offset", "reason"),
    [
        (b"", 0, "empty"),
        (b"\0" * 64, 0, "nothing but zero bytes"),
        (b'{"a": 1', 7, "expecting ',' delimiter"),
        (b'{"a": 1}\0\0', 8, "extra data"),
        (b'{"a": 1}{"b": 2}', 8, "extra data"),
        ('{"é": 1'.encode(), 8, "expecting ',' delimiter"),
        (b'{"a": "\xff"}', 7, "not UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', 7, "not UTF-8"),
        (b'{"a": "x\ny"}', 8, "invalid control character at"),
        (b'{"a": 01}', 7, "expecting ',' delimiter"),
        (b"[" * 100_000, 0, "deeply nested and no valid JSON"),
    ],
)
def test_what_is_no_json(raw: bytes, offset: int, reason: str) -> None:
    with pytest.raises(ParseFailure) as caught:
        jsonio.parse(raw)
    assert type(caught.value) is ParseFailure
    assert (caught.value.offset, caught.value.reason) == (offset, reason)


@pytest.mark.parametrize("depth", [1100, 100_000])
def test_depth_beyond_every_parser(depth: int) -> None:
    with pytest.raises(TooDeep):
        jsonio.parse(b'{"a":' + b"[" * depth + b"]" * depth + b"}")


def test_a_cut_string_is_told_in_good_english() -> None:
    with pytest.raises(ParseFailure) as raised:
        jsonio.parse(b'{"content": "cut')
    assert str(raised.value) == "unterminated string starting at byte 12"


def test_a_failure_never_quotes_the_content() -> None:
    with pytest.raises(ParseFailure) as caught:
        jsonio.parse(b'{"secret": "hunter2"')
    assert "hunter2" not in str(caught.value)


DOCUMENT: dict[str, object] = {
    "id": "a",
    "text": "é\x7f",
    "tiny": [1e-06, 0.5],
    "none": {},
    "list": [],
    "n": None,
}
PLAIN: dict[str, object] = {"id": "a", "score": 0.5, "list": [1, 2]}
STYLES = [
    Style("orjson", 2),
    Style("orjson", None, compact=True, newline=True),
    Style("json", 2, ascii_only=True),
    Style("json", 4, newline=True),
    Style("json", "\t", ascii_only=True),
    Style("json", None, ascii_only=True),
    Style("json", None),
    Style("json", None, compact=True),
]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("value", [DOCUMENT, PLAIN, {}, []])
def test_a_file_keeps_its_spelling(value: object, style: Style) -> None:
    raw = jsonio.dump(value, style)
    found = jsonio.style_of(raw, value)
    assert found.proven
    assert jsonio.dump(value, found) == raw
    assert orjson.loads(raw) == value


def test_spelling_that_no_writer_has_falls_back() -> None:
    raw = b'{"a" :1}'
    assert jsonio.style_of(raw, {"a": 1}) == Style()


def test_an_empty_object_does_not_make_a_catalog_one_line() -> None:
    assert jsonio.style_of(b"{}", {}).indent == 2


@pytest.mark.parametrize(
    ("value", "spelt"),
    [
        ({"a": float("nan")}, b'{\n  "a": NaN\n}'),
        ({"a": 2**70}, b'{\n  "a": 1180591620717411303424\n}'),
        ({"a": "\ud800"}, b'{\n  "a": "\\ud800"\n}'),
    ],
)
def test_what_orjson_cannot_write_is_not_changed(value: object, spelt: bytes) -> None:
    assert jsonio.dump(value, Style()) == spelt


@given(values().filter(lambda v: isinstance(v, Members)), st.data())
def test_salvage_has_exactly_the_members_before_the_cut(
    value: Members, data: st.DataObject
) -> None:
    text = spell(value, ascii_only=False)
    raw = text.encode()
    cut = data.draw(st.integers(0, len(raw)))
    whole = json.loads(text, object_pairs_hook=list)
    found = list(jsonio.salvage(raw[:cut]))
    keys = list(dict.fromkeys(key for key, _ in whole))
    assert found == keys[: len(found)]


def test_salvage_never_invents_the_end_of_a_number() -> None:
    raw = b'{"a": "x", "b": [1, 2], "n": 0.1234}'
    assert jsonio.salvage(raw[:-1]) == {"a": "x", "b": [1, 2]}
    assert jsonio.salvage(raw[:-1] + b"\0\0}") == {"a": "x", "b": [1, 2]}
    assert jsonio.salvage(raw) == {"a": "x", "b": [1, 2], "n": 0.1234}


@pytest.mark.parametrize("raw", [b"", b"\0\0", b"[1, 2", b'"a"', b"{", b'{"a', b'{"a":', b"\xff{"])
def test_nothing_to_salvage(raw: bytes) -> None:
    assert jsonio.salvage(raw) == {}


def test_salvage_stops_at_bytes_that_are_no_text() -> None:
    assert jsonio.salvage(b'\xef\xbb\xbf{"a": "\xc3\xa9", "b": "\xff", "c": 1}') == {"a": "é"}
    assert jsonio.salvage(b'{"a": 1, "b": ' + b"[" * 100_000) == {"a": 1}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("key", ["tiny", "id", "n", "new"])
def test_a_spliced_value_is_spelt_as_the_file(style: Style, key: str) -> None:
    value = [0.25, 1e-07, {"deep": []}]
    raw = jsonio.dump(DOCUMENT, style)
    assert jsonio.splice_field(raw, key, value) == jsonio.dump({**DOCUMENT, key: value}, style)


@pytest.mark.parametrize("style", STYLES)
def test_splicing_into_an_empty_object(style: Style) -> None:
    raw = jsonio.dump({}, style)
    assert orjson.loads(jsonio.splice_field(raw, "e", [1.0])) == {"e": [1.0]}


def test_splicing_keeps_every_other_byte() -> None:
    raw = b'{ "a" :1.50,\n\t"e":\t[NaN, 2],"z":"\\u00e9" }\n'
    assert jsonio.splice_field(raw, "e", [0.5]) == raw.replace(b"[NaN, 2]", b"[0.5]")
    assert jsonio.splice_field(raw, "k", None) == raw.replace(b" }\n", b',"k":null }\n')


@pytest.mark.parametrize("raw", [b"[]", b"{", b'{"e": 1, "e": 2}', b'\xef\xbb\xbf{"e": 1}'])
def test_splicing_refuses_what_it_cannot_keep(raw: bytes) -> None:
    with pytest.raises(ParseFailure):
        jsonio.splice_field(raw, "e", 3)


def test_real_files_are_spelt_provably(tmp_path: Path) -> None:
    memory = {"id": "m", "embedding": [0.1, -2e-05, 3e-17], "metadata": {"é": "ü"}}
    for indent in (2, None):
        path = tmp_path / f"{indent}.json"
        with path.open("w") as out:
            json.dump(memory, out, indent=indent)
        raw = path.read_bytes()
        assert jsonio.style_of(raw, jsonio.parse(raw).value).proven
