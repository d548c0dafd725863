"""Catalog, index and mappings of the new store, from the entities that go into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from synthstore.checks.blocks import BLOCK
from synthstore.checks.comparing import is_normalised
from synthstore.checks.ownership import owners
from synthstore.checks.pairing import rows_of
from synthstore.files.durable import Content, copier
from synthstore.files.jsonio import Style, dump, parse, style_of
from synthstore.files.walk import read_file
from synthstore.layout.base import Layout
from synthstore.layout.core import Core, Core4
from synthstore.migrate.choosing import Moving
from synthstore.model.catalog import Row
from synthstore.model.embedding import EmbeddingState, FloatMatrix, FloatVector, IdArray, unit
from synthstore.model.facts import EntityFile, PartStatus
from synthstore.model.ids import EntityRef, numeric_id, vector_id
from synthstore.scan.inventory import Inventory
from synthstore.store.flat_index import DESCRIPTIONS
from synthstore.store.index_building import rebuild_content
from synthstore.store.mapping import style_in
from synthstore.store.mapping_file import MappingContent, mapping_file

_ROW_BYTES = 400
_MAPPINGS = 2
"""A Memory Core writes one mapping name and reads another: it is given both."""


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

    def catalog(self, facts: Mapping[EntityRef, EntityFile]) -> bytes:
        """The catalog's bytes, once all entities were rendered: rows in their old order."""
        old = {row.ref: row for row in rows_of(self.inventory)}
        order = [*(ref for ref in old if ref in facts), *sorted(facts.keys() - old.keys())]
        rows = {ref: self._row(facts[ref], old.get(ref)) for ref in order}
        document = self.target.write_catalog(None, rows)
        return dump(document, self._catalog_style())

    def _row(self, file: EntityFile, old: Row | None) -> Mapping[str, object]:
        return self.target.row_for(file, old if self._keeps(old) else None, ())

    def _keeps(self, row: Row | None) -> bool:
        """Whether a row is one of the target's but for its path: its time is that of saving."""
        if row is None or not self.within_cores or row.problems:
            return False
        keys = set(Core4.shapes[row.kind].keys)
        return row.raw.keys() == keys and isinstance(row.raw["timestamp"], str)

    def _catalog_style(self) -> Style:
        facts = self.inventory.catalog
        if facts.catalog is None:
            return Style()
        raw = read_file(self.root, facts.path)[0]
        return style_of(raw, parse(raw).value)

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
    valid, others = [], []
    for ref in sorted(moving):
        (valid if _has_embedding(moving[ref].file, dim) else others).append(ref)
    rows = [] if table is None else [table.row_of[moving[ref].file.path] for ref in valid]
    spare = dict(_spare(inventory, others))
    blocks = [] if table is None else [table.matrix[rows]]
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
