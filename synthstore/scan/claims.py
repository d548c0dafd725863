"""What a store's catalog and mappings say of its entities, and whether they still say it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from synthstore.files.memory import MANY
from synthstore.files.walk import look
from synthstore.layout.base import Layout
from synthstore.model.catalog import column
from synthstore.model.entries import Entries
from synthstore.model.facts import CatalogFacts, IndexFacts, MappingFacts, PartStatus
from synthstore.scan.thresholds import SETTLED_NS
from synthstore.store.catalog import read_catalog
from synthstore.store.flat_index import Twins
from synthstore.store.mapping import read_mapping
from synthstore.store.vectors import read_index

Part = CatalogFacts | MappingFacts | IndexFacts


@dataclass(frozen=True, slots=True)
class Claims:
    """Catalog and mappings of a store, as they were read."""

    catalog: CatalogFacts
    mappings: tuple[MappingFacts, ...]
    """One for each name that the layout has for them, those that are missing too."""
    read_ns: int
    """When, for the age that they had then."""

    def stand(self, root: Path) -> bool:
        """Whether all of it is as it was."""
        parts: Sequence[Part] = (self.catalog, *self.mappings)
        return all(self.stands(root, part) for part in parts)

    def stands(self, root: Path, part: Part) -> bool:
        """Whether a file that was read then, or later, is as it was, as far as its status tells.

        It may not have been so young that another write could have left the same time on it.
        """
        entry = look(root, part.path) if part.path else None
        if entry is None:
            return part.stat is None
        return part.stat == entry.stat and entry.stat.mtime_ns < self.read_ns - SETTLED_NS


def read_claims(root: Path, layout: Layout) -> Claims:
    """Read them; damage becomes facts."""
    now_ns = time.time_ns()
    mappings = tuple(read_mapping(root, path) for path in layout.mapping_paths)
    catalog = read_catalog(root, layout)
    _share_names(catalog, mappings)
    return Claims(catalog, mappings, now_ns)


def read_index_of(
    root: Path,
    layout: Layout,
    twins: Twins,
    *,
    with_vectors: bool = True,
    hashed: bool = True,
) -> IndexFacts:
    """The index of a layout, as ``read_index`` reads it; missing where the layout has none."""
    if not layout.faiss_path:
        return IndexFacts(PartStatus.MISSING, "")
    return read_index(
        root, layout.faiss_path, with_vectors=with_vectors, hashed=hashed, twins=twins
    )


def _share_names(catalog: CatalogFacts, mappings: Sequence[MappingFacts]) -> None:
    """Let mappings hold the very ids of the rows: of few they are not worth the time."""
    rows = () if catalog.catalog is None else catalog.catalog.rows
    if len(rows) >= MANY:
        for mapping in mappings:
            if isinstance(mapping.entries, Entries):
                mapping.entries.share(column(rows, "id"))
