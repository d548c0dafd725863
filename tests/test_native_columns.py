"""Rows that are kept as columns are those that the whole catalog has, however it is cut."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthstore.errors import NewerFormatError, NotAStoreError
from synthstore.files import parts
from synthstore.files.jsonio import Parsed, parse
from synthstore.files.parts import InParts, NotInParts
from synthstore.layout.native_columns import NativeRows
from synthstore.model.catalog import Catalog, Row, RowColumns, column, places_of
from synthstore.model.relisting import whole
from synthstore.store import catalog as catalog_of_stores
from synthstore.store.evidence import recognise
from synthstore.testing.damages import DAMAGES, Damage
from synthstore.testing.spelling import Name
from synthstore.testing.stores import build
from tests.layouts import NATIVE

CASES = [
    pytest.param(damage, layout, id=f"{damage.name}-{layout}")
    for damage in DAMAGES
    for layout in damage.layouts
    if damage.user == "any"
]

SPELLINGS: dict[str, Callable[[Any], bytes]] = {
    "orjson": orjson.dumps,
    "orjson-indented": lambda value: orjson.dumps(value, option=orjson.OPT_INDENT_2),
    "json": lambda value: json.dumps(value).encode(),
    "json-compact": lambda value: json.dumps(value, separators=(",", ":")).encode(),
    "json-indented": lambda value: json.dumps(value, indent=4, ensure_ascii=False).encode(),
    "json-tabs": lambda value: json.dumps(value, indent="\t").encode(),
}
DIGITS = st.text("0123456789abcdef", min_size=64, max_size=64)
KEYS = st.text(st.characters(codec="utf-8"), max_size=6)
TIMES = st.one_of(st.just("2025-03-15T14:32:01.123456"), st.just('}, "'), KEYS)
SMALL = 40


@st.composite
def usual_rows(draw: st.DrawFn, entity_id: str) -> dict[str, Any]:
    """A row as our own writer makes it."""
    return {
        "filepath": f"memories/{entity_id}.json",
        "created_at": draw(TIMES),
        "updated_at": draw(TIMES),
        "quickrecal_score": draw(st.floats(-1, 2)),
        "content_hash": f"sha256:{draw(DIGITS)}",
    }


@st.composite
def catalogs(draw: st.DrawFn, *, odd: bool = False) -> dict[str, Any]:
    """A catalog, some of whose rows may be ``odd``."""
    ids = draw(st.lists(KEYS.filter(bool), unique=True, min_size=1, max_size=8))
    memories: dict[str, Any] = {i: draw(usual_rows(i)) for i in ids}
    if odd:
        row = memories[draw(st.sampled_from(ids))]
        key = draw(st.sampled_from([*row, "deleted_at", "more"]))
        values: st.SearchStrategy[Any] = st.one_of(
            st.none(), st.integers(-1, 1), st.booleans(), KEYS, st.just({"a": {}})
        )
        row[key] = draw(values)
    assemblies = {i: {"filepath": f"assemblies/{i}.json", "member_count": 1} for i in ids[:2]}
    metadata = {"version": "2.3.0", "memory_count": len(ids), "assembly_count": draw(st.just(1))}
    return {"memories": memories, "assemblies": assemblies, "metadata": metadata}


SIZES = st.integers(1, 400)
"""Of the blocks that a catalog comes in."""


def blocks(raw: bytes, size: int) -> Iterator[bytes]:
    """The bytes, so many at a time."""
    return (raw[at : at + size] for at in range(0, len(raw), size))


def apart(raw: bytes, size: int = 100) -> Catalog | None:
    """The catalog read a few bytes at a time, if it can be."""
    try:
        document = InParts(blocks(raw, size), "memories")
        return NATIVE.read_parts(document.parts(), document.rest)
    except NotInParts:
        return None


def spelt(document: Mapping[str, object]) -> bytes:
    """A document spelt, the members of its sections made."""
    sections = {key: dict(v) for key, v in document.items() if isinstance(v, Mapping)}
    return orjson.dumps({**document, **sections})


def require_the_same(found: Catalog, raw: bytes) -> None:
    """What was read in parts is what the whole catalog says, and that is a plain document."""
    parsed = parse(raw)
    assert isinstance(parsed.value, dict)
    assert parsed == Parsed(parsed.value)
    all_read = NATIVE.read_catalog(parsed.value)
    assert isinstance(found.rows, RowColumns)
    assert found.rows == all_read.rows
    assert all_read.rows == found.rows
    assert [list(row.raw) for row in found.rows] == [list(row.raw) for row in all_read.rows]
    for name in Row._fields:
        assert column(found.rows, name) == column(all_read.rows, name)
    for name in NATIVE.repeated:
        require_packed(found.rows, name)
    paths = [row.path for row in all_read.rows if row.path is not None][::-1]
    assert places_of(found.rows, paths) == places_of(all_read.rows, paths)
    assert (found.version, found.count_problems) == (all_read.version, all_read.count_problems)
    assert spelt(whole(found)) == spelt(all_read.document)


def require_packed(rows: RowColumns, name: str) -> None:
    """The bytes of a column, where it has such, are those of its values, in whatever order."""
    own = [at for at, row in enumerate(rows) if row.kind == "memory"][::-1]
    # Those of which one is in no column have none.
    packs = {at: rows.packed(name, np.array([at])) is not None for at in own}
    if not all(packs.values()):
        assert rows.packed(name, np.array(own, dtype=np.intp)) is None
    own = [at for at in own if packs[at]]
    packed = rows.packed(name, np.array(own, dtype=np.intp))
    values = [getattr(rows[at], name) for at in own]
    if packed is None or not own:
        return
    if name == "score":
        assert packed == np.array(values, dtype=np.float64).tobytes()
    elif name == "content_hash":
        assert packed == bytes.fromhex("".join(values))
    else:
        assert packed == "".join(values).encode("ascii")


@pytest.fixture(autouse=True, scope="module")
def _small_parts() -> Any:
    """Parts of a row or two."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PART", SMALL)
        yield


@pytest.mark.parametrize("spelling", SPELLINGS)
@given(catalog=catalogs(), size=SIZES)
def test_usual_catalogs_are_read_in_parts(
    spelling: str, catalog: dict[str, Any], size: int
) -> None:
    raw = SPELLINGS[spelling](catalog)
    found = apart(raw, size)
    if found is None:
        # What looks like the end of a row stands in a text: then the whole is read.
        assert "}" in "".join(_texts(catalog))
    else:
        require_the_same(found, raw)


@pytest.mark.parametrize("spelling", SPELLINGS)
@given(catalog=catalogs(odd=True), size=SIZES)
def test_odd_catalogs_are_read_the_same(spelling: str, catalog: dict[str, Any], size: int) -> None:
    raw = SPELLINGS[spelling](catalog)
    found = apart(raw, size)
    if found is not None:
        require_the_same(found, raw)


@given(
    catalog=catalogs(),
    spelling=st.sampled_from(sorted(SPELLINGS)),
    at=st.integers(0, 5000),
    gone=st.integers(0, 3),
    new=st.one_of(
        st.sampled_from([b"{", b"}", b"},", b'"', b",", b"]", b"\0", b"\xff"]), st.just(b"")
    ),
)
def test_no_damage_is_passed_over(
    catalog: dict[str, Any], spelling: str, at: int, gone: int, new: bytes
) -> None:
    raw = SPELLINGS[spelling](catalog)
    at %= len(raw)
    raw = raw[:at] + new + raw[at + gone :]
    found = apart(raw, 1 + at)
    if found is not None:
        require_the_same(found, raw)


def plain(*ids: str) -> bytes:
    """Members of a section, as a text."""
    hashed = "sha256:" + "0f" * 32
    row = '"{0}": {{"filepath": "memories/{0}.json", "created_at": "a", "updated_at": "b", '
    row += f'"quickrecal_score": 0.5, "content_hash": "{hashed}"}}}}'
    return ", ".join(row.format(i) for i in ids).encode()


def test_a_plain_catalog_is_kept_as_columns() -> None:
    found = apart(b'{"memories": {%b}, "metadata": {}}' % plain("a", "b", "c"))
    assert found is not None
    assert isinstance(found.rows, NativeRows)
    assert [row.id for row in found.rows[1:]] == ["b", "c"]
    assert found.rows[-1].id == "c"
    assert pickle.loads(pickle.dumps(found.rows)) == found.rows  # noqa: S301 - our own bytes
    with pytest.raises(IndexError):
        found.rows[3]


@pytest.mark.parametrize(
    "raw",
    [
        b'{"memories": {%b}}' % plain("a", "b", "a"),
        b'{"memories": {%b}, "memories": {}}' % plain("a"),
        b'{"memories": {%b, }}' % plain("a", "b"),
        b'{"memories": {%b,, %b}}' % (plain("a"), plain("b")),
        b'{"memories": {%b}}}' % plain("a"),
        b'{"memories": {%b}' % plain("a"),
        b'{"memories": {%b}}\0\0\0\0' % plain("a"),
        b'\xef\xbb\xbf{"memories": {%b}}' % plain("a"),
        b'{"memories": {}}',
        b'{"memories": {%b}}' % plain(""),
        b'{"metadata": {}, "memories": {%b}}' % plain("a"),
        b'{"memories": {%b}, "more": 18446744073709551616}' % plain("a"),
        b'{"memories": {%b}, "more": NaN}' % plain("a"),
        b'{"memories": {"a": 7, %b}}' % plain("b"),
        b"[]",
        b"",
    ],
)
def test_what_only_a_whole_look_tells_is_left_to_it(raw: bytes) -> None:
    assert apart(raw) is None


@given(catalog=catalogs(), spelling=st.sampled_from(sorted(SPELLINGS)), size=SIZES)
def test_the_blocks_make_no_difference(catalog: dict[str, Any], spelling: str, size: int) -> None:
    raw = SPELLINGS[spelling](catalog)
    found, whole_block = apart(raw, size), apart(raw, len(raw))
    assert found == whole_block


def test_the_blocks_of_a_part_are_all_that_has_come() -> None:
    raw = b'{"memories": {%b}, "metadata": {}}' % plain("a", "b", "c", "d")
    left = blocks(raw, 50)
    document = InParts(left, "memories")
    assert list(next(document.parts())) == ["a"]
    assert b'"d"' in b"".join(left)


def test_members_may_be_passed_over() -> None:
    raw = b'{"memories": {%b}, "metadata": {"a": 1}}' % plain("a", "b", "c", "d")
    document = InParts(blocks(raw, 50), "memories")
    next(document.parts())
    assert document.rest() == {"memories": {}, "metadata": {"a": 1}}


def _texts(catalog: dict[str, Any]) -> list[str]:
    rows = catalog["memories"].items()
    return [text for i, row in rows for text in (i, row["created_at"], row["updated_at"])]


@pytest.mark.parametrize(("damage", "layout"), CASES)
def test_a_long_catalog_tells_as_much_without_its_rows(
    damage: Damage, layout: Name, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = build(layout, tmp_path / "store")
    damage.apply(built)
    short = told(built.root)
    monkeypatch.setattr(catalog_of_stores, "_LONG", 0)
    assert told(built.root) == short


def test_rows_are_left_out_of_a_long_native_catalog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_of_stores, "_LONG", 0)
    found = catalog_of_stores.outline(build("native", tmp_path / "store").root)
    assert found.document is not None
    assert found.document["memories"] == {}
    assert found.document["metadata"]


def told(root: Path) -> str:
    """The layout of a store, or why it has none."""
    try:
        return recognise(root).name
    except (NewerFormatError, NotAStoreError) as error:
        return f"{error.message} {error.hint}"
