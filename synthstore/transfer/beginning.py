"""What belongs around the entities of a store that is begun with them: index, mapping, catalog.

Where nothing stands, nothing is to be kept, compared or mended. It comes to the same bytes as
``repair.placing`` does with the inventory of an empty store, in a fraction of the memory.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress

import numpy as np

from synthstore.files.durable import Content
from synthstore.files.jsonio import Style
from synthstore.files.pieces import Original, Pieces, dump_in_pieces
from synthstore.layout.base import Layout
from synthstore.layout.native import Native
from synthstore.model.chosen import ChosenRows, Order
from synthstore.model.embedding import FloatMatrix
from synthstore.model.entries import Entries
from synthstore.model.facts import PartStatus, Stat
from synthstore.model.ids import EntityRef, vector_id
from synthstore.model.numbers import numeric_ids
from synthstore.scan.inventory import Inventory
from synthstore.store.flat_index import FlatContent, flat_content
from synthstore.store.mapping import style_in
from synthstore.store.mapping_file import mapping_file
from synthstore.store.plan import CATALOG, INDEX, MAPPING, Change
from synthstore.transfer.listing import Listing
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
        self._place_of: dict[str, int] = {}
        """By path, as what number it came."""
        self._listing = Listing()
        self._rows = array("q")
        """Of the embedding of each, in the matrix."""
        self._vectors, self._dim = vectors, 0

    def __len__(self) -> int:
        """How many there are."""
        return len(self._place_of)

    def add(self, entry: Entry, vector: bytes | int | None) -> None:
        """Note one whole file, and its embedding where that is valid: all of one dimension."""
        self._place_of[entry.path] = len(self)
        self._listing.add(entry.ref, entry.row)
        if vector is not None:
            self._dim = entry.dim
        self._rows.append(_NO_ROW if vector is None else self._vectors.keep(entry.dim, vector))

    def bearer(self, path: str) -> EntityRef | None:
        """The entity whose file a path is to be."""
        place = self._place_of.get(path)
        return None if place is None else self._listing.ref(place)

    def handed_over(self) -> tuple[Listing, Order]:
        """The entities in order, and of each the row in the matrix; here is nothing of it then."""
        listing, rows = self._listing, np.frombuffer(self._rows, np.int64)
        self._place_of, self._listing, self._rows = {}, Listing(), array("q")
        listing.sort()
        return listing, rows[np.asarray(listing.places)]

    def matrix(self) -> FloatMatrix:
        """All embeddings; it can be had once, where there are any."""
        return self._vectors.matrix(self._dim)


def begin(layout: Layout, begun: Begun, access: Stat) -> Iterator[Sequence[Change]]:
    """Index, mapping and catalog of the files that are ``begun``.

    All of it is let go on the way. They come one by one: the vectors of many files, and their rows,
    take too much room to be held together.
    """
    listing, rows = begun.handed_over()
    embedded = rows != _NO_ROW
    if embedded.any():
        refs = compress(listing, embedded)
        names, index = _index(layout, refs, begun.matrix(), rows[embedded])
        yield (_new(layout.faiss_path, index, INDEX, access),)
        del index
        mapping = mapping_file(names, None, default=style_in(layout))
        del names
        yield (_new(layout.mapping_paths[0], mapping, MAPPING, access),)
        del mapping
    yield (_new(layout.catalog_path, _catalog(layout, listing), CATALOG, access),)


def begin_empty(layout: Layout, access: Stat) -> Iterator[Sequence[Change]]:
    """What tells the layout of a store that has nothing yet."""
    if layout.name != Native.name:
        # A Memory Core's empty catalog alone says nothing of its layout.
        mapping = mapping_file({}, None, default="core")
        yield (_new(layout.mapping_paths[0], mapping, MAPPING, access),)
    yield (_new(layout.catalog_path, _catalog(layout, Listing()), CATALOG, access),)


def _index(
    layout: Layout, refs: Iterable[EntityRef], matrix: FloatMatrix, rows: Order
) -> tuple[Entries, FlatContent]:
    """The mapping's entries and the index, in the order of the entities."""
    names = list(dict.fromkeys(map(vector_id, refs)))
    ids = numeric_ids(names)
    vectors = ChosenRows(matrix, matrix[:0], rows)
    return Entries.of(names, ids), flat_content(layout.factory, layout.metric, ids, vectors)


def _catalog(layout: Layout, listing: Listing) -> bytes | Pieces:
    document = layout.write_catalog(None, listing)
    return dump_in_pieces(document, Original(Style()), layout.long_section)


def _new(path: str, content: Content, order: int, access: Stat) -> Change:
    mode, uid, gid = access.mode, access.uid, access.gid
    return Change(path, None, content, order, mode=mode, uid=uid, gid=gid)
