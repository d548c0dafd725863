"""Healthy native stores of any size, written without holding one."""

from __future__ import annotations

import json
import random
import uuid
from pathlib import Path

import numpy as np

from synthstore.testing import spelling
from synthstore.testing.flat_bytes import Flat
from tests.vaults import settle

CATALOG = "memory_index.json"
INDEX = "vector_index/memory_vectors.faiss"
MAPPING = "vector_index/mapping.json"


def build(root: Path, memories: int, dim: int, seed: int = 1) -> Path:
    """Write a store of ``memories`` with unit embeddings, all files old enough to be believed."""
    for folder in ("memories", "assemblies", "vector_index"):
        (root / folder).mkdir(parents=True)
    dice, normal = random.Random(seed), np.random.default_rng(seed)
    rows: dict[str, object] = {}
    matrix = np.empty((memories, dim), dtype=np.float32)
    for n in range(memories):
        name = str(uuid.UUID(int=dice.getrandbits(128), version=4))
        vector = normal.normal(size=dim)
        matrix[n] = vector / np.linalg.norm(vector)
        document = spelling.memory("native", name, n, matrix[n])
        raw, path = spelling.entity_text("native", document), f"memories/{name}.json"
        (root / path).write_bytes(raw)
        rows[name] = spelling.row("native", document, path, raw)
    _parts(root, rows, matrix)
    settle(root)
    return root


def _parts(root: Path, rows: dict[str, object], matrix: np.ndarray) -> None:
    metadata = {
        "version": "2.3.0",
        "last_updated": spelling.native_time(spelling.instant(77)),
        "memory_count": len(rows),
        "assembly_count": 0,
    }
    catalog = {"memories": rows, "assemblies": {}, "metadata": metadata}
    (root / CATALOG).write_bytes(spelling.entity_text("native", catalog))
    entries = {name: spelling.numeric(name) for name in rows}
    ids = np.array(list(entries.values()), dtype=np.int64)
    (root / INDEX).write_bytes(Flat("IxM2", False, ids, matrix).dump())
    (root / MAPPING).write_bytes(spelling.mapping_text("native", entries))


def lose_parts(root: Path) -> None:
    """Take a row from the catalog, and the vectors: what a rebuild then has to write anew."""
    catalog = json.loads((root / CATALOG).read_bytes())
    catalog["memories"].popitem()
    (root / CATALOG).write_bytes(spelling.entity_text("native", catalog))
    for part in (INDEX, MAPPING):
        (root / part).unlink()
