"""A document in pieces is the document, whatever stands in it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthstore.files import pieces
from synthstore.files.jsonio import Style, dump, style_of
from synthstore.files.pieces import Original, OtherBytes, Pieces, Span, dump_in_pieces
from synthstore.files.proving import original_of
from synthstore.model.catalog import Catalog, Row
from synthstore.model.ids import EntityRef, Kind
from synthstore.model.relisting import Relisted, whole

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
OURS = Original(Style())
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
    assert joined(dump_in_pieces(document, Original(style), "memories")) == dump(document, style)


def told(raw: bytes, document: Mapping[str, Any]) -> Style:
    """The style that a file of ``raw`` proves to have."""
    return original_of(io.BytesIO(raw), document, "memories").style


@pytest.mark.parametrize("spelling", SPELLINGS)
@given(document=documents)
def test_the_style_is_found_by_pieces(spelling: str, document: dict[str, Any]) -> None:
    raw = SPELLINGS[spelling](document)
    for found in (raw, raw + b" ", raw[:-1], raw.replace(b"1", b"2")):
        assert told(found, document) == style_of(found, document)


def row(entity_id: str, kind: Kind = "memory") -> Row:
    """A row that says little."""
    return Row(kind, entity_id, None, {"of": entity_id})


def catalog_of(rows: Sequence[Row]) -> Catalog:
    """A catalog of ``rows``."""
    return Catalog(rows, {"memories": {}, "metadata": {"a": 1}}, section="memories")


def original_in(raw: bytes, catalog: Catalog) -> Original:
    """What a file of ``raw`` proves to be of the ``catalog``, to be copied from."""
    original = original_of(io.BytesIO(raw), whole(catalog), "memories")
    return replace(original, opened=lambda: nullcontext(io.BytesIO(raw)))


@pytest.mark.parametrize("spelling", ["orjson", "orjson-indented", "orjson-newline", "json"])
@given(fates=st.lists(st.sampled_from("kkkkkkdna"), max_size=12), others=st.integers(0, 3))
def test_kept_rows_are_copied_as_they_stand(spelling: str, fates: list[str], others: int) -> None:
    rows = [row(str(n)) for n in range(len(fates))]
    rows += [row(f"a{n}", "assembly") for n in range(others)]
    catalog, relisted = catalog_of(rows), Relisted(rows)
    raw = SPELLINGS[spelling]({"memories": dict(whole(catalog)["memories"]), "metadata": {"a": 1}})  # type: ignore[call-overload]
    for at, fate in enumerate(fates):
        if fate in "ka":
            relisted.keep(range(at, at + 1))
        if fate in "na":
            relisted.add(EntityRef("memory", f"new{at}"), {"new": at})
    relisted.keep(range(len(fates), len(rows)))
    document = {"memories": relisted.section("memory"), "metadata": {"b": 2}}
    original = original_in(raw, catalog)
    found = joined(dump_in_pieces(document, original, "memories"))
    assert found == dump({**document, "memories": dict(document["memories"])}, original.style)


def test_of_what_is_copied_no_text_is_made() -> None:
    rows = [row(str(n)) for n in range(6)]
    catalog = catalog_of(rows)
    raw = dump({"memories": {r.id: r.raw for r in rows}, "metadata": {"a": 1}}, Style())
    relisted = Relisted(rows)
    relisted.keep(range(3))
    relisted.keep(range(4, 6))
    document = {"memories": relisted.section("memory")}
    content = dump_in_pieces(document, original_in(raw, catalog), "memories")
    assert isinstance(content, Pieces)
    assert sum(isinstance(piece, Span) for piece in content.pieces) == 2
    assert b'"2"' in b"".join(piece for piece in content.pieces if isinstance(piece, bytes))


def test_other_rows_are_never_taken_for_those_that_stand() -> None:
    rows = [row(str(n)) for n in range(6)]
    raw = dump({"memories": {r.id: r.raw for r in rows}, "metadata": {"a": 1}}, Style())
    original = original_in(raw, catalog_of(rows))
    assert len(original.spans) == 3
    others = whole(catalog_of([row(f"x{n}") for n in range(6)]))
    assert b'"x5"' in joined(dump_in_pieces(others, original, "memories"))


def test_what_changed_meanwhile_is_not_copied() -> None:
    catalog = catalog_of([row(str(n)) for n in range(6)])
    raw = dump({"memories": {r.id: r.raw for r in catalog.rows}, "metadata": {"a": 1}}, Style())
    original = original_in(raw, catalog)
    changed = replace(original, opened=lambda: nullcontext(io.BytesIO(raw.replace(b"5", b"7"))))
    content = dump_in_pieces(whole(catalog), changed, "memories")
    with pytest.raises(OtherBytes):
        joined(content)


@pytest.mark.parametrize("odd", [2**70, float("nan"), "\ud800", {"a": float("inf")}])
def test_what_orjson_cannot_write_is_spelt_as_a_whole(odd: object) -> None:
    document = {"memories": {"a": 1, "b": 2, "c": odd}}
    content = dump_in_pieces(document, OURS, "memories")
    assert content == dump(document, Style())


def test_a_long_document_comes_in_pieces() -> None:
    document = {"memories": {str(n): n for n in range(5)}, "metadata": {}}
    content = dump_in_pieces(document, OURS, "memories")
    assert isinstance(content, Pieces)
    assert len(content.pieces) == 7
    assert isinstance(dump_in_pieces(document, OURS, "metadata"), bytes)
