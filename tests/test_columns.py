"""Facts that go to another process come out as they went in."""

from __future__ import annotations

import pickle

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from synthstore.model.embedding import EmbeddingState
from synthstore.model.facts import EntityFile, FileStatus, Record, Stat
from synthstore.scan.columns import packed, unpacked
from synthstore.scan.shard import ShardFacts

numbers = st.integers(0, 9)
texts = st.text(max_size=3)
kinds = st.sampled_from(["memory", "assembly"])
records = st.builds(
    lambda kind, name, score, members: Record(kind, name, score=score, members=members),
    kinds,
    st.none() | texts,
    st.none() | st.floats(0, 1),
    st.lists(texts, max_size=2).map(tuple),
)
files = st.tuples(
    kinds,
    texts,
    st.sampled_from(FileStatus),
    st.tuples(*[numbers] * 7).map(Stat._make),
    st.none() | texts,
    st.none() | texts,
    st.none() | records,
    st.lists(texts, max_size=2).map(tuple),
    st.sampled_from(EmbeddingState),
    numbers,
    st.floats(0, 2),
).map(EntityFile._make)


@given(given_files=st.lists(files, max_size=5).map(tuple))
def test_files_by_columns_are_the_files(given_files: tuple[EntityFile, ...]) -> None:
    found = unpacked(*packed(given_files))
    assert found == given_files
    assert all(type(file.stat) is Stat for file in found)
    assert [type(file.record) for file in found] == [type(file.record) for file in given_files]


@given(given_files=st.lists(files, max_size=5).map(tuple))
def test_pickled_facts_are_the_facts(given_files: tuple[EntityFile, ...]) -> None:
    paths = tuple(file.path for file in given_files)
    matrix = np.ones((len(paths), 2), dtype=np.float32)
    told = pickle.dumps(ShardFacts(given_files, {2: (paths, matrix)}))
    facts = pickle.loads(told)  # noqa: S301 - our own
    assert facts.files == given_files
    assert facts.placed == {}
    assert np.array_equal(facts.blocks[2][1], matrix)
    # One text for a path, wherever it stands: these are kept as long as the facts are.
    assert all(a is b.path for a, b in zip(facts.blocks[2][0], facts.files, strict=True))
