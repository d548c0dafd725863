"""Numbers cut out of text come back to the byte, whoever wrote them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthstore.repository.codec import Number, Spelling, Style, cut, pack, unpack
from synthstore.repository.recipes import (
    Piece,
    RecipeError,
    encode,
    encode_apart,
    read_recipe,
)
from synthstore.testing.flat_bytes import Flat, Shell


def rebuilt(raw: bytes) -> bytes:
    encoded = encode(raw)
    pieces: dict[bytes, Piece] = {piece.id: piece for piece in encoded.pieces}
    if not encoded.is_recipe:
        return encoded.body
    return b"".join(read_recipe(encoded.body).rebuilt(lambda name: pieces[name].data))


def packed(text: bytes) -> tuple[Style, bytes] | None:
    return pack(b"[%b]" % text, 1, len(text) + 1)


def orjson_indented(doc: object, indent: int) -> bytes:
    assert indent == 2
    return orjson.dumps(doc, option=orjson.OPT_INDENT_2)


def embedding(size: int = 64, seed: int = 3) -> list[float]:
    vector = np.random.default_rng(seed).normal(size=size).astype(np.float32)
    return [float(x) for x in vector / np.linalg.norm(vector)]


@pytest.mark.parametrize(
    "spell",
    [
        orjson.dumps,
        lambda doc: orjson.dumps(doc, option=orjson.OPT_INDENT_2),
        lambda doc: json.dumps(doc).encode(),
        lambda doc: json.dumps(doc, indent=2).encode(),
        lambda doc: json.dumps(doc, indent="\t").encode(),
        lambda doc: json.dumps(doc, separators=(" , ", " : ")).encode(),
        lambda doc: json.dumps(doc, indent=4).replace("\n", "\r\n").encode(),
    ],
)
def test_every_writer_s_arrays_are_packed(spell: Callable[[object], bytes]) -> None:
    doc = {"content": "a [1.0] b", "embedding": embedding(), "hyperbolic_embedding": embedding(9)}
    doc["memories"] = [{"embedding": embedding(32, n)} for n in range(3)]
    raw = spell(doc)
    skeleton, parts = cut(raw)
    assert [len(part.data) for part in parts] == [256, 128, 128, 128]
    assert {part.style.number for part in parts} == {Number.WIDE}
    assert json.loads(skeleton)["embedding"] == []
    assert rebuilt(raw) == raw
    assert encode_apart(raw)[1] == skeleton


def test_tiny_numbers_keep_the_writer_s_exponents() -> None:
    values = [1e-5, 2.5e-7, 1e-300, 3e16, -1e-9, 0.0, -0.0, *embedding(20)]
    for text, spelling in (
        (json.dumps(values), Spelling.PYTHON),
        (orjson.dumps(values).decode(), Spelling.PLAIN),
    ):
        found = packed(text[1:-1].encode())
        assert found is not None
        assert found[0].spelling is spelling
        assert unpack(*found) == text[1:-1].encode()


@pytest.mark.parametrize("depth", range(1, 12))
@pytest.mark.parametrize("spell", [json.dumps, orjson_indented])
def test_however_deep_an_array_is_indented(depth: int, spell: Callable[..., str | bytes]) -> None:
    doc: object = [*embedding(20), 2.5e-7, -3e-5, 0.0, 1e16]
    for _ in range(depth):
        doc = {"a": doc}
    text = spell(doc, indent=2)
    raw = text.encode() if isinstance(text, str) else text
    assert len(cut(raw)[1]) == 1
    assert rebuilt(raw) == raw


def test_shortest_singles_take_four_bytes() -> None:
    values = [float(str(x)) for x in np.array(embedding(), np.float32)]
    found = packed(orjson.dumps(values)[1:-1])
    assert found is not None
    assert found[0].number is Number.SHORT
    assert len(found[1]) == 4 * 64


def test_doubles_take_eight() -> None:
    values = [math.sin(n + 0.5) for n in range(20)]
    found = packed(json.dumps(values)[1:-1].encode())
    assert found is not None
    assert found[0].number is Number.DOUBLE


@pytest.mark.parametrize(
    "text",
    [
        b",".join([b"1.50"] * 20),
        b",".join([b"1"] * 20),
        b",".join([b"1e2"] * 20),
        b", ".join([b"0.5"] * 10) + b"," + b",".join([b"0.5"] * 10),
        b",".join([b"0.5"] * 15),
        b",".join([b"0.5"] * 20) + b",",
        b",".join([b"NaN"] * 20),
        b",".join([b"0.5"] * 20) + b',"x"',
        b"",
    ],
)
def test_what_would_not_come_back_stays_text(text: bytes) -> None:
    assert packed(text) is None
    assert rebuilt(b"[" + text + b"]") == b"[" + text + b"]"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=16, max_size=40),
    st.sampled_from([None, 1, 2]),
    st.booleans(),
)
def test_any_floats_come_back(values: list[float], indent: int | None, narrow: bool) -> None:
    if narrow:
        with np.errstate(over="ignore"):
            singles = np.array(values).astype(np.float32)
        values = [float(x) for x in singles if np.isfinite(x)]
    raw = json.dumps({"embedding": values}, indent=indent).encode()
    assert rebuilt(raw) == raw


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_come_back(raw: bytes) -> None:
    wrapped = b"[" + raw + b"[" + orjson.dumps(embedding(20)) + raw + b"]"
    assert rebuilt(wrapped) == wrapped


@pytest.mark.parametrize("shell", ["", "IxMp", "IxM2"])
def test_a_flat_index_shares_its_rows_with_the_embeddings(shell: Shell) -> None:
    vectors = np.array([embedding(64, n) for n in range(5)], np.float32)
    raw = Flat(shell, l2=True, ids=np.arange(5, dtype=np.int64), vectors=vectors).dump()
    encoded = encode(raw)
    of_file = encode(orjson.dumps({"embedding": embedding(64, 2)}))
    assert len(encoded.pieces) == 5
    assert of_file.pieces[0].id == encoded.pieces[2].id
    assert rebuilt(raw) == raw
    assert rebuilt(raw[:-1]) == raw[:-1]


@pytest.mark.parametrize("cut_at", [0, 3, 8, 12, 20, 40])
def test_a_damaged_recipe_is_told(cut_at: int) -> None:
    body = encode(orjson.dumps({"embedding": embedding()})).body
    with pytest.raises(RecipeError):
        list(read_recipe(body[:cut_at]).rebuilt(lambda _: b"abc"))
