"""Index and mapping files as MemoryVectorIndex meets them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from synthstore.errors import OperationError
from synthstore.model.embedding import FloatMatrix, IdArray
from synthstore.model.facts import IndexFacts, PartStatus
from synthstore.store.flat_index import DESCRIPTIONS
from synthstore.store.mapping import read_mapping
from synthstore.store.vector_table import FaissTable, FlatTable, Table
from synthstore.store.vectors import read_index


def table_of(root: Path, index: IndexFacts) -> Table:
    """The vectors of an index that was read; OperationError where it gives none."""
    if index.ids is None or index.vectors is None:
        raise OperationError(f"{root / index.path} gives no vectors", hint="rebuild the index")
    if index.description in DESCRIPTIONS:
        return FlatTable.of(index.metric, index.ids, index.vectors[:])
    return FaissTable.read(root / index.path, index)


def problems_of(folder: Path, index_name: str, mapping_name: str) -> list[str]:
    """What is wrong with the files in ``folder``, one sentence each."""
    index, mapping = read_index(folder, index_name), read_mapping(folder, mapping_name)
    problems = [
        f"{part.path}: {part.problem or 'missing'}"
        for part in (index, mapping)
        if part.status is not PartStatus.OK
    ]
    if problems or index.ids is None or mapping.entries is None:
        return problems
    ids, named = index.ids.tolist(), set(mapping.entries.values())
    if len(set(ids)) < len(ids):
        problems.append(f"{index.path}: a numeric id stands twice")
    if unnamed := set(ids) - named:
        problems.append(f"{mapping.path}: {len(unnamed)} vectors have no name")
    if empty := named - set(ids):
        problems.append(f"{mapping.path}: {len(empty)} names have no vector")
    if index.vectors is not None and not np.isfinite(index.vectors[:]).all():
        problems.append(f"{index.path}: NaN or infinity in a vector")
    return problems


def nothing(dim: int) -> tuple[IdArray, FloatMatrix]:
    """No ids and no vectors."""
    return np.zeros(0, dtype=np.int64), np.zeros((0, dim), dtype=np.float32)
