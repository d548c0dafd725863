"""A document in pieces is the document, whatever stands in it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthstore.files import pieces
from synthstore.files.jsonio import Style, dump, style_of
from synthstore.files.pieces import Pieces, dump_in_pieces, style_by_pieces

SPELLINGS: dict[str, Callable[[Any], bytes]] = {
    "orjson": orjson.dumps,
    "orjson-indented": lambda value: orjson.dumps(value, option=orjson.OPT_INDENT_2),
    "orjson-newline": lambda value: orjson.dumps(
        value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    ),
    "json": lambda value: json.dumps(value).encode(),
    "json-indented": lambda value: json.dumps(value, indent=2, ensure_ascii=False).encode(),
    "odd": lambda value: json.dumps(value, indent=3, separators=(" ,", ":")).encode(),
}
STYLES = [
    Style(),
    Style(newline=True),
    Style("orjson", None, compact=True),
    Style("json", 2, ascii_only=True),
    Style("json", None),
]
texts = st.text(st.characters(codec="utf-8"), max_size=4)
leaves = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | texts
values = st.recursive(leaves, lambda inner: st.dictionaries(texts, inner, max_size=2), max_leaves=4)
documents = st.fixed_dictionaries(
    {"memories": st.dictionaries(texts, values, max_size=7) | values},
    optional={"assemblies": values, "metadata": values},
)


@pytest.fixture(autouse=True, scope="module")
def _short_pieces() -> Iterator[None]:
    """Pieces of two members."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "MEMBERS", 2)
        yield


def joined(content: bytes | Pieces) -> bytes:
    """The bytes that a file of the content would have."""
    if isinstance(content, bytes):
        return content
    out = io.BytesIO()
    content(out)
    assert content.size == len(out.getvalue())
    return out.getvalue()


@pytest.mark.parametrize("style", STYLES)
@given(document=documents)
def test_pieces_are_the_document(style: Style, document: dict[str, Any]) -> None:
    assert joined(dump_in_pieces(document, style, "memories")) == dump(document, style)


@pytest.mark.parametrize("spelling", SPELLINGS)
@given(document=documents)
def test_the_style_is_found_by_pieces(spelling: str, document: dict[str, Any]) -> None:
    raw = SPELLINGS[spelling](document)
    assert style_by_pieces(io.BytesIO(raw), document, "memories") == style_of(raw, document)
    assert style_by_pieces(io.BytesIO(raw + b" "), document, "memories") == style_of(
        raw + b" ", document
    )
    assert style_by_pieces(io.BytesIO(raw[:-1]), document, "memories") == style_of(
        raw[:-1], document
    )


@pytest.mark.parametrize("odd", [2**70, float("nan"), "\ud800", {"a": float("inf")}])
def test_what_orjson_cannot_write_is_spelt_as_a_whole(odd: object) -> None:
    document = {"memories": {"a": 1, "b": 2, "c": odd}}
    content = dump_in_pieces(document, Style(), "memories")
    assert content == dump(document, Style())


def test_a_long_document_comes_in_pieces() -> None:
    document = {"memories": {str(n): n for n in range(5)}, "metadata": {}}
    content = dump_in_pieces(document, Style(), "memories")
    assert isinstance(content, Pieces)
    assert len(content.pieces) == 5
    assert isinstance(dump_in_pieces(document, Style(), "metadata"), bytes)
