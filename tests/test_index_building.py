"""A new index: of the type that there was, of one asked for, or of the default."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synthstore.errors import OperationError, UsageError
from synthstore.model.embedding import FloatMatrix, IdArray
from synthstore.model.facts import IndexFacts, PartStatus
from synthstore.store.index_building import rebuild_content
from synthstore.store.vectors import read_back, read_index
from tests.faiss_reference import (
    EXACT,
    INDEX,
    assert_holds,
    faiss,
    make_index,
    put,
    put_index,
    sample,
    serialized,
    written,
)


def rebuilt(root: Path, facts: IndexFacts | None, ids: IdArray, vectors: FloatMatrix) -> bytes:
    metric = facts.metric if facts is not None and facts.metric else "ip"
    content = rebuild_content(
        root, facts, None, metric, ids, vectors, default_factory="IDMap2,Flat"
    )
    return written(content)


@pytest.mark.parametrize("factory", ["IDMap2,Flat", "IDMap,Flat"])
@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_a_flat_index_is_rebuilt_as_it_was(factory: str, metric: str, tmp_path: Path) -> None:
    put_index(tmp_path, factory, metric, *sample(10, 4))
    ids, vectors = sample(12, 6, seed=1)
    raw = rebuilt(tmp_path, read_index(tmp_path, INDEX), ids, vectors)
    assert raw == serialized(make_index(factory, metric, ids, vectors))


def test_a_bare_flat_index_stays_bare_only_for_positions(tmp_path: Path) -> None:
    put_index(tmp_path, "Flat", "l2", *sample(10, 4))
    facts = read_index(tmp_path, INDEX)
    ids, vectors = sample(8, 4)
    positions = np.arange(8)
    assert rebuilt(tmp_path, facts, positions, vectors) == serialized(
        make_index("Flat", "l2", positions, vectors)
    )
    assert rebuilt(tmp_path, facts, ids, vectors) == serialized(
        make_index("IDMap2,Flat", "l2", ids, vectors)
    )


@pytest.mark.parametrize("factory", [*EXACT, "HNSW8"])
def test_another_type_is_rebuilt_as_it_was(factory: str, tmp_path: Path) -> None:
    put_index(tmp_path, factory, "l2", *sample(100, 8))
    ids, vectors = sample(90, 8, seed=1)
    put(tmp_path, rebuilt(tmp_path, read_index(tmp_path, INDEX), ids, vectors), "new")
    facts = read_back(tmp_path / "new")
    assert_holds(facts, ids, vectors)
    assert facts.metric == "l2"
    assert facts.description == (factory if factory != "HNSW8" else "IDMap2,HNSW8")


def test_training_is_kept(tmp_path: Path) -> None:
    """An IVF index too small to be trained again keeps the clusters that it has."""
    put_index(tmp_path, "IVF16,Flat", "ip", *sample(100, 8))
    old = faiss.read_index(str(tmp_path / INDEX))
    ids, vectors = sample(3, 8, seed=1)
    put(tmp_path, rebuilt(tmp_path, read_index(tmp_path, INDEX), ids, vectors))
    assert_holds(read_index(tmp_path, INDEX), ids, vectors)
    new = faiss.read_index(str(tmp_path / INDEX))
    before, after = (index.quantizer.reconstruct_n(0, 16) for index in (old, new))
    assert np.array_equal(before, after)


def test_a_type_is_kept_in_another_dimension_and_metric(tmp_path: Path) -> None:
    put_index(tmp_path, "IDMap2,HNSW8", "l2", *sample(40, 8))
    ids, vectors = sample(50, 6, seed=1)
    facts = read_index(tmp_path, INDEX)
    content = rebuild_content(tmp_path, facts, None, "ip", ids, vectors, default_factory="Flat")
    put(tmp_path, written(content))
    facts = read_index(tmp_path, INDEX)
    assert_holds(facts, ids, vectors)
    assert (facts.description, facts.metric) == ("IDMap2,HNSW8", "ip")


def test_another_metric_is_kept(tmp_path: Path) -> None:
    ids, vectors = sample(10, 4)
    index = faiss.index_factory(4, "IDMap2,Flat", faiss.METRIC_Lp)
    index.index.metric_arg = index.metric_arg = 3.0
    index.add_with_ids(vectors, ids)
    put(tmp_path, serialized(index))
    facts = read_index(tmp_path, INDEX)
    put(tmp_path, rebuilt(tmp_path, facts, ids[:5], vectors[:5]))
    assert_holds(read_index(tmp_path, INDEX), ids[:5], vectors[:5])
    assert faiss.read_index(str(tmp_path / INDEX)).metric_arg == 3.0


@pytest.mark.parametrize("status", [None, PartStatus.MISSING, PartStatus.UNREADABLE])
@pytest.mark.parametrize("default", ["IDMap2,Flat", "IDMap,Flat"])
def test_without_an_old_index_the_default_is_written(
    status: PartStatus | None, default: str, tmp_path: Path
) -> None:
    facts = None if status is None else IndexFacts(status, INDEX)
    ids, vectors = sample(10, 4)
    content = rebuild_content(tmp_path, facts, None, "l2", ids, vectors, default_factory=default)
    assert written(content) == serialized(make_index(default, "l2", ids, vectors))


@pytest.mark.parametrize("factory", ["IDMap2,Flat", "IDMap2,HNSW8", "IVF4,Flat", "HNSW8"])
def test_a_type_asked_for_is_made(factory: str, tmp_path: Path) -> None:
    put_index(tmp_path, "IDMap,Flat", "ip", *sample(10, 4))
    facts = read_index(tmp_path, INDEX)
    ids, vectors = sample(60, 8, seed=1)
    content = rebuild_content(tmp_path, facts, factory, "l2", ids, vectors, default_factory="Flat")
    put(tmp_path, written(content))
    facts = read_index(tmp_path, INDEX)
    assert_holds(facts, ids, vectors)
    assert facts.metric == "l2"
    assert facts.description == (factory if factory != "HNSW8" else "IDMap2,HNSW8")


@pytest.mark.parametrize("factory", ["IDMap2,HNSW8", "IVF4,Flat"])
def test_the_same_vectors_make_the_same_bytes(factory: str, tmp_path: Path) -> None:
    ids, vectors = sample(200, 8)
    first, second = (
        written(rebuild_content(tmp_path, None, factory, "l2", ids, vectors, default_factory=""))
        for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize("factory", ["IDMap2,Flat", "IDMap2,HNSW8"])
def test_all_vectors_may_go(factory: str, tmp_path: Path) -> None:
    put_index(tmp_path, factory, "ip", *sample(20, 8))
    empty = np.empty((0, 0), np.float32)
    put(tmp_path, rebuilt(tmp_path, read_index(tmp_path, INDEX), np.empty(0, np.int64), empty))
    facts = read_index(tmp_path, INDEX)
    assert (facts.status, facts.ntotal, facts.dim) == (PartStatus.OK, 0, 8)


@pytest.mark.parametrize(
    ("factory", "count", "message", "hint"),
    [
        ("IVF64,Flat", 10, "cannot be made of 10 vectors", "at least 64"),
        ("IDMap2,PQ4", 100, "cannot be made of 100 vectors", "at least 256"),
        ("IDMap2,SQ8", 0, "cannot be made of 0 vectors", "at least 1;"),
        ("IDMap2,NSG8", 20, "cannot be made of 20 vectors", "at least 100"),
        ("Nonsense32", 10, "makes no index of type 'Nonsense32'", "index factory"),
        ("", 10, "makes no index of type ''", "index factory"),
        ("IDMap2,PQ3", 300, "multiple of the number", "index factory"),
    ],
)
def test_a_type_that_cannot_be_made_is_a_usage_error(
    factory: str, count: int, message: str, hint: str, tmp_path: Path
) -> None:
    ids, vectors = sample(count, 8)
    with pytest.raises(UsageError, match=message) as caught:
        rebuild_content(tmp_path, None, factory, "ip", ids, vectors, default_factory="Flat")
    assert hint in (caught.value.hint or "")
    assert "cpp" not in caught.value.message


def test_a_metric_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cosine"):
        rebuild_content(tmp_path, None, None, "cosine", *sample(3, 4), default_factory="Flat")


def test_a_crash_while_building_is_an_operation_error(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="signal 6"):
        rebuild_content(tmp_path, None, "HNSW0", "ip", *sample(10, 4), default_factory="Flat")


def test_an_old_index_that_went_away_is_an_operation_error(tmp_path: Path) -> None:
    put_index(tmp_path, "IDMap2,HNSW8", "ip", *sample(10, 4))
    facts = read_index(tmp_path, INDEX)
    (tmp_path / INDEX).unlink()
    with pytest.raises(OperationError, match="again"):
        rebuilt(tmp_path, facts, *sample(10, 4))
