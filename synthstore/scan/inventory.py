"""All that one scan of a store learned, as an immutable value with the look-ups rules need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from synthstore.files.memory import MANY
from synthstore.layout.base import Layout
from synthstore.model.columns import column_of, kept
from synthstore.model.embedding import EmbeddingState, FloatMatrix, FloatVector
from synthstore.model.facts import (
    CatalogFacts,
    EntityFile,
    IndexFacts,
    MappingFacts,
    PartStatus,
    Stray,
    StrayKind,
)
from synthstore.model.ids import EntityRef, Kind
from synthstore.model.lookup import FilesByPath, FilesByRef
from synthstore.model.text_places import TextPlaces


@dataclass(frozen=True)
class EmbeddingTable:
    """The embeddings of one dimension, a row each: the unit in which vectors are compared."""

    paths: tuple[str, ...]
    matrix: FloatMatrix
    """float32, shape (len(paths), dim)."""
    room: FloatMatrix | None = None
    """The matrix, and free rows behind it, where it can grow without becoming another one."""

    @cached_property
    def row_of(self) -> Mapping[str, int]:
        """Row number of each path."""
        return TextPlaces(self.paths)


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    """A committed run that is not done (S001)."""

    run: str
    command: str
    owner_alive: bool


@dataclass(frozen=True, slots=True)
class AccessProblem:
    """Something this user may not read, list or write (S005)."""

    path: str
    message: str
    evidence: Mapping[str, object]
    remedy: str
    """The exact command that would help."""


class Gainsaid(NamedTuple):
    """A file whose bytes are not those of its snapshot, though its size and time are the same."""

    snapshot: str
    """The id of the snapshot."""
    sha256: str
    """Of the bytes that it has."""
    id: str | None
    """The entity's, as it stood there."""


@dataclass(frozen=True, repr=False)
class Inventory:
    """One scan of one store.

    It has no repr: asyncio makes one of every result that it hands out, and this one may be long.
    """

    layout: Layout
    files: Sequence[EntityFile]
    """Every regular file where an entity belongs, sorted by path."""
    strays: tuple[Stray, ...]
    catalog: CatalogFacts
    index: IndexFacts
    mappings: tuple[MappingFacts, ...]
    """Every mapping file that exists; where there is none, the primary one as missing."""
    tables: Mapping[int, EmbeddingTable]
    """Valid embeddings by dimension."""
    folders: Mapping[str, bool]
    """Each entity folder of the layout: whether it exists as a real directory."""
    unfinished: tuple[UnfinishedRun, ...] = ()
    access: tuple[AccessProblem, ...] = ()
    now_ns: int = 0
    """When the scan was made, for the age of leftovers."""
    quick: bool = False
    deleted: frozenset[EntityRef] = field(default_factory=frozenset)
    """Entities that our own change log says were deleted."""
    gainsaid: Mapping[str, Gainsaid] = field(default_factory=dict)
    """Files, by path, that the newest snapshot says rotted (M004); where one was asked."""

    @cached_property
    def closed(self) -> frozenset[str]:
        """Paths that the system does not let this user read: nothing is known of them (S005)."""
        return frozenset(problem.path for problem in self.access)

    @cached_property
    def unseen(self) -> frozenset[str]:
        """Those paths, and those of parts of which no byte is to be had: a directory, a device."""
        parts: tuple[CatalogFacts | IndexFacts | MappingFacts, ...]
        parts = (self.catalog, self.index, *self.mappings)
        unread = (p for p in parts if p.status is PartStatus.UNREADABLE and p.sha256 is None)
        return self.closed.union(part.path for part in unread)

    @property
    def blind(self) -> bool:
        """Whether entities may be hidden: in a folder or in a catalog that cannot be read."""
        return not self.unseen.isdisjoint((*self.layout.entity_folders, self.catalog.path))

    @cached_property
    def irregular(self) -> Mapping[str, str]:
        """What stands where an entity file belongs and is none, by path (S004)."""
        strays = (stray for stray in self.strays if stray.kind is StrayKind.IRREGULAR)
        return {stray.path: stray.what for stray in strays}

    @cached_property
    def by_path(self) -> Mapping[str, EntityFile]:
        """Entity files by path."""
        return FilesByPath(self.files)

    @cached_property
    def by_ref(self) -> Mapping[EntityRef, Sequence[EntityFile]]:
        """Whole files by the entity that they bear; more than one is M006."""
        if len(self.files) >= MANY:
            return FilesByRef(self.files)
        found: dict[EntityRef, list[EntityFile]] = {}
        for file in kept(self.files):
            ref = file.ref
            if ref is not None:
                found.setdefault(ref, []).append(file)
        return found

    @cached_property
    def dimension(self) -> int | None:
        """The store's dimension: the majority of valid embeddings; None for none or a tie."""
        sizes = sorted(((len(t.paths), dim) for dim, t in self.tables.items()), reverse=True)
        if not sizes or (len(sizes) > 1 and sizes[0][0] == sizes[1][0]):
            return None
        return sizes[0][1]

    def vector_of(self, path: str) -> FloatVector | None:
        """The valid embedding of the file at ``path``, float32 of shape (dim,)."""
        file = self.by_path[path]
        table = self.tables.get(file.dim)
        if file.embedding is not EmbeddingState.VALID or table is None:
            return None
        row = table.row_of.get(path)
        return None if row is None else np.asarray(table.matrix[row])

    def count(self, kind: Kind) -> int:
        """How many entity files of ``kind`` stand in the store."""
        return column_of(self.files, "kind").count(kind)
