"""A look that knows the embeddings holds the index against them without a second copy."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from synthstore.repair.rebuild import RebuildOptions, rebuild_index
from synthstore.scan.known import Known
from synthstore.store.evidence import recognise
from synthstore.testing.harm import flipped
from synthstore.testing.plugin import MakeStore
from synthstore.verify import Look, LookOptions, look

DIM = 16


@pytest.fixture
def root(make_store: MakeStore) -> Path:
    """A store with an index in the order of its files, all so old that a later change shows."""
    store = make_store(n=30, dim=DIM)
    (index,) = store.rglob("*.faiss")
    index.unlink()
    asyncio.run(rebuild_index(store, RebuildOptions(), confirm=lambda _: True))
    return aged(store)


def aged(root: Path) -> Path:
    for path in root.rglob("*"):
        os.utime(path, ns=(10**18, 10**18))
    return root


def seen(root: Path, known: Known | None = None) -> Look:
    options = LookOptions()
    if known is None:
        return asyncio.run(look(root, recognise(root, None), options))
    return asyncio.run(look(root, recognise(root, None), options, known=known))


def test_vectors_that_are_known_are_not_had_twice(root: Path) -> None:
    first = seen(root)
    then = seen(root, Known.of(first.inventory))
    assert first.inventory.index.vectors is not first.inventory.tables[DIM].matrix
    assert then.inventory.index.vectors is then.inventory.tables[DIM].matrix
    assert then.findings == first.findings


@pytest.mark.parametrize("at", [100, -400])
def test_a_flipped_vector_is_found_all_the_same(at: int, root: Path) -> None:
    known = Known.of(seen(root).inventory)
    (index,) = root.rglob("*.faiss")
    raw = index.read_bytes()
    index.write_bytes(flipped(raw, at % len(raw)))
    assert [finding.code for finding in seen(root, known).findings] == ["V005"]
