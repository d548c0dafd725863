"""FAISS itself, as the tests compare with it; the product only runs it in child processes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from synthstore.model.embedding import FloatMatrix, IdArray

with warnings.catch_warnings():
    # Its SWIG types lack a __module__, which newer Pythons deprecate at import.
    warnings.simplefilter("ignore", DeprecationWarning)
    import faiss as _faiss

faiss: Any = _faiss
METRICS = {"ip": faiss.METRIC_INNER_PRODUCT, "l2": faiss.METRIC_L2}


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


def write_index(path: Path, factory: str, metric: str, ids: IdArray, vectors: FloatMatrix) -> bytes:
    """Put an index of FAISS's own making at ``path``; gives back its bytes."""
    raw = serialized(make_index(factory, metric, ids, vectors))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    return raw
