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
