"""Rows that are to be: old ones by place and new ones among them."""

from __future__ import annotations

import io
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from synthstore.files.pieces import MEMBERS, Original, dump_in_pieces
from synthstore.files.spelling import Style, dump
from synthstore.model.catalog import Catalog, Row
from synthstore.model.ids import EntityRef, Kind
from synthstore.model.relisting import Relisted, whole

KINDS = st.sampled_from(["memory", "assembly"])


def row(kind: Kind, entity_id: str) -> Row:
    """A row that says little."""
    return Row(kind, entity_id, None, {"of": entity_id})


@given(kinds=st.lists(KINDS, max_size=12), data=st.data())
def test_rows_are_the_old_ones_kept_and_the_new_ones(
    kinds: list[Kind], data: st.DataObject
) -> None:
    old = [row(kind, str(n)) for n, kind in enumerate(kinds)]
    fates = data.draw(st.lists(st.sampled_from("kdn"), min_size=len(old), max_size=len(old)))
    relisted, told = Relisted(old), dict[EntityRef, Mapping[str, object]]()
    for at, (one, fate) in enumerate(zip(old, fates, strict=True)):
        if fate == "k":
            relisted.keep(range(at, at + 1))
            told[one.ref] = one.raw
        elif fate == "n":
            relisted.add(one.ref, {"new": at})
            told[one.ref] = {"new": at}
    assert list(relisted.items()) == list(told.items())
    assert list(relisted) == list(told)
    assert len(relisted) == len(told)
    assert all(relisted[ref] == raw for ref, raw in told.items())
    assert relisted.unchanged == (set(fates) <= {"k"})
    section = relisted.section("memory")
    listed = {ref.id: raw for ref, raw in told.items() if ref.kind == "memory"}
    assert list(section.items()) == list(listed.items())
    assert list(section) == list(listed)
    assert len(section) == len(listed)
    assert all(section[entity_id] == raw for entity_id, raw in listed.items())
    groups = [(place, list(rows)) for place, rows in section.cut(3)]
    assert [row for _, rows in groups for row in rows] == list(listed.items())
    places = [place for place, _ in groups if place is not None]
    whole_groups = [at for at in range(0, len(old), 3) if set(fates[at : at + 3]) == {"k"}]
    assert places == whole_groups
    for place, rows in groups:
        if place is not None:
            kept = old[place : place + 3]
            assert rows == [(one.id, one.raw) for one in kept if one.kind == "memory"]


def test_a_section_is_spelt_as_the_dict_of_it() -> None:
    rows = [row("memory", f"{n:05}") for n in range(MEMBERS + 3)]
    catalog = Catalog(rows, {"memories": {}, "metadata": {}}, section="memories")
    document = {"memories": {one.id: one.raw for one in rows}, "metadata": {}}
    for style in (Style(), Style("json", 4)):
        found = dump_in_pieces(whole(catalog), Original(style), "memories")
        out = io.BytesIO()
        out.write(found) if isinstance(found, bytes) else found(out)
        assert out.getvalue() == dump(document, style)
