"""FAISS itself, as the tests compare with it; the product only runs it in child processes."""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthstore.model.embedding import FloatMatrix, IdArray
from synthstore.model.facts import IndexFacts, PartStatus
from synthstore.store.index_building import IndexContent

with warnings.catch_warnings():
    # Its SWIG types lack a __module__, which newer Pythons deprecate at import.
    warnings.simplefilter("ignore", DeprecationWarning)
    import faiss as _faiss

faiss: Any = _faiss
INDEX = "vector_index/memory_vectors.faiss"
DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
EXACT = ["IDMap2,HNSW8", "IDMap,HNSW8", "IVF4,Flat", "IDMap2,IVF4,Flat", "IDMap,IVF4_HNSW4,Flat"]
LOSSY = ["IDMap2,SQ8", "IDMap2,PQ4x4np", "IVF4,SQ8", "IDMap2,PCA4,Flat", "PCA4,IVF4,Flat"]
METRICS = {"ip": faiss.METRIC_INNER_PRODUCT, "l2": faiss.METRIC_L2}


def real_store(name: str) -> Path:
    """A store that a real Memory Core left; skips the test where they are not at hand."""
    if not DATA.is_dir():
        pytest.skip("the real stores are not beside this checkout")
    return DATA / name


def sample(count: int, dim: int, seed: int = 0) -> tuple[IdArray, FloatMatrix]:
    """Ids of up to 63 bits and vectors, the same ones for the same arguments."""
    rng = np.random.default_rng([count, dim, seed])
    ids = rng.choice(2**62, size=count, replace=False) if count else np.empty(0, np.int64)
    return ids.astype(np.int64), rng.normal(size=(count, dim)).astype(np.float32)


def make_index(factory: str, metric: str, ids: IdArray, vectors: FloatMatrix) -> Any:
    """An index as FAISS makes it; ids are left out where its type holds none."""
    index = faiss.index_factory(vectors.shape[1], factory, METRICS[metric])
    if not index.is_trained:
        index.train(vectors)
    if "IDMap" in factory or "IVF" in factory:
        index.add_with_ids(vectors, ids)
    else:
        index.add(vectors)
    return index


def serialized(index: Any) -> bytes:
    """The bytes of ``faiss.serialize_index``."""
    return bytes(faiss.serialize_index(index).tobytes())


def put(root: Path, raw: bytes, path: str = INDEX) -> None:
    """Put ``raw`` at a path of the store at ``root``."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(raw)


def put_index(root: Path, factory: str, metric: str, ids: IdArray, vectors: FloatMatrix) -> bytes:
    """Put an index of FAISS's own making into the store at ``root``; gives back its bytes."""
    raw = serialized(make_index(factory, metric, ids, vectors))
    put(root, raw)
    return raw


def written(content: IndexContent) -> bytes:
    """The bytes that ``content`` writes."""
    out = io.BytesIO()
    content(out)
    assert content.size == len(out.getvalue())
    return out.getvalue()


def assert_holds(facts: IndexFacts, ids: IdArray, vectors: FloatMatrix) -> None:
    """The index is sound, and has exactly these vectors under these ids."""
    assert (facts.status, facts.problem) == (PartStatus.OK, None)
    assert (facts.ntotal, facts.dim) == vectors.shape
    assert facts.ids is not None
    assert facts.vectors is not None
    found = dict(zip(facts.ids.tolist(), facts.vectors[:], strict=True))
    assert len(found) == len(ids)
    for number, vector in zip(ids.tolist(), vectors, strict=True):
        assert np.array_equal(found[number], vector)


def assert_unreadable(facts: IndexFacts, root: Path, because: str = "") -> None:
    """The index is damaged, for a reason that is told, and its bytes are known."""
    assert facts.status is PartStatus.UNREADABLE
    assert facts.problem
    assert because in facts.problem
    assert (facts.ids, facts.vectors) == (None, None)
    assert facts.sha256 == hashlib.sha256((root / INDEX).read_bytes()).hexdigest()
