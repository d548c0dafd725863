"""What belongs around the entities of a store that is begun with them: index, mapping, catalog.

Where nothing stands, nothing is to be kept, compared or mended. It comes to the same bytes as
``repair.placing`` does with the inventory of an empty store, in a fraction of the memory.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

import numpy as np

from synthstore.files.durable import Content
from synthstore.files.jsonio import Style, dump
from synthstore.layout.base import Layout
from synthstore.layout.native import Native
from synthstore.model.chosen import ChosenRows, Order
from synthstore.model.embedding import FloatMatrix
from synthstore.model.facts import PartStatus, Stat
from synthstore.model.ids import EntityRef, numeric_id, vector_id
from synthstore.scan.inventory import Inventory
from synthstore.store.flat_index import FlatContent, flat_content
from synthstore.store.mapping import mapping_content
from synthstore.store.plan import CATALOG, INDEX, MAPPING, Change
from synthstore.transfer.outcomes import Entry
from synthstore.transfer.vectors import Vectors

_NO_ROW = -1


def is_bare(inventory: Inventory) -> bool:
    """Whether nothing of a store stands there yet."""
    stati = [inventory.catalog.status, inventory.index.status]
    stati += [mapping.status for mapping in inventory.mappings]
    missing = all(status is PartStatus.MISSING for status in stati)
    return missing and not (inventory.files or inventory.strays or inventory.access)


class Begun:
    """Entity files that a new store is to have, and which of its embeddings is whose."""

    def __init__(self, vectors: Vectors) -> None:
        self.entries: dict[str, Entry] = {}
        """By path."""
        self._vectors = vectors
        self._rows = array("q")
        """Of each entry, in their order."""

    def add(self, entry: Entry, vector: bytes | int | None) -> None:
        """Note one whole file, and its embedding where that is valid: all of one dimension."""
        self.entries[entry.path] = entry
        self._rows.append(_NO_ROW if vector is None else self._vectors.keep(entry.dim, vector))

    def embedded(self) -> tuple[list[EntityRef], Order, FloatMatrix] | None:
        """Entities in order, the row of each in the matrix, and the matrix; it can be had once.

        None where no file has an embedding.
        """
        found = [
            (entry.ref, row, entry.dim)
            for entry, row in zip(self.entries.values(), self._rows, strict=True)
            if row != _NO_ROW
        ]
        if not found:
            return None
        found.sort()
        rows = np.fromiter((row for _, row, _ in found), np.intp, len(found))
        return [ref for ref, _, _ in found], rows, self._vectors.matrix(found[0][2])


def begin(layout: Layout, begun: Begun, access: Stat) -> Iterator[Sequence[Change]]:
    """Index, mapping and catalog of the files that are ``begun``.

    All of it is let go on the way. They come one by one: the vectors of many files, and their rows,
    take too much room to be held together.
    """
    entries = begun.entries
    embedded = begun.embedded()
    del begun
    if embedded is not None:
        names, index = _index(layout, *embedded)
        del embedded
        yield (_new(layout.faiss_path, index, INDEX, access),)
        del index
        native = layout.name == Native.name
        mapping = mapping_content(names, None, default="native" if native else "core")
        del names
        yield (_new(layout.mapping_paths[0], mapping, MAPPING, access),)
        del mapping
    yield (_new(layout.catalog_path, _catalog(layout, entries), CATALOG, access),)


def begin_empty(layout: Layout, access: Stat) -> Iterator[Sequence[Change]]:
    """What tells the layout of a store that has nothing yet."""
    if layout.name != Native.name:
        # A Memory Core's empty catalog alone says nothing of its layout.
        mapping = mapping_content({}, None, default="core")
        yield (_new(layout.mapping_paths[0], mapping, MAPPING, access),)
    yield (_new(layout.catalog_path, _catalog(layout, {}), CATALOG, access),)


def _index(
    layout: Layout, refs: Sequence[EntityRef], rows: Order, matrix: FloatMatrix
) -> tuple[dict[str, int], FlatContent]:
    """The mapping's entries and the index, in the order of the entities."""
    names = {name: numeric_id(name) for name in map(vector_id, refs)}
    ids = np.fromiter(names.values(), np.int64, len(names))
    vectors = ChosenRows(matrix, matrix[:0], rows)
    return names, flat_content(layout.factory, layout.metric, ids, vectors)


def _catalog(layout: Layout, entries: dict[str, Entry]) -> bytes:
    by_ref = sorted((entry.ref, path) for path, entry in entries.items())
    rows = {ref: entries.pop(path).row for ref, path in by_ref}
    del by_ref
    return dump(layout.write_catalog(None, rows), Style())


def _new(path: str, content: Content, order: int, access: Stat) -> Change:
    mode, uid, gid = access.mode, access.uid, access.gid
    return Change(path, None, content, order, mode=mode, uid=uid, gid=gid)
