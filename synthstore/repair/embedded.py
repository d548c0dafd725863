"""Which entities have an embedding that an index is to hold, and what its vector is. No I/O."""

from __future__ import annotations

import numpy as np

from synthstore.checks.comparing import is_normalised
from synthstore.checks.sound import rows_in
from synthstore.model.chosen import ChosenRows, Vectors
from synthstore.model.columns import embedded
from synthstore.model.embedding import EmbeddingState, FloatMatrix, FloatVector, Places, unit
from synthstore.model.facts import EntityFile
from synthstore.model.ids import EntityRef
from synthstore.repair.roll import Roll
from synthstore.repair.state import Entities
from synthstore.scan.inventory import EmbeddingTable, Inventory


class Embedded:
    """The entities whose files hold a valid embedding of dimension ``dim``."""

    def __init__(self, inventory: Inventory, entities: Entities, dim: int, roll: Roll) -> None:
        self._inventory, self._entities, self._dim, self._roll = inventory, entities, dim, roll
        self._table: EmbeddingTable | None = inventory.tables.get(dim)
        self._normalised = is_normalised(inventory)
        self.usual = entities.files.usual.only(embedded(inventory.files, dim))
        """The usual ones among them."""

    def has(self, ref: EntityRef) -> bool:
        """Whether the entity is one of them."""
        file = self._entities.files.others.get(ref)
        if file is None:
            return self.usual.has(ref)
        if file.embedding is not EmbeddingState.VALID or file.dim != self._dim:
            return False
        return file.path in self._entities.vectors or self._row(file) is not None

    def vector(self, ref: EntityRef) -> FloatVector | None:
        """What the entity's vector should be, if it may have one."""
        file = self._entities.files.get(ref)
        if file is None or file.embedding is not EmbeddingState.VALID or file.dim != self._dim:
            return None
        healed = self._entities.vectors.get(file.path)
        embedding = self._inventory.vector_of(file.path) if healed is None else healed
        if embedding is None or not self._normalised:
            return embedding
        return unit(embedding)

    def vectors(self, numbers: Places) -> Vectors:
        """The vectors of such entities, by their numbers: float32, shape (numbers, dim).

        Those that are embeddings of files as they stand take no room of their own.
        """
        matrix = np.zeros((0, self._dim), np.float32) if self._table is None else self._table.matrix
        rows, apart = self._rows(numbers)
        own: FloatMatrix = np.empty((len(apart), self._dim), dtype=np.float32)
        for at, place in enumerate(apart.data):
            ref = self._roll.ref(int(numbers[place]))
            vector = None if ref is None else self.vector(ref)
            if vector is not None:
                own[at] = vector
        rows[apart] = np.arange(len(matrix), len(matrix) + len(apart))
        return ChosenRows(matrix, own, rows)

    def _rows(self, numbers: Places) -> tuple[Places, Places]:
        """Where in the table each vector is, and which of them are not there."""
        rows = np.zeros(len(numbers), dtype=np.intp)
        if self._table is None or self._normalised:
            return rows, np.arange(len(numbers))
        usual = self.usual.are
        row_at = np.zeros(len(usual), dtype=np.intp)
        row_at[usual] = rows_in(self._table, self._inventory, usual)
        as_usual = np.append(usual, [False])[np.minimum(numbers, len(usual))]
        rows[as_usual] = row_at[numbers[as_usual]]
        return rows, np.flatnonzero(~as_usual)

    def _row(self, file: EntityFile) -> int | None:
        """Where in the table the embedding of a file is."""
        return None if self._table is None else self._table.row_of.get(file.path)
