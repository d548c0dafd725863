"""Which entities have an embedding that an index is to hold, and where it is. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synthstore.checks.sound import rows_in
from synthstore.model.chosen import Order
from synthstore.model.columns import embedded
from synthstore.model.embedding import EmbeddingState
from synthstore.model.ids import EntityRef
from synthstore.repair.state import Entities
from synthstore.scan.inventory import EmbeddingTable, Inventory


class Embedded:
    """The entities whose files hold a valid embedding of dimension ``dim``."""

    def __init__(self, inventory: Inventory, entities: Entities, dim: int) -> None:
        self._inventory, self._entities, self._dim = inventory, entities, dim
        self.usual = entities.files.usual.only(embedded(inventory.files, dim))
        """The usual ones among them."""

    def has(self, ref: EntityRef) -> bool:
        """Whether the entity is one of them."""
        file = self._entities.files.others.get(ref)
        if file is None:
            return self.usual.has(ref)
        if file.embedding is not EmbeddingState.VALID or file.dim != self._dim:
            return False
        table = self._inventory.tables.get(self._dim)
        held = table is not None and file.path in table.row_of
        return held or file.path in self._entities.vectors

    def rows_of(self, refs: Sequence[EntityRef], table: EmbeddingTable) -> Order:
        """Where in the ``table`` the embedding of each entity is."""
        own, usual = self._entities.files.others, self.usual
        row_at = np.zeros(len(usual.ids), dtype=np.intp)
        row_at[usual.are] = rows_in(table, self._inventory, usual.are)
        places = (None if ref in own else usual.place(ref) for ref in refs)
        each = zip(refs, places, strict=True)
        found = (table.row_of[own[ref].path] if at is None else row_at[at] for ref, at in each)
        return np.fromiter(found, np.intp, len(refs))
