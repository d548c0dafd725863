"""MemoryVectorIndex: vectors by name, searched, and kept in a FAISS file and its mapping.

Flat indexes, which is what stores have, are searched by numpy: exact as FAISS, without its import,
and removing or replacing a vector costs the same whatever their number. Other types are FAISS's
own. Nothing here blocks an event loop: the public methods hop to a thread each.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from synthstore.errors import OperationError, UsageError
from synthstore.files.durable import atomic_write, make_dirs
from synthstore.model.embedding import FloatMatrix, IdArray
from synthstore.model.facts import IndexFacts, MappingFacts, PartStatus
from synthstore.model.ids import numeric_id
from synthstore.shell import cited
from synthstore.store.flat_index import DESCRIPTIONS, flat_content
from synthstore.store.mapping import read_mapping
from synthstore.store.mapping_file import mapping_file
from synthstore.store.vector_files import nothing, problems_of, table_of
from synthstore.store.vector_table import FaissTable, FlatTable, Table
from synthstore.store.vectors import read_index

Hit = tuple[str, float]
Vector = npt.ArrayLike
Vectors = npt.ArrayLike | Sequence[npt.ArrayLike]

INDEX_NAME = "memory_vectors.faiss"
MAPPING_NAME = "mapping.json"


class _Sort(NamedTuple):
    """What kind of index it is."""

    description: str
    metric: str


class MemoryVectorIndex:
    """Vectors by id, in ``folder`` as ``memory_vectors.faiss`` and ``mapping.json``.

    The constructor touches nothing; ``load`` reads what is there, ``save`` writes it. Scores are
    higher the nearer: the inner product (``ip``), or minus the squared distance (``l2``).
    """

    def __init__(
        self,
        folder: Path | str | None = None,
        *,
        dimension: int | None = None,
        metric: str = "ip",
        factory: str = "IDMap2,Flat",
    ) -> None:
        if metric not in ("ip", "l2"):
            raise UsageError(f"no metric {metric!r}", hint="the metric is ip or l2")
        self._folder = None if folder is None else Path(folder)
        self._sort = _Sort(factory, metric)
        self._dimension = dimension
        self._lock = threading.RLock()
        self._table: Table | None = None
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._mapping: MappingFacts | None = None
        self._hidden: set[int] = set()
        """Numbers of vectors that are in the table, but not of the index any more."""

    # What it holds

    @property
    def ntotal(self) -> int:
        """How many vectors it holds."""
        return len(self._numbers)

    @property
    def dimension(self) -> int | None:
        """Length of its vectors; None while that is open."""
        return self._table.dim if self._table is not None else self._dimension

    def __contains__(self, vector_id: str) -> bool:
        return vector_id in self._numbers

    # Changes

    async def add_vector(self, vector_id: str, vector: Vector) -> None:
        """Add one vector, float32 of shape (dim,); UsageError where the id has one already."""
        await self.add_vectors([vector_id], [vector])

    async def add_vectors(self, vector_ids: Sequence[str], vectors: Vectors) -> None:
        """Add vectors, float32 of shape (n, dim), all or none; UsageError for an id that has one.

        Raises UsageError for vectors of another dimension, or with NaN or infinity.
        """
        await asyncio.to_thread(self._add, list(vector_ids), vectors)

    async def update_vector(self, vector_id: str, vector: Vector) -> None:
        """Give ``vector_id`` another vector, or its first one."""
        await asyncio.to_thread(self.put, vector_id, vector)

    async def remove_vector(self, vector_id: str) -> bool:
        """Remove a vector; False where the id has none."""
        return await asyncio.to_thread(self.drop, vector_id)

    def _add(self, names: list[str], vectors: Vectors) -> None:
        with self._lock:
            known = [name for name in names if name in self._numbers]
            if known or len(set(names)) < len(names):
                raise UsageError(
                    f"{(known or names)[0]!r} has a vector already", hint="use update_vector"
                )
            matrix = self._checked(vectors, len(names))
            self._put_all(names, matrix)

    def put(self, name: str, vector: Vector, *, hide: bool = False) -> None:
        """As ``update_vector``, in this thread; ``hide`` as for ``drop``."""
        with self._lock:
            matrix = self._checked([vector], 1)
            self.drop(name, hide=hide)
            self._put_all([name], matrix)

    def drop(self, name: str, *, hide: bool = False) -> bool:
        """As ``remove_vector``, in this thread.

        With ``hide``, a vector that its type of index cannot let go is only never found again.
        """
        with self._lock:
            number = self._numbers.get(name)
            if number is None or self._table is None:
                return False
            try:
                self._table.remove(number)
            except OperationError:
                if not hide:
                    raise
                self._hidden.add(number)
            del self._numbers[name]
            del self._names[number]
            return True

    def _checked(self, vectors: Vectors, count: int) -> FloatMatrix:
        try:
            matrix = np.asarray(vectors, dtype=np.float32)
        except (TypeError, ValueError) as error:
            raise UsageError(f"these are no vectors of one length: {error}") from error
        dim = self.dimension or (matrix.shape[1] if matrix.ndim == 2 else 0)  # noqa: PLR2004
        if matrix.shape != (count, dim) or not dim:
            raise UsageError(f"vectors of shape {matrix.shape}, where ({count}, {dim}) is needed")
        if not np.isfinite(matrix).all():
            raise UsageError("a vector holds NaN or infinity")
        return matrix

    def _put_all(self, names: Sequence[str], matrix: FloatMatrix) -> None:
        table = self._table_for(matrix.shape[1])
        numbers = [self._number(name) for name in names]
        table.add(np.array(numbers, dtype=np.int64), matrix)
        for name, number in zip(names, numbers, strict=True):
            self._numbers[name] = number
            self._names[number] = name

    def _number(self, name: str) -> int:
        number = numeric_id(name)
        # Sequential numbers of old stores could, by a chance of 1 in 2**63 each, be in the way.
        while number in self._names or number in self._hidden:
            number = (number + 1) % (2**63 - 1)
        return number

    def _table_for(self, dim: int) -> Table:
        if self._table is None:
            if self._sort.description in DESCRIPTIONS:
                self._table = FlatTable(dim, self._sort.metric)
            else:
                self._table = FaissTable.fresh(self._sort.description, dim, self._sort.metric)
        return self._table

    # Search

    async def search(self, query: Vector, k: int = 10) -> list[Hit]:
        """The ``k`` nearest ids with their scores, best first; ``query`` is of shape (dim,).

        Fewer where it holds fewer. Raises UsageError for a query of another dimension.
        """
        return await asyncio.to_thread(self.nearest, query, k)

    def nearest(self, query: Vector, k: int) -> list[Hit]:
        """As ``search``, in this thread."""
        with self._lock:
            if k < 1:
                raise UsageError(f"k must be 1 or more, not {k}")
            if self._table is None or not self.ntotal:
                return []
            matrix = self._checked([query], 1)
            # Vectors without a name may be in between.
            asked = min(k + len(self._hidden), self.ntotal + len(self._hidden))
            numbers, scores = self._table.search(matrix[0], asked)
            found = zip(numbers.tolist(), scores.tolist(), strict=True)
            named = [(self._names[n], score) for n, score in found if n in self._names]
            return named[:k]

    # Disk

    async def load(self) -> None:
        """Read index and mapping; what is missing is empty. Raises OperationError for damage."""
        await asyncio.to_thread(self._load)

    def _load(self) -> None:
        folder = self._home()
        index = read_index(folder, INDEX_NAME)
        mapping = read_mapping(folder, MAPPING_NAME)
        for part in (index, mapping):
            if part.status is PartStatus.UNREADABLE:
                raise OperationError(
                    f"{folder / part.path}: {part.problem}",
                    hint=f"rebuild it: {cited('synthstore rebuild-index')}, or rebuild() from the"
                    " vectors",
                )
        self.take(folder, index, [mapping])

    def take(self, root: Path, index: IndexFacts, mappings: Iterable[MappingFacts]) -> None:
        """Become what was read of a sound or missing index; vectors without a name are left out."""
        with self._lock:
            self._numbers, self._names, self._table, self._hidden = {}, {}, None, set()
            mappings = list(mappings)
            self._mapping = mappings[0] if mappings else None
            if index.status is not PartStatus.OK or index.ids is None or index.vectors is None:
                return
            self._sort = _Sort(index.description, index.metric)
            if index.ntotal:
                self._name(index.ids, mappings)
                self._table = table_of(root, index)

    def _name(self, ids: IdArray, mappings: Iterable[MappingFacts]) -> None:
        there = set(ids.tolist())
        for mapping in mappings:
            for name, number in (mapping.entries or {}).items():
                if number in there and number not in self._names and name not in self._numbers:
                    self._numbers[name] = number
                    self._names[number] = name
        self._hidden = there - self._names.keys()

    async def save(self) -> None:
        """Write index and mapping durably; cut at any point, both can be loaded together."""
        await asyncio.to_thread(self._save)

    def _save(self) -> None:
        folder = self._home()
        with self._lock:
            make_dirs(folder, 0o700)
            old = read_mapping(folder, MAPPING_NAME).entries or {}
            # Names too many do no harm, so the mapping knows both states while the index is
            # replaced.
            self._write_mapping(folder, {**old, **self._numbers})
            atomic_write(folder / INDEX_NAME, self._content(), 0o600)
            self._write_mapping(folder, self._numbers)

    def _write_mapping(self, folder: Path, entries: Mapping[str, int]) -> None:
        content = mapping_file(entries, self._mapping, default="native")
        atomic_write(folder / MAPPING_NAME, content, 0o600)

    def _content(self) -> Any:
        dim = self.dimension or 0
        if isinstance(self._table, FaissTable):
            return self._table.serialized()
        ids, vectors = self.arrays() if self._table is not None else nothing(dim)
        description = "IDMap2,Flat" if self._sort.description == "Flat" else self._sort.description
        return flat_content(description, self._sort.metric, ids, vectors)

    def arrays(self) -> tuple[IdArray, FloatMatrix]:
        """Numbers (n,) and vectors (n, dim) of a flat index, as copies."""
        if not isinstance(self._table, FlatTable):
            return nothing(self.dimension or 0)
        return self._table.arrays()

    def _home(self) -> Path:
        if self._folder is None:
            raise UsageError("this index has no folder", hint="give one: MemoryVectorIndex(folder)")
        return self._folder

    # Care

    async def verify(self) -> list[str]:
        """What is wrong with the files in the folder, one sentence each; nothing for sound ones."""
        return await asyncio.to_thread(problems_of, self._home(), INDEX_NAME, MAPPING_NAME)

    async def rebuild(self, vectors: Mapping[str, Vector]) -> None:
        """Hold exactly ``vectors`` (id → float32 of shape (dim,)) from now on; all or nothing."""
        await asyncio.to_thread(self._rebuild, dict(vectors))

    def _rebuild(self, vectors: dict[str, Vector]) -> None:
        with self._lock:
            before = self._numbers, self._names, self._table, self._dimension
            self._numbers, self._names, self._table, self._dimension = {}, {}, None, None
            try:
                if vectors:
                    self._add(list(vectors), list(vectors.values()))
            except UsageError:
                self._numbers, self._names, self._table, self._dimension = before
                raise
