"""Tables that are put together are all their files in order, and what need not change stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from synthstore.model.columns import FileRun, FileTable
from synthstore.model.facts import EntityFile, FileStatus, Stat
from synthstore.model.merging import merged


def file(path: str) -> EntityFile:
    return EntityFile("memory", path, FileStatus.UNREAD, Stat(1, 2, 3, 4, 5, 6, 7))


def table(paths: list[str], size: int) -> FileTable:
    parts = [paths[at : at + size] for at in range(0, len(paths), size)]
    return FileTable(FileRun.of(list(map(file, part))) for part in parts)


@given(
    paths=st.sets(st.text("abc", min_size=1, max_size=3), max_size=12).map(sorted),
    size=st.integers(1, 4),
    data=st.data(),
)
def test_they_are_all_files_in_order(paths: list[str], size: int, data: st.DataObject) -> None:
    whose = data.draw(st.lists(st.integers(0, 2), min_size=len(paths), max_size=len(paths)))
    parts = [[path for path, one in zip(paths, whose, strict=True) if one == n] for n in range(3)]
    tables = [table(parts[0], size), tuple(map(file, parts[1])), table(parts[2], size)]
    assert list(merged(tables)) == list(map(file, paths))


def test_runs_between_which_nothing_falls_stay() -> None:
    long = table(["a", "c", "e", "g", "i", "k"], 2)
    found = merged([(file("d"), file("z")), long])
    assert [one.path for one in found] == ["a", "c", "d", "e", "g", "i", "k", "z"]
    assert found.runs[0] is long.runs[0]
    assert found.runs[2] is long.runs[2]


def test_of_nothing_there_is_nothing() -> None:
    assert list(merged([])) == list(merged([(), ()])) == []
