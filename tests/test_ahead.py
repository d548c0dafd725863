"""Which command lines have worker processes begin before they are understood."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from synthstore.cli import ahead

Asked = list[tuple[list[str], Sequence[str]]]


@pytest.fixture(name="asked")
def the_stores_asked_for(monkeypatch: pytest.MonkeyPatch) -> Asked:
    asked: Asked = []

    def expect(stores: Sequence[Path], jobs: int | None, modules: Sequence[str]) -> None:
        assert jobs is None
        asked.append(([*map(str, stores)], modules))

    monkeypatch.setattr(ahead, "expect", expect)
    return asked


@pytest.mark.parametrize(
    ("args", "stores"),
    [
        (["verify", "/a", "/b"], ["/a", "/b"]),
        (["rebuild-index", "-y", "/a"], ["/a"]),
        (["export", "/a", "-o", "x.jsonl", "-q"], ["/a", "x.jsonl"]),
    ],
)
def test_every_word_may_be_the_store(asked: Asked, args: list[str], stores: list[str]) -> None:
    ahead.start(args)
    assert [found for found, _ in asked] == [stores]


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["--version"],
        ["snapshots", "/a"],
        ["verify", "--quick", "/a"],
        ["verify", "/a", "--jobs", "1"],
        ["verify", "/a", "--jobs=1"],
        ["export", "/a", "--executor=dask=tcp://h:1"],
        ["export", "-h"],
        ["rebuild-index", "--help"],
    ],
)
def test_where_none_may_be_wanted_nothing_begins(asked: Asked, args: list[str]) -> None:
    ahead.start(args)
    assert asked == []


def test_the_workers_of_an_export_have_what_they_need(asked: Asked) -> None:
    ahead.start(["export", "/a"])
    assert asked == [(["/a"], ("synthstore.transfer.reading",))]


@pytest.fixture(name="counted")
def the_files_counted(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    counted: list[str | None] = []

    def newest_files(repo: str | None) -> int:
        counted.append(repo)
        return 5

    def expect_files(count: int, jobs: int | None, modules: Sequence[str]) -> None:
        assert (count, jobs, modules) == (5, None, ("synthstore.backup.decoding",))

    monkeypatch.setattr(ahead, "newest_files", newest_files)
    monkeypatch.setattr(ahead, "expect_files", expect_files)
    return counted


@pytest.mark.parametrize(
    ("args", "repos"),
    [
        (["restore", "/a", "--repo", "/r"], ["/r"]),
        (["restore", "--repo=/r", "/a", "-q"], ["/r"]),
        (["restore", "/a"], [None]),
        (["restore", "/a", "--repo"], [""]),
        (["restore", "/a", "--repo", "/r", "-n"], []),
        (["restore", "/a", "--repo", "/r", "--dry-run"], []),
        (["restore", "/a", "--repo", "/r", "--jobs", "1"], []),
        (["backup", "/a", "--repo", "/r"], []),
    ],
)
def test_a_restore_looks_at_the_repository_that_is_named(
    counted: list[str | None], args: list[str], repos: list[str | None]
) -> None:
    ahead.start(args)
    assert counted == repos
