"""The parser that reads embeddings into buffers: never another answer than the one without it."""

from __future__ import annotations

import json
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from synthstore.files import buffers
from synthstore.files.jsonio import Parsed, ParseFailure, parse, parse_numbers
from synthstore.layout.core import Core4
from synthstore.layout.native import Native
from synthstore.model.embedding import judge
from synthstore.model.facts import Stat
from synthstore.store.entity import facts_of
from tests.test_jsonio import Members, spell, values

pytestmark = pytest.mark.skipif(
    find_spec("simdjson") is None, reason="the extra 'fast' is not installed"
)

KEY = "embedding"
NO_STAT = Stat(0, 0, 0, 0, 0, 1, 0)

HOSTILE = [
    b"",
    b"\0\0\0\0\0",
    b'{"embedding": [1, 2.5]}\0\0\0\0',
    b'\xef\xbb\xbf{"embedding": [1]}',
    '{"embedding": [1]}'.encode("utf-16"),
    b'{"embedding": [[1]]}',
    b'{"embedding": [1, [2], 3]}',
    b'{"embedding": [1, [], [2, 3]], "a": "["}',
    rb'{"embedding": [[1], 2], "a": "\u005b"}',
    rb'{"embedding": [1, 2], "a": "\u003a", "a": 1}',
    b'{"embedding": [1, 2], "a": "x[y:z"}',
    b'{"embedding": [1, true]}',
    b'{"embedding": [1.5], "hyperbolic_embedding": [NaN]}',
    b'{"embedding": [1.5], "hyperbolic_embedding": [0.5, -Infinity]}',
    b'{"embedding": [1, null]}',
    b'{"embedding": [1, "2"]}',
    b'{"embedding": [], "content": "x"}',
    b'{"embedding": [0, 0.0, -0, -0.0]}',
    b'{"embedding": [18446744073709551615, -9223372036854775808]}',
    b'{"embedding": [18446744073709551616]}',
    b'{"embedding": [1e400]}',
    b'{"embedding": [NaN, 1]}',
    b'{"embedding": [1e308, 1e308]}',
    b'{"embedding": [3.5e38, 1]}',
    b'{"embedding": [1e-200, 1e-300]}',
    b'{"embedding": [1e-42, 0]}',
    b'{"embedding": [1], "embedding": [2]}',
    b'{"embedding": [1], "m": {"a": 1, "a": 2}}',
    b'{"embedding": [1], "m": [{"a": 1, "a": 2}]}',
    b'{"embedding": [1], "n": 18446744073709551616}',
    b'{"embedding": [1], "n": 1e30, "m": [1e300]}',
    rb'{"embedding": [1], "a": "\ud800"}',
    b'{"embedding": [1], "a": "\xff"}',
    b'{"embedding": [1], "a": "\x01"}',
    b'{"embedding": [1], }',
    b'{"embedding": [1]} x',
    b'{"embedding": [01]}',
    b'{"embedding": [1.]}',
    b'{"embedding": [1], "d": ' + b"[" * 253 + b"]" * 253 + b"}",
    b'{"embedding": [1], "d": ' + b"[" * 254 + b"]" * 254 + b"}",
    b'{"embedding": [1], "d": ' + b"[" * 2000 + b"]" * 2000 + b"}",
    b'{"embedding": {"a": 1}}',
    b'{"embedding": "AAAA"}',
    b'{"": [1], "embedding": [1]}',
    b"{" + b",".join(b'"%d": %d' % (n, n) for n in range(100)) + b', "embedding": [1]}',
    b"[1, 2, 3]",
    b"1.5",
]


def outcome(raw: bytes, *, fast: bool) -> object:
    """All that parsing tells, spelt out: types of numbers, order of keys, signs of zeros."""
    try:
        found = parse_numbers(raw, KEY, fast=fast) if fast else parse(raw)
    except ParseFailure as failure:
        return type(failure), str(failure)
    return _told(found)


def _told(found: Parsed) -> object:
    value = found.value
    judged = None
    if isinstance(value, dict) and KEY in value:
        state, dim, norm, vector = judge(value[KEY])
        judged = state, dim, repr(norm), None if vector is None else vector.tobytes()
        if isinstance(value[KEY], np.ndarray):
            assert value[KEY].dtype == np.float64
            value = value | {KEY: "numbers"}
        elif isinstance(value[KEY], list) and value[KEY] and _numbers(value[KEY]):
            value = value | {KEY: "numbers"}
    return repr(value), found.rigid, found.nan, judged


def _numbers(items: list[object]) -> bool:
    return all(type(item) in (int, float) for item in items)


@pytest.mark.parametrize("raw", HOSTILE)
def test_hostile_documents_are_told_alike(raw: bytes) -> None:
    assert outcome(raw, fast=True) == outcome(raw, fast=False)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([KEY, "a", "b:", "["]), values(), max_size=3), st.booleans())
@example({KEY: [[1.5]], "a": "["}, True)
def test_any_document_is_told_alike(members: dict[str, object], ascii_only: bool) -> None:
    raw = spell(Members(members.items()), ascii_only=ascii_only).encode()
    assert outcome(raw, fast=True) == outcome(raw, fast=False)


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(0, 7))
def test_a_flipped_bit_is_told_alike(place: int, bit: int) -> None:
    raw = bytearray(b'{"id": "a:b[", "embedding": [0.25, -1e-3, 7, 1.5E2], "m": {"k": [1, "x"]}}')
    raw[place % len(raw)] ^= 1 << bit
    assert outcome(bytes(raw), fast=True) == outcome(bytes(raw), fast=False)


@pytest.mark.parametrize("layout", [Native(), Core4()])
def test_facts_are_the_same(layout: Native | Core4, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = b'{"memory_id": "a", "id": "a", "content": "x", "embedding": [0.1, 0.7, 2, 1e-3]}'
    fast, vector = facts_of(layout, "memory", "memories/a.json", raw, NO_STAT)
    monkeypatch.setattr(buffers, "_parse_by_buffer", lambda *_: None)
    slow, other = facts_of(layout, "memory", "memories/a.json", raw, NO_STAT)
    assert fast == slow
    assert vector is not None
    assert np.array_equal(vector, np.asarray(other))


def test_the_usual_document_takes_the_fast_way() -> None:
    found = parse_numbers(b'{"id": "a", "embedding": [1, 2.5], "m": {"k": ":["}}', KEY)
    assert isinstance(found.value, dict)
    assert isinstance(found.value[KEY], np.ndarray)


FINITE = st.floats(allow_nan=False, allow_infinity=False)
ARRAYS = st.lists(st.one_of(FINITE, st.integers(-(2**63), 2**64 - 1)), min_size=1)


@given(items=ARRAYS)
@example(items=[-0.0, 5e-324, 1.7976931348623157e308])
def test_an_array_of_numbers_is_read_alike(items: list[float]) -> None:
    raw = json.dumps(items).encode("ascii")
    slow, fast = (buffers.numbers(raw, fast=way) for way in (False, True))
    assert slow is not None
    assert fast is not None
    assert fast.tobytes() == slow.tobytes()


@pytest.mark.parametrize(
    "raw", [b"", b"[1, 2", b"[null]", b'["1"]', b"[1 2]", b"[NaN]", b'{"a": 1}']
)
@pytest.mark.parametrize("fast", [False, True])
def test_what_is_no_array_of_numbers_is_no_array(raw: bytes, fast: bool) -> None:
    assert buffers.numbers(raw, fast=fast) is None
