"""Vectors of an index that are rows of a matrix at hand take no room of their own."""

from __future__ import annotations

import asyncio
import hashlib
import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from synthstore.checks.blocks import equal, not_finite
from synthstore.checks.registry import check
from synthstore.model.chosen import ChosenRows, Vectors, chosen, detached
from synthstore.model.embedding import FloatMatrix
from synthstore.repair.placing import Placed, plan_around
from synthstore.scan import scanner
from synthstore.scan.scanner import ScanOptions, scan
from synthstore.scan.shard import facts_of
from synthstore.store import flat_index
from synthstore.store.evidence import recognise
from synthstore.store.flat_index import FlatContent, flat_content, read_flat
from synthstore.store.flat_source import BLOCK
from synthstore.testing.damages import DAMAGES
from synthstore.testing.stores import build

DIM = 8
COUNT = BLOCK // (4 * DIM) + 100


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flat_index, "MANY", 0)
    monkeypatch.setattr(scanner, "MANY", 0)


@pytest.fixture
def matrix() -> FloatMatrix:
    return np.random.default_rng(1).normal(size=(COUNT, DIM)).astype(np.float32)


def read(folder: Path, vectors: Vectors, twin: FloatMatrix) -> Vectors | None:
    """What is read of a file of these vectors, whose bytes are hashed on the way."""
    out = BytesIO()
    flat_content("IDMap2,Flat", "ip", np.arange(len(vectors)) * 3, vectors)(out)
    path = folder / "index"
    path.write_bytes(out.getvalue())
    with path.open("rb") as file:
        found = read_flat(file.fileno(), len(out.getvalue()), twins={twin.shape[1]: twin})
    assert found is not None
    assert found.sha256 == hashlib.sha256(out.getvalue()).hexdigest()
    assert found.ids.tolist() == (np.arange(len(vectors)) * 3).tolist()
    return found.vectors


def test_rows_in_another_order_are_places(tmp_path: Path, matrix: FloatMatrix) -> None:
    order = np.random.default_rng(2).permutation(COUNT)
    found = read(tmp_path, matrix[order], matrix)
    assert isinstance(found, ChosenRows)
    assert found.first is matrix
    assert len(found.second) == 0
    assert np.array_equal(found.order, order)


def test_rows_in_the_same_order_are_the_matrix(tmp_path: Path, matrix: FloatMatrix) -> None:
    assert read(tmp_path, matrix.copy(), matrix) is matrix


def test_vectors_that_are_no_rows_are_kept_beside(tmp_path: Path, matrix: FloatMatrix) -> None:
    vectors = matrix[::-1].copy()
    vectors[3, 2] += 1
    vectors[-1] = np.nan
    found = read(tmp_path, vectors, matrix)
    assert isinstance(found, ChosenRows)
    assert len(found.second) == 2
    assert found[:].tobytes() == vectors.tobytes()
    assert not_finite(found).tolist() == [COUNT - 1]


def test_equal_embeddings_are_any_of_their_rows(tmp_path: Path, matrix: FloatMatrix) -> None:
    matrix[7] = matrix[5]
    found = read(tmp_path, matrix[::-1], matrix)
    assert isinstance(found, ChosenRows)
    at, rows = np.arange(COUNT), np.arange(COUNT)[::-1]
    assert equal(found, at, matrix, rows).all()


def test_where_too_few_are_rows_all_are_read(tmp_path: Path, matrix: FloatMatrix) -> None:
    vectors = matrix[::-1] * 2
    found = read(tmp_path, vectors, matrix)
    assert isinstance(found, np.ndarray)
    assert found.tobytes() == vectors.tobytes()


def test_a_bit_that_differs_shows(matrix: FloatMatrix) -> None:
    one = ChosenRows(matrix, -matrix[:1], np.array([2, COUNT, 1], dtype=np.intp))
    at, rows = np.arange(3), np.array([2, 0, 2], dtype=np.intp)
    assert equal(one, at, matrix, rows).tolist() == [True, False, False]


def test_a_longer_matrix_has_other_rows_behind(matrix: FloatMatrix) -> None:
    # The number of an own row is that of a row which the matrix got since.
    one = ChosenRows(matrix[:4], -matrix[:1], np.array([4], dtype=np.intp))
    assert not equal(one, np.array([0]), matrix, np.array([4])).any()


def test_what_is_chosen_twice_is_chosen_once(matrix: FloatMatrix) -> None:
    one = ChosenRows(matrix, -matrix[:2], np.array([5, COUNT + 1, 3], dtype=np.intp))
    more = matrix[:4] + 1
    order = np.array([0, 4, 1, 2, 6], dtype=np.intp)
    whole = np.concatenate([one[:], more])[order]
    assert np.array_equal(chosen(one, more, order)[:], whole)
    again = chosen(one, matrix, order)
    assert len(again.second) == 2
    assert np.array_equal(again[:], np.concatenate([one[:], matrix])[order])


@pytest.mark.parametrize("shared", [True, False])
def test_detached_vectors_stay_as_they_are(matrix: FloatMatrix, *, shared: bool) -> None:
    order = np.array([5, COUNT, 3, 5], dtype=np.intp)
    vectors: Vectors = ChosenRows(matrix, matrix[:1] * 2, order) if shared else matrix
    before = vectors[:].copy()
    apart = detached(vectors, matrix, [5, 9])
    matrix[[5, 9]] = 0
    assert np.array_equal(apart[:], before)


@pytest.mark.parametrize("count", [1, 3])
def test_a_vector_follows_its_file_though_it_was_its_embedding(count: int, tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    inventory = asyncio.run(scan(built.root, recognise(built.root), ScanOptions(jobs=1)))
    assert isinstance(inventory.index.vectors, ChosenRows)
    placed, wanted = Placed(), built.vectors().vectors.copy()
    for path in sorted((built.root / "memories").iterdir())[:count]:
        document = json.loads(path.read_bytes())
        document["embedding"] = document["embedding"][::-1]
        wanted[built.position(path.stem)] = document["embedding"]
        raw, name = json.dumps(document).encode(), f"memories/{path.name}"
        placed.add(*facts_of(inventory.layout, "memory", name, raw, inventory.by_path[name].stat))
    planned = plan_around(built.root, inventory, placed)
    (index,) = (change for change in planned.changes if change.path == inventory.index.path)
    assert isinstance(index.content, FlatContent)
    assert index.content.vectors[:].tobytes() == wanted.tobytes()
    assert len(planned.actions) > count


@pytest.mark.parametrize("damage", ["vector-bit-flipped", "nan-in-index", "orphan-vector"])
def test_the_findings_are_the_same(
    tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = build("native", tmp_path / "store")
    next(one for one in DAMAGES if one.name == damage).apply(built)
    found = asyncio.run(scan(built.root, recognise(built.root), ScanOptions(jobs=1)))
    assert isinstance(found.index.vectors, ChosenRows)
    monkeypatch.setattr(scanner, "MANY", COUNT)
    plain = asyncio.run(scan(built.root, recognise(built.root), ScanOptions(jobs=1)))
    assert isinstance(plain.index.vectors, np.ndarray)
    assert check(found) == check(plain) != ()
