"""Facts that go to another process come out as they went in."""

from __future__ import annotations

import pickle
import weakref
from itertools import chain, compress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthstore.model.columns import (
    FileRun,
    FileTable,
    column_of,
    each_of,
    equal_to,
    kept,
    picked,
    some_of,
    spent,
)
from synthstore.model.embedding import EmbeddingState
from synthstore.model.facts import EntityFile, FileStatus, Record, Stat
from synthstore.model.ids import EntityRef, Kind
from synthstore.model.lookup import FilesByPath, FilesByRef
from synthstore.scan.shard import ShardFacts

numbers = st.integers(0, 9) | st.just(2**63)
texts = st.text(max_size=3) | st.sampled_from(["0f" * 32, "0F" * 32, "a1" * 32])
kinds = st.sampled_from(["memory", "assembly"])
times = st.sampled_from(["2025", "2026", "20261", "\xe4\xf6\xfc1", None, 2025])
records = st.builds(
    lambda kind, name, time, score, members: Record(
        kind, name, time, time, score=score, members=members
    ),
    kinds,
    st.none() | texts,
    times,
    st.none() | st.floats(-1, 1) | st.integers(0, 1) | st.just(-0.0),
    st.lists(texts, max_size=2).map(tuple),
)
files = st.tuples(
    kinds,
    st.text(max_size=3),
    st.sampled_from(FileStatus),
    st.tuples(*[numbers] * 7).map(Stat._make),
    st.none() | texts,
    st.none() | texts,
    st.none() | records,
    st.lists(texts, max_size=2).map(tuple),
    st.sampled_from(EmbeddingState),
    numbers,
    st.floats(allow_nan=False),
).map(EntityFile._make)


many_files = st.lists(files, max_size=5).map(tuple)
NAMES = (
    *EntityFile._fields[:3],
    *(f"stat.{name}" for name in Stat._fields),
    *EntityFile._fields[4:6],
    *(f"record.{name}" for name in Record._fields),
    *EntityFile._fields[7:],
)


def spelt(values: object) -> str:
    """Values with their types, the sign of zero and whatever else ``==`` passes over."""
    return repr(values)


@given(run=st.lists(files, min_size=1, max_size=5))
def test_files_by_columns_are_the_files(run: list[EntityFile]) -> None:
    found = list(pickle.loads(pickle.dumps(FileRun.of(run))))  # noqa: S301 - our own
    assert spelt(found) == spelt(run)
    assert all(type(file.stat) is Stat for file in found)
    assert [type(file.record) for file in found] == [type(file.record) for file in run]


@given(st.lists(st.tuples(kinds, st.text(max_size=3), st.tuples(*[numbers] * 7)), min_size=1))
def test_files_that_nobody_read_are_columns_at_once(
    each: list[tuple[Kind, str, tuple[int, ...]]],
) -> None:
    kinds_of, paths, stats = zip(*each, strict=True)
    columns = list(zip(*stats, strict=True))
    run = FileRun.unread(kinds_of, paths, columns)
    made = [EntityFile(k, p, FileStatus.UNREAD, Stat._make(s)) for k, p, s in each]
    assert list(run) == made
    assert [run.file(at) for at in range(len(made))] == made
    assert run.has_stats(columns)
    other = [tuple(value + 1 for value in columns[0]), *columns[1:]]
    assert not run.has_stats(other)


@given(parts=st.lists(many_files, max_size=4))
def test_a_table_has_the_files_and_each_field_of_them(parts: list[tuple[EntityFile, ...]]) -> None:
    whole = tuple(file for part in parts for file in part)
    table = FileTable(FileRun.of(part) for part in parts if part)
    for _ in range(2):
        assert len(table) == len(whole)
        assert table == whole
        assert table[1:-1] == list(whole[1:-1])
        assert [table[at] for at in range(-len(whole), len(whole))] == [*whole, *whole]
        assert FileTable(table.runs) == whole
        for name in NAMES:
            assert spelt(column_of(table, name)) == spelt(column_of(whole, name))
        # The same once more, when they are kept as objects.
        assert all(one is other for one, other in zip(kept(table), table, strict=True))
    with pytest.raises(IndexError):
        table[len(whole)]


@pytest.mark.parametrize("name", [None, "path", "stat.size", "record.id"])
def test_who_goes_through_a_table_meets_all_of_it_whatever_others_do(name: str | None) -> None:
    stat = Stat(1, 2, 3, 4, 5, 6, 7)
    whole = [
        EntityFile("memory", str(n), FileStatus.WHOLE, stat, record=Record("memory", str(n)))
        for n in range(6)
    ]
    table = FileTable(FileRun.of(whole[at : at + 2]) for at in range(0, 6, 2))
    walk = iter(table) if name is None else each_of(table, name)
    found = [next(walk)]
    assert list(table.kept()) == whole
    assert [*found, *walk] == (whole if name is None else column_of(whole, name))


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


@given(parts=st.lists(many_files, max_size=4), data=st.data())
def test_chosen_files_are_those_that_are_wanted(
    parts: list[tuple[EntityFile, ...]], data: st.DataObject
) -> None:
    whole = [file for part in parts for file in part]
    wanted = data.draw(st.lists(st.booleans(), min_size=len(whole), max_size=len(whole)))
    table = FileTable(FileRun.of(part) for part in parts if part)
    left = list(compress(whole, wanted))
    assert spelt(list(FileTable.chosen(table, wanted))) == spelt(left)
    assert spelt(list(FileTable.chosen(whole, wanted))) == spelt(left)


@given(parts=st.lists(many_files, max_size=4))
def test_files_are_found_by_path_as_in_a_dict(parts: list[tuple[EntityFile, ...]]) -> None:
    whole = [file for part in parts for file in part]
    known = {file.path: file for file in whole}
    found = FilesByPath(FileTable(FileRun.of(part) for part in parts if part))
    assert len(found) == len(known)
    assert set(found) == set(known)
    assert spelt([found[path] for path in known]) == spelt(list(known.values()))
    for path in ("", "\x7f", *(path + "x" for path in known)):
        assert (path in found) == (path in known)


@given(parts=st.lists(many_files, max_size=4))
def test_files_are_found_by_entity_as_in_a_dict(parts: list[tuple[EntityFile, ...]]) -> None:
    known: dict[EntityRef, list[EntityFile]] = {}
    for file in (file for part in parts for file in part):
        if file.ref is not None:
            known.setdefault(file.ref, []).append(file)
    found = FilesByRef(FileTable(FileRun.of(part) for part in parts if part))
    assert (list(found), len(found)) == (list(known), len(known))
    assert spelt([found[ref] for ref in known]) == spelt(list(known.values()))
    other: dict[Kind, Kind] = {"memory": "assembly", "assembly": "memory"}
    for ref in (EntityRef("memory", ""), *(EntityRef(other[ref.kind], ref.id) for ref in known)):
        assert (ref in found) == (ref in known)
        assert spelt(list(found.get(ref, ()))) == spelt(known.get(ref, []))


@given(parts=st.lists(many_files, max_size=4), data=st.data())
def test_some_files_are_those_at_their_places(
    parts: list[tuple[EntityFile, ...]], data: st.DataObject
) -> None:
    whole = [file for part in parts for file in part]
    wanted = data.draw(st.lists(st.booleans(), min_size=len(whole), max_size=len(whole)))
    table = FileTable(FileRun.of(part) for part in parts if part)
    which = np.array(wanted, dtype=np.bool_)
    left = list(compress(whole, wanted))
    for files_of_all in (whole, table, table.kept(), table):
        assert spelt(list(some_of(files_of_all, which))) == spelt(left)
        assert spelt(list(picked(files_of_all, "path", which))) == spelt([f.path for f in left])
        for name in ("kind", "status", "dim", "embedding"):
            values = column_of(whole, name)
            for value in {*values, 7, None}:
                found = equal_to(files_of_all, name, value).tolist()
                assert found == [own == value for own in values]


def test_who_goes_through_some_files_meets_all_of_them_whatever_others_do() -> None:
    stat = Stat(1, 2, 3, 4, 5, 6, 7)
    whole = [EntityFile("memory", str(n), FileStatus.UNREAD, stat) for n in range(6)]
    table = FileTable(FileRun.of(whole[at : at + 2]) for at in range(0, 6, 2))
    walk = some_of(table, np.ones(6, dtype=np.bool_))
    found = [next(walk)]
    assert list(table.kept()) == whole
    assert [*found, *walk] == whole


@given(one=st.lists(files, min_size=1, max_size=4), other=st.lists(files, min_size=1, max_size=4))
def test_columns_of_equal_bytes_have_equal_values(
    one: list[EntityFile], other: list[EntityFile]
) -> None:
    other = other[: len(one)] + one[len(other) :]
    runs = [FileRun.of(run) for run in (one, other, [*one])]
    for name in ("sha256", "norm", *(f"record.{name}" for name in Record._fields)):
        mine, theirs, again = (run.packed(name) for run in runs)
        assert mine == again
        if mine is not None and mine == theirs:
            assert spelt(column_of(one, name)) == spelt(column_of(other, name))


@given(many_files)
def test_files_are_given_out_for_the_last_time(many: tuple[EntityFile, ...]) -> None:
    table = FileTable.of(many)
    each = spent(table)
    assert list(chain.from_iterable(each)) == list(many)
    assert len(table) == 0
    assert list(chain.from_iterable(spent(many))) == list(many)


class WatchedRun(FileRun):
    """One of which can be told whether it is gone."""

    __slots__ = ("__weakref__",)


def test_columns_go_as_soon_as_they_are_through() -> None:
    stat = Stat(0, 0, 0, 0, 0, 1, 0)
    files = [EntityFile("memory", str(n), FileStatus.UNREAD, stat) for n in range(3)]
    table = FileTable(WatchedRun.of([file]) for file in files)
    first, _, last = map(weakref.ref, table.runs)
    each = spent(table)
    assert [list(next(each)), list(next(each))] == [[file] for file in files[:2]]
    assert first() is None
    assert last() is not None
