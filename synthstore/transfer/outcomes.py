"""What a row turns out to be: the file of an entity, nothing that can go in, or not yet known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from synthstore.model.embedding import EmbeddingState, FloatVector
from synthstore.model.facts import EntityFile
from synthstore.model.ids import EntityRef
from synthstore.store.plan import Staged


class Entry(NamedTuple):
    """What is to be known of the file of an entity in a store that is begun with it.

    There are as many of them as rows, and each comes through a pipe.
    """

    ref: EntityRef
    path: str
    sha256: str
    embedding: EmbeddingState
    dim: int
    row: dict[str, object]
    """Of the catalog."""


class Ready(NamedTuple):
    """A row as the file of an entity."""

    number: int
    ref: EntityRef
    content: bytes | Staged
    """Staged where no file stands in its place yet, as far as the worker could see."""
    file: EntityFile | Entry
    """An entry where nothing at all stands yet."""
    vector: bytes | int | None
    """The valid embedding, float32, or where it is in the arena: an array would cost more to hand
    on than to make."""
    source: bytes | None = None
    """The row itself, where a later look may still refuse it."""

    def array(self) -> FloatVector | None:
        """The valid embedding, which is in no arena."""
        return np.frombuffer(self.vector, np.float32) if isinstance(self.vector, bytes) else None


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that cannot go into the store."""

    number: int
    reason: str
    source: bytes | None = None
    cut: bool = False
    id: str | None = None
    """The row's, where it could be read and has one."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An assembly that is to hold copies of memories, which may come behind it."""

    number: int
    source: bytes


Outcome = Ready | Refused | Waiting
