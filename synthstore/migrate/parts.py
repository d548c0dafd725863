"""Catalog, index and mappings of the new store, from the entities that go into it."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from synthstore.checks.blocks import BLOCK
from synthstore.checks.comparing import is_normalised
from synthstore.checks.ownership import owners
from synthstore.checks.pairing import rows_of
from synthstore.files.durable import Content, copier
from synthstore.files.pieces import Original, dump_in_pieces
from synthstore.layout.base import Layout
from synthstore.layout.core import Core, Core4
from synthstore.migrate.choosing import Moving
from synthstore.model.catalog import RawRow, Row, column
from synthstore.model.embedding import EmbeddingState, FloatMatrix, FloatVector, IdArray, unit
from synthstore.model.facts import EntityFile, PartStatus
from synthstore.model.ids import EntityRef, Kind, numeric_id, vector_id
from synthstore.scan.inventory import Inventory
from synthstore.store.flat_index import DESCRIPTIONS
from synthstore.store.index_building import rebuild_content
from synthstore.store.mapping import style_in
from synthstore.store.mapping_file import MappingContent, mapping_file
from synthstore.store.original import original_catalog

_ROW_BYTES = 400
_MAPPINGS = 2
"""A Memory Core writes one mapping name and reads another: it is given both."""


class _Rows(Mapping[EntityRef, RawRow]):
    """The rows of a catalog, each made by whoever goes through them."""

    def __init__(self, refs: Sequence[EntityRef], make: Callable[[EntityRef], RawRow]) -> None:
        self._refs, self._make = refs, make

    def section(self, kind: Kind) -> Mapping[str, RawRow]:
        """Those of one kind, by id."""
        return _Section([ref for ref in self._refs if ref.kind == kind], self._make)

    def __getitem__(self, ref: EntityRef) -> RawRow:
        return self._make(ref)

    def __iter__(self) -> Iterator[EntityRef]:
        return iter(self._refs)

    def __len__(self) -> int:
        return len(self._refs)


class _Section(Mapping[str, RawRow]):
    """Those of one kind, by id."""

    def __init__(self, refs: Sequence[EntityRef], make: Callable[[EntityRef], RawRow]) -> None:
        self._refs, self._make = {ref.id: ref for ref in refs}, make

    def __getitem__(self, name: str) -> RawRow:
        return self._make(self._refs[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._refs)

    def __len__(self) -> int:
        return len(self._refs)


@dataclass(frozen=True)
class Parts:
    """What a store has beside its entity files."""

    root: Path
    inventory: Inventory
    target: Layout
    moving: Mapping[EntityRef, Moving]
    sound: bool
    """Whether the source's index and mappings are as they should be."""

    # The catalog

    def catalog(self, facts: Mapping[EntityRef, EntityFile]) -> Content:
        """The catalog, once all entities were rendered: rows in their old order."""
        listed = rows_of(self.inventory)
        refs = dict.fromkeys(map(EntityRef, column(listed, "kind"), column(listed, "id")))
        order = [*(ref for ref in refs if ref in facts), *sorted(facts.keys() - refs.keys())]
        old = {row.ref: row for row in listed} if self.within_cores else {}
        rows = _Rows(order, lambda ref: self._row(facts[ref], old.get(ref)))
        document = self.target.write_catalog(None, rows)
        found, layout = self.inventory.catalog, self.inventory.layout
        style = original_catalog(self.root, found, layout.long_section).style
        return dump_in_pieces(document, Original(style), self.target.long_section)

    def _row(self, file: EntityFile, old: Row | None) -> RawRow:
        return self.target.row_for(file, old if self._keeps(old) else None, ())

    def _keeps(self, row: Row | None) -> bool:
        """Whether a row is one of the target's but for its path: its time is that of saving."""
        if row is None or not self.within_cores or row.problems:
            return False
        keys = set(Core4.shapes[row.kind].keys)
        return row.raw.keys() == keys and isinstance(row.raw["timestamp"], str)

    @property
    def within_cores(self) -> bool:
        """Whether one Memory Core's layout becomes another's."""
        return isinstance(self.inventory.layout, Core) and isinstance(self.target, Core)

    @property
    def catalog_size(self) -> int:
        """About how large the catalog will be, in bytes."""
        return _ROW_BYTES * (len(self.moving) + 1)

    # The vectors

    @cached_property
    def vectors(self) -> Vectors:
        """One vector for each entity that has one, by the new store's names."""
        return gather(self.inventory, self.moving)

    @cached_property
    def keeps_index(self) -> bool:
        """Whether the index can be taken over as it is."""
        index, entries = self.inventory.index, owners(self.inventory).entries
        fit = self.within_cores and self.sound and index.status is PartStatus.OK
        flat = index.description in DESCRIPTIONS and index.has_ids
        return fit and flat and entries.keys() == self.vectors.entries.keys()

    def index(self) -> Content | None:
        """The index; None where there is no vector."""
        found, facts = self.vectors, self.inventory.index
        if not len(found.ids):
            return None
        if self.keeps_index:
            return copier(self.root / facts.path)
        keeps = facts.status is PartStatus.OK and self._keeps_type()
        return rebuild_content(
            self.root,
            facts if keeps else None,
            None if keeps else self.target.factory,
            facts.metric if keeps else self.metric,
            found.ids,
            found.matrix,
            default_factory=self.target.factory,
        )

    def _keeps_type(self) -> bool:
        # A Memory Core reads nothing but Flat behind IDMap.
        return self.target.name == "native" and self.inventory.index.description not in DESCRIPTIONS

    @property
    def incomplete(self) -> bool:
        """Whether the source lacks a mapping or a vector that the new store is to have."""
        stand = {m.path for m in self.inventory.mappings if m.status is PartStatus.OK}
        lacks = not self.keeps_index or not stand.issuperset(self.mapping_paths)
        return bool(len(self.vectors.ids)) and lacks

    @property
    def metric(self) -> str:
        """A Memory Core's metric stays one Memory Core's; else the new layout's own."""
        index = self.inventory.index
        kept = self.within_cores and index.status is PartStatus.OK and index.metric in {"ip", "l2"}
        return index.metric if kept else self.target.metric

    @property
    def index_size(self) -> int:
        """About how large the index will be, in bytes."""
        found = self.vectors
        return int(found.matrix.nbytes + found.ids.nbytes) + 256

    def mappings(self) -> Mapping[str, bytes | MappingContent]:
        """Every mapping file that the new store is to have, by path.

        Of a store without entities only they tell that it is a Memory Core's.
        """
        if not len(self.vectors.ids) and (self.moving or not isinstance(self.target, Core)):
            return {}
        old = {m.path: m for m in self.inventory.mappings}
        entries = owners(self.inventory).entries if self.keeps_index else self.vectors.entries
        default = style_in(self.target)
        return {
            path: mapping_file(entries, old.get(path), default=default)
            for path in self.mapping_paths
        }

    @property
    def mapping_paths(self) -> Sequence[str]:
        """Their paths."""
        stand = {m.path for m in self.inventory.mappings if m.status is not PartStatus.MISSING}
        names = self.target.mapping_paths
        return [path for n, path in enumerate(names) if n < _MAPPINGS or path in stand]


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """The vectors of the new store."""

    entries: Mapping[str, int]
    """Vector name → numeric id."""
    ids: IdArray
    """int64, shape (n,)."""
    matrix: FloatMatrix
    """float32, shape (n, dim)."""


def gather(inventory: Inventory, moving: Mapping[EntityRef, Moving]) -> Vectors:
    """The embeddings of ``moving``, and vectors that are an entity's only copy of its embedding.

    Scaled to length 1 where the source's vectors are.
    """
    dim = inventory.dimension or inventory.index.dim
    table = inventory.tables.get(dim)
    valid, others, rows = [], [], array("q")
    for ref in sorted(moving):
        file = moving[ref].file
        if table is not None and _has_embedding(file, dim):
            valid.append(ref)
            rows.append(table.row_of[file.path])
        else:
            others.append(ref)
    spare = dict(_spare(inventory, others))
    blocks = [] if table is None else [table.matrix[np.frombuffer(rows, np.int64)]]
    if spare:
        blocks.append(np.stack(list(spare.values())))
    matrix = np.concatenate(blocks) if blocks else np.zeros((0, dim), dtype=np.float32)
    if is_normalised(inventory):
        for start in range(0, len(matrix), BLOCK):
            matrix[start : start + BLOCK] = unit(matrix[start : start + BLOCK])
    names = [vector_id(ref) for ref in (*valid, *spare)]
    entries = {name: numeric_id(name) for name in names}
    return Vectors(entries, np.array(list(entries.values()), dtype=np.int64), matrix)


def _has_embedding(file: EntityFile, dim: int) -> bool:
    return file.embedding is EmbeddingState.VALID and file.dim == dim


def _spare(inventory: Inventory, refs: Sequence[EntityRef]) -> list[tuple[EntityRef, FloatVector]]:
    """Vectors of entities whose file has no embedding to compute one from."""
    own = owners(inventory)
    found = ((ref, own.vector_of(inventory, ref)) for ref in refs)
    return [(ref, vector) for ref, vector in found if vector is not None and vector.any()]
