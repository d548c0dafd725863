"""The library's own copy of the vectors, kept in step with index and log."""

from __future__ import annotations

from pathlib import Path

from synthstore.errors import CorruptEntityError, OperationError
from synthstore.layout.base import Layout
from synthstore.model.embedding import FloatVector
from synthstore.model.entities import Entity
from synthstore.model.facts import PartStatus
from synthstore.model.ids import ASSEMBLY_PREFIX, EntityRef, vector_id
from synthstore.persistence.drafts import embedding_of
from synthstore.persistence.folds import Identity, identity_at
from synthstore.persistence.loading import Claim, read_entity_file
from synthstore.persistence.view import View
from synthstore.shell import cited, path_word
from synthstore.store.changes import Deed, Logged
from synthstore.store.mapping import read_mapping
from synthstore.store.vector_index import Hit, MemoryVectorIndex
from synthstore.store.vectors import read_index


class Searcher:
    """Read when the first search needs it; changes then go into it as they are made.

    ``refresh`` belongs to the writing thread, ``nearest`` to any.
    """

    def __init__(self, root: Path, layout: Layout, view: View) -> None:
        self._root, self._layout, self._view = root, layout, view
        self._file = root / layout.faiss_path
        self._index: MemoryVectorIndex | None = None
        self._of: Identity = None
        self._applied: dict[EntityRef, Logged] = {}

    @property
    def index(self) -> MemoryVectorIndex | None:
        """The vectors, once a search has read them."""
        return self._index

    def stale(self) -> bool:
        """Whether the index on the disk is another, or changes wait to go into ours."""
        return (
            self._index is None
            or self._view.stale()
            or identity_at(self._file) != self._of
            or any(self._applied.get(ref) != line for ref, line in self._pending())
        )

    def _pending(self) -> list[tuple[EntityRef, Logged]]:
        last = self._view.log.pending.last
        return [(ref, line) for ref, line in last.items() if line.deed is not Deed.GONE]

    def refresh(self) -> None:
        """Read what changed. Raises OperationError where the index is unreadable."""
        if self._view.stale():
            self._view.refresh()
        if self._index is None or identity_at(self._file) != self._of:
            self._read()
        for ref, line in self._pending():
            if self._applied.get(ref) != line:
                self._follow(ref, line)

    def _read(self) -> None:
        now = identity_at(self._file)
        facts = read_index(self._root, self._layout.faiss_path)
        mappings = [read_mapping(self._root, path) for path in self._layout.mapping_paths]
        if facts.status is PartStatus.UNREADABLE:
            raise OperationError(
                f"{self._file} is unreadable: {facts.problem}",
                hint=f"mend it with {cited(f'synthstore repair {path_word(self._root)}')}",
            )
        index = MemoryVectorIndex(metric=facts.metric or self._layout.metric)
        index.take(self._root, facts, [m for m in mappings if m.entries is not None])
        self._index, self._of, self._applied = index, now, {}

    def _follow(self, ref: EntityRef, line: Logged) -> None:
        entity = self._entity(ref, line) if line.deed is Deed.SAVE else None
        self.put(ref, line, embedding_of(entity) if entity is not None else None)

    def _entity(self, ref: EntityRef, line: Logged) -> Entity | None:
        claim = Claim(ref, self._view.path(ref), self._view.row(ref), line)
        try:
            return read_entity_file(self._root, self._layout, claim)
        except CorruptEntityError:
            # Loading it says so; a search only does not find it.
            return None

    def put(self, ref: EntityRef, line: Logged, vector: FloatVector | None) -> None:
        """Give an entity the vector that it was just saved with; None takes it away."""
        if self._index is None:
            return
        name = vector_id(ref)
        if vector is None or not vector.any() or self._index.dimension not in (None, len(vector)):
            self._index.drop(name, hide=True)
        else:
            self._index.put(name, vector, hide=True)
        self._applied[ref] = line

    def nearest(self, query: FloatVector, k: int) -> list[Hit]:
        """The ``k`` memories nearest to ``query``."""
        index = self._index
        if index is None:
            return []
        asked = k
        while True:
            # Assemblies may stand in between; how many, only asking for more tells.
            hits = index.nearest(query, asked)
            memories = [hit for hit in hits if not hit[0].startswith(ASSEMBLY_PREFIX)]
            if len(memories) >= k or len(hits) < asked or asked >= index.ntotal:
                return memories[:k]
            asked *= 2
