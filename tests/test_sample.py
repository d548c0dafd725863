"""Samples: the same bytes on any machine, and stores in good order."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from synthstore.testing.spelling import Name
from synthstore.transfer.making import embedding_for, sample
from tests import oracle
from tests.operate import look
from tests.transfers import make_sample, rows_of
from tests.trees import sha_tree

GOLDEN = {
    "native": "56b5c4d49716cc9c63f7264aa50594f1ecbaea89bbcc65527c26ceb1d23c5316",
    "core-4": "9aae37e4b1aed3f557839eff30f84703007312b7b3dd1cfb118a55eb8d3b93b4",
}
"""sha256 over names and bytes of a store of 25 memories, 12 numbers each, seed 7."""


def digest(store: Path) -> str:
    lines = (f"{path} {what}" for path, (what, _) in sorted(sha_tree(store).items()))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@pytest.mark.parametrize("layout", GOLDEN)
def test_a_sample_is_the_same_bytes_everywhere(layout: Name, tmp_path: Path) -> None:
    store = make_sample(tmp_path / "store", n=25, dim=12, seed=7, layout=layout)
    assert digest(store) == GOLDEN[layout]
    assert look(store).clean
    assert oracle.problems(store, layout) == []
    assert look(store).counts.assemblies == 2


def test_other_wishes_are_other_stores(tmp_path: Path) -> None:
    wishes = [(25, 12, 7), (25, 12, 8), (25, 13, 7), (24, 12, 7)]
    stores = [make_sample(tmp_path / str(n), *wish) for n, wish in enumerate(wishes)]
    assert len({digest(store) for store in stores}) == 4
    first, larger = rows_of(stores[3]), rows_of(stores[0])
    assert all(row in larger for row in first if row["kind"] == "memory")


@pytest.mark.parametrize("n", [0, 1, 11, 12])
def test_small_samples(n: int, tmp_path: Path) -> None:
    report = look(make_sample(tmp_path / "store", n=n, dim=1))
    assert (report.clean, report.counts.memories) == (True, n)


def test_members_exist_and_point_the_same_way() -> None:
    records = list(sample(48, 64, 3))
    memories = {row["id"]: row for row in records if row["kind"] == "memory"}
    assemblies = [row for row in records if row["kind"] == "assembly"]
    assert len(assemblies) == 4
    for row in assemblies:
        topics = {memories[member]["metadata"]["topic"] for member in row["memory_ids"]}
        assert len(topics) == 1


def test_an_embedding_of_a_text() -> None:
    vector = embedding_for("harbour", 3)
    assert vector == embedding_for("harbour", 3) != embedding_for("harbours", 3)
    assert sum(x * x for x in vector) == pytest.approx(1)
    assert json.dumps(vector) == "[-0.5348430871963501, 0.28087401390075684, 0.7969019412994385]"
