"""Many names, ids and paths asked at once say what each of them says by itself."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthstore.checks import structure
from synthstore.layout.names import ids_between
from synthstore.layout.native import Native
from synthstore.layout.native_columns import _id_in, _ids_in
from synthstore.model.embedding import EmbeddingState, forgiving, judge, judge_each
from synthstore.model.ids import Kind, are_plain, is_plain

ODD = st.sampled_from(["", ".", "-", "a\n.b", "x" * 200, "x" * 201, "\u00e9", "a b", "a\n", "\n"])
IDS = st.lists(st.one_of(ODD, st.text("aB0_.-\n/ ", max_size=4)), max_size=4)
PIECES = st.sampled_from(["memories/", "memories", "assemblies/", ".json", "a", "b", "\n", "0"])
PATHS = st.lists(st.lists(PIECES, max_size=4).map("".join), max_size=5)
STEMS = st.sampled_from(
    [
        *("con", "NUL.x", "com1", "com0", "lpt\u00b9", "aux ", "con-x", "Prn.", "icon"),
        *("a", "b.", "c ", "d.\n", "e\nf ", "\u00e4", " ", ".", "com2\n.x", "nul.json"),
    ]
)


@given(ids=IDS)
def test_ids_are_plain_if_each_is(ids: list[str]) -> None:
    assert are_plain(ids) == all(map(is_plain, ids))


@given(paths=PATHS, ids=IDS)
def test_what_stands_between_is_that_of_each(paths: list[str], ids: list[str]) -> None:
    for these in (paths, [f"memories/{entity_id}.json" for entity_id in ids]):
        together = ids_between(these, "memories/", ".json")
        each = list(map(_id_in, these))
        broken = any("\n" in path for path in these)
        inside = all(path.startswith("memories/") and path.endswith(".json") for path in these)
        assert together == (each if inside and not broken else None)
        assert _ids_in(these) == each
        assert _ids_in(sorted(these)) == list(map(_id_in, sorted(these)))


def test_two_texts_that_overlap_are_not_both_there() -> None:
    assert ids_between(["aba"], "ab", "ba") is None


@given(
    named=st.lists(
        st.tuples(st.sampled_from(["memory", "assembly"]), st.sampled_from("abc")), max_size=4
    ),
    other=st.sampled_from("abc"),
)
def test_all_are_named_if_each_is(named: list[tuple[Kind, str]], other: str) -> None:
    layout = Native()
    folders = {"memory": "memories", "assembly": "assemblies"}
    kinds, ids = [kind for kind, _ in named], [entity_id for _, entity_id in named]
    paths = [f"{folders[kind]}/{entity_id}.json" for kind, entity_id in named]
    assert layout.all_named(paths, kinds, ids)
    theirs = [*ids[:-1], other][: len(ids)]
    assert layout.all_named(paths, kinds, theirs) == (theirs == ids)


@given(stems=st.lists(STEMS, max_size=4), folder=st.sampled_from(["", "memories/"]))
def test_no_name_that_others_refuse_is_passed_over(stems: list[str], folder: str) -> None:
    paths = [f"{folder}{stem}.json" for stem in stems]
    for these in (paths, stems):
        assert structure._may_be_refused(these) or not any(map(structure._refusal, these))


def test_usual_names_need_no_closer_look() -> None:
    assert not structure._may_be_refused(["memories/a.json", "b.json", "memories/mem_1.json"])


NUMBERS = st.one_of(
    st.floats(-2, 2), st.sampled_from([0.0, -0.0, 1e-31, 3e38, 1e39, 1e200, math.nan, math.inf])
)
VALUES = st.lists(
    st.one_of(
        st.lists(NUMBERS, min_size=3, max_size=3).map(np.array),
        st.sampled_from([None, [], [1, 2.0, 3], ["1"], [True], [10**400], {}]),
    ),
    max_size=6,
)


@given(values=VALUES, other=st.lists(NUMBERS, min_size=1, max_size=4).map(np.array))
def test_embeddings_judged_together_are_what_each_is(values: list[object], other: object) -> None:
    for some in (values, [*values, other]):
        with forgiving():
            found = judge_each(some)
        for one, value in zip(found, some, strict=True):
            alone = judge(value)
            assert (one.state, one.dim) == (alone.state, alone.dim)
            assert np.float64(one.norm).tobytes() == np.float64(alone.norm).tobytes()
            vectors = [None if of.vector is None else of.vector.tobytes() for of in (one, alone)]
            assert vectors[0] == vectors[1]


def test_the_norms_of_many_have_the_digits_of_each() -> None:
    random = np.random.default_rng(3)
    for dim in (1, 7, 8, 127, 128, 129, 384, 768, 1000, 1536):
        rows = list(random.standard_normal((5, dim)))
        assert [one.norm for one in judge_each(rows)] == [
            math.sqrt(np.add.reduce(row * row)) for row in rows
        ]
        assert all(one.state is EmbeddingState.VALID for one in judge_each(rows))
