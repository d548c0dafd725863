"""What catalog, index and mapping are once pending changes are in them; no I/O.

The fold writes it, and a scan beside an open library looks at it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from synthstore.layout.base import Layout
from synthstore.model.catalog import Catalog, Row
from synthstore.model.embedding import EmbeddingState, FloatMatrix, FloatVector, IdArray
from synthstore.model.facts import EntityFile, FileStatus, IndexFacts, MappingFacts, PartStatus
from synthstore.model.ids import EntityRef, numeric_id, vector_id
from synthstore.store.changes import Deed, Logged, Pending

Seen = tuple[EntityFile | None, FloatVector | None]
"""An entity's file, None where none stands, and its valid embedding."""

Rows = dict[EntityRef, Mapping[str, object]]


def rows_after(
    layout: Layout, catalog: Catalog, pending: Pending, seen: Mapping[EntityRef, Seen]
) -> Rows:
    """The catalog's rows: those of saved entities follow their files, those of deleted ones go.

    A file that is not whole says nothing, and neither does one that is not there: its save never
    returned.
    """
    old = {row.ref: row for row in catalog.rows}
    rows: Rows = {ref: row.raw for ref, row in old.items()}
    for ref, line in pending.last.items():
        file = seen[ref][0] if ref in seen else None
        if line.deed is Deed.DELETE or (file is None and line.revives):
            rows.pop(ref, None)
        elif line.deed is Deed.SAVE and file is not None and file.ref == ref:
            rows[ref] = _row(layout, catalog, file, old.get(ref), line)
        elif line.deed is Deed.SAVE and file is not None and file.status is FileStatus.UNREAD:
            # Nobody looked into the file, but the log knows its hash.
            said = {"content_hash": f"sha256:{line.sha256}"} if layout.has_content_hash else {}
            rows.setdefault(ref, {**layout.row_for(file, None, catalog.rows), **said})
    return rows


def _row(
    layout: Layout, catalog: Catalog, file: EntityFile, old: Row | None, line: Logged
) -> Mapping[str, object]:
    row = layout.row_for(file, old, catalog.rows)
    known = {line.sha256, *line.earlier, old.content_hash if old is not None else None, None}
    newer = line.at is not None and ((file.record and file.record.updated_us) or 0) > line.at
    hashed = layout.has_content_hash and line.sha256 is not None
    if hashed and file.sha256 not in known and not newer:
        # Neither what stood there nor what was saved: the row keeps to the save, so that M004 says
        # that the bytes have changed since.
        row["content_hash"] = f"sha256:{line.sha256}"
    return row


@dataclass(frozen=True, slots=True, eq=False)
class VectorsAfter:
    """The index and the mapping."""

    ids: IdArray
    """int64, shape (n,)."""
    vectors: FloatMatrix
    """float32, shape (n, dim)."""
    entries: Mapping[str, int]
    changed: bool
    """Whether the index is another than before."""


def may_follow(index: IndexFacts, mappings: Sequence[MappingFacts], *, alone: bool) -> bool:
    """Whether index and mapping are sound enough for pending changes to go into them.

    What is missing is only made anew where nothing but the pending entities, which are ``alone``
    then, belongs in it: all else is repair's.
    """
    mapped = any(m.entries is not None for m in mappings)
    if index.status is PartStatus.MISSING:
        return alone and all(m.status is not PartStatus.UNREADABLE for m in mappings)
    sound = index.status is PartStatus.OK and index.has_ids and index.vectors is not None
    return sound and (mapped or not index.ntotal)


Scale = Callable[[FloatVector], FloatVector]


def vectors_after(
    index: IndexFacts,
    mappings: Iterable[MappingFacts],
    pending: Pending,
    seen: Mapping[EntityRef, Seen],
    scale: Scale,
) -> VectorsAfter:
    """Index and mapping: saved entities have their embedding as a vector, the others none."""
    table = _Table(index, mappings, _dimension(index, seen))
    for ref, line in pending.last.items():
        if line.deed is Deed.GONE:
            continue
        name = vector_id(ref)
        file, vector = seen.get(ref, (None, None))
        if line.deed is Deed.DELETE or (file is None and line.revives):
            table.remove(name)
        elif file is not None and file.ref == ref:
            if vector is not None and len(vector) == table.dim:
                table.put(name, scale(vector))
            elif file.embedding is not EmbeddingState.UNKNOWN:
                table.remove(name)
    return table.result()


def _dimension(index: IndexFacts, seen: Mapping[EntityRef, Seen]) -> int:
    if index.ntotal:
        return index.dim
    sizes = Counter(len(vector) for _, vector in seen.values() if vector is not None)
    return sizes.most_common(1)[0][0] if sizes else index.dim


class _Table:
    """Vectors by name, in the order of the old index."""

    def __init__(self, index: IndexFacts, mappings: Iterable[MappingFacts], dim: int) -> None:
        self.dim = dim
        ids = index.ids if index.ids is not None else np.zeros(0, dtype=np.int64)
        self._vectors = index.vectors[:] if index.vectors is not None and len(ids) else None
        self._ids = ids
        self._position = {number: n for n, number in enumerate(ids.tolist())}
        self._entries = _believed(mappings, self._position)
        self._fresh: dict[int, FloatVector] = {}
        self._going: set[int] = set()
        self._replaced = False

    def put(self, name: str, vector: FloatVector) -> None:
        number = self._number(name)
        position = self._position.get(number)
        self._entries[name] = number
        if position is None or self._vectors is None:
            self._fresh[number] = vector
            return
        self._going.discard(number)
        if self._vectors[position].tobytes() != vector.tobytes():
            self._vectors[position] = vector
            self._replaced = True

    def remove(self, name: str) -> None:
        number = self._number(name)
        self._entries.pop(name, None)
        self._fresh.pop(number, None)
        if number in self._position:
            self._going.add(number)

    def _number(self, name: str) -> int:
        return self._entries.get(name, numeric_id(name))

    def result(self) -> VectorsAfter:
        ids, vectors = self._ids, self._vectors
        if vectors is None:
            vectors = np.zeros((0, self.dim), dtype=np.float32)
        if self._going:
            stays = ~np.isin(ids, list(self._going))
            ids, vectors = ids[stays], vectors[stays]
        if self._fresh:
            ids = np.concatenate([ids, np.array(list(self._fresh), dtype=np.int64)])
            vectors = np.concatenate([vectors, np.stack(list(self._fresh.values()))])
        changed = bool(self._going or self._fresh or self._replaced)
        return VectorsAfter(ids, vectors, self._entries, changed)


def _believed(mappings: Iterable[MappingFacts], position: Mapping[int, int]) -> dict[str, int]:
    """The names of the vectors that there are, as the first mapping that knows each has it."""
    found: dict[str, int] = {}
    for mapping in mappings:
        for name, number in (mapping.entries or {}).items():
            if number in position:
                found.setdefault(name, number)
    return found


def whole(file: EntityFile | None) -> bool:
    """Whether there is a file that could be understood."""
    return file is not None and file.status is FileStatus.WHOLE
