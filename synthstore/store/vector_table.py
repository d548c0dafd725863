"""Vectors by number in memory: flat ones in numpy, all others in FAISS itself."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from synthstore.errors import OperationError, UsageError
from synthstore.files.walk import read_file
from synthstore.model.embedding import FloatMatrix, FloatVector, IdArray
from synthstore.model.facts import IndexFacts
from synthstore.shell import cited

Scores = npt.NDArray[np.float32]
_ROOM = 64
_CLOSER = 4
"""How many times ``k`` candidates are compared exactly where scores were estimated."""


class Table(Protocol):
    """Vectors of one dimension, each under a number of its own."""

    dim: int

    def add(self, numbers: IdArray, vectors: FloatMatrix) -> None:
        """Add vectors (n, dim) under new ``numbers`` (n,)."""

    def remove(self, number: int) -> None:
        """Remove the vector under ``number``."""

    def search(self, query: FloatVector, k: int) -> tuple[IdArray, Scores]:
        """Numbers and scores of the ``k`` nearest, best first."""


class FlatTable:
    """All vectors in one matrix, compared with each query; numpy holds no lock on Python there."""

    def __init__(self, dim: int, metric: str) -> None:
        self.dim = dim
        self._metric = metric
        self._count = 0
        self._ids: IdArray = np.zeros(_ROOM, dtype=np.int64)
        self._vectors: FloatMatrix = np.zeros((_ROOM, dim), dtype=np.float32)
        self._squares: Scores = np.zeros(_ROOM, dtype=np.float32)
        self._row: dict[int, int] = {}

    @classmethod
    def of(cls, metric: str, ids: IdArray, vectors: FloatMatrix) -> Self:
        """Take arrays over; they are the table's from now on."""
        table = cls(vectors.shape[1], metric)
        table._ids, table._vectors = ids, vectors
        table._count = len(ids)
        table._squares = _squares(vectors) if metric == "l2" else np.zeros(len(ids), np.float32)
        table._row = {number: row for row, number in enumerate(ids.tolist())}
        return table

    def add(self, numbers: IdArray, vectors: FloatMatrix) -> None:
        """Add vectors (n, dim) under new ``numbers`` (n,)."""
        start, end = self._count, self._count + len(numbers)
        self._make_room(end)
        self._ids[start:end] = numbers
        self._vectors[start:end] = vectors
        if self._metric == "l2":
            self._squares[start:end] = _squares(vectors)
        self._row.update((number, start + n) for n, number in enumerate(numbers.tolist()))
        self._count = end

    def _make_room(self, needed: int) -> None:
        have = len(self._ids)
        if needed <= have:
            return
        size = max(needed, 2 * have, _ROOM)
        for name in ("_ids", "_vectors", "_squares"):
            old = getattr(self, name)
            new = np.zeros((size, *old.shape[1:]), dtype=old.dtype)
            new[: self._count] = old[: self._count]
            setattr(self, name, new)

    def remove(self, number: int) -> None:
        """Remove the vector under ``number``; the last one takes its place."""
        row, last = self._row.pop(number), self._count - 1
        if row != last:
            for array in (self._ids, self._vectors, self._squares):
                array[row] = array[last]
            self._row[int(self._ids[row])] = row
        self._count = last

    def search(self, query: FloatVector, k: int) -> tuple[IdArray, Scores]:
        """Numbers and scores of the ``k`` nearest, best first."""
        vectors = self._vectors[: self._count]
        scores = vectors @ query
        if self._metric == "l2":
            estimated = 2 * scores - self._squares[: self._count]
            near = _best(estimated, min(_CLOSER * k, self._count))
            exact = -_squares(vectors[near] - query)
            order = np.argsort(-exact, kind="stable")[:k]
            return self._ids[near[order]], exact[order]
        near = _best(scores, k)
        return self._ids[near], scores[near]

    def arrays(self) -> tuple[IdArray, FloatMatrix]:
        """Numbers (n,) and vectors (n, dim), as copies."""
        return self._ids[: self._count].copy(), self._vectors[: self._count].copy()


def _squares(vectors: FloatMatrix) -> Scores:
    squares: Scores = np.einsum("ij,ij->i", vectors, vectors)
    return squares


def _best(scores: Scores, k: int) -> npt.NDArray[np.intp]:
    """Where the ``k`` highest scores are, the highest first."""
    near = np.argpartition(-scores, k - 1)[:k] if k < len(scores) else np.arange(len(scores))
    order: npt.NDArray[np.intp] = near[np.argsort(-scores[near], kind="stable")]
    return order


class FaissTable:
    """Any other type, as FAISS has it in this process."""

    def __init__(self, index: Any, metric: str) -> None:
        self._index = index
        self._sign = 1.0 if metric == "ip" else -1.0
        self.dim = int(index.d)

    @classmethod
    def fresh(cls, factory: str, dim: int, metric: str) -> Self:
        """An empty index; UsageError for a type that FAISS does not know, or has to train."""
        faiss = _faiss()
        number = faiss.METRIC_INNER_PRODUCT if metric == "ip" else faiss.METRIC_L2
        try:
            index = faiss.index_factory(dim, factory, number)
        except RuntimeError as error:
            raise UsageError(f"FAISS makes no index of type {factory!r}") from error
        if not index.is_trained:
            raise UsageError(
                f"an index of type {factory!r} must be trained first",
                hint=f"make it with {cited('synthstore rebuild-index --factory')}, then load it",
            )
        if not factory.startswith("IDMap"):
            index = faiss.IndexIDMap2(index)
        return cls(index, metric)

    @classmethod
    def read(cls, path: Path, facts: IndexFacts) -> Self:
        """The index that a child process has just read without harm: the very same bytes."""
        raw, _ = read_file(path.parent, path.name)
        if hashlib.sha256(raw).hexdigest() != facts.sha256:
            raise OperationError(f"{path} changed while it was read", hint="load it again")
        index = _faiss().deserialize_index(np.frombuffer(raw, dtype=np.uint8))
        return cls(index, facts.metric)

    def add(self, numbers: IdArray, vectors: FloatMatrix) -> None:
        """Add vectors (n, dim) under new ``numbers`` (n,)."""
        self._index.add_with_ids(vectors, numbers)

    def remove(self, number: int) -> None:
        """Remove the vector under ``number``; OperationError where the type cannot."""
        try:
            self._index.remove_ids(np.array([number], dtype=np.int64))
        except RuntimeError as error:
            raise OperationError(
                "this type of index cannot let a vector go",
                hint=f"rebuild() it, or {cited('synthstore rebuild-index')}",
            ) from error

    def search(self, query: FloatVector, k: int) -> tuple[IdArray, Scores]:
        """Numbers and scores of the ``k`` nearest, best first."""
        scores, numbers = self._index.search(query[np.newaxis, :], k)
        found = numbers[0] >= 0
        return numbers[0][found], self._sign * scores[0][found]

    def serialized(self) -> bytes:
        """The file's bytes."""
        raw: bytes = _faiss().serialize_index(self._index).tobytes()
        return raw


def _faiss() -> ModuleType:
    with warnings.catch_warnings():
        # Its bindings are older than what Python says of their types since 3.12.
        warnings.simplefilter("ignore", DeprecationWarning)
        import faiss  # noqa: PLC0415 - slow, and only other types than Flat need it
    module: ModuleType = faiss
    return module
