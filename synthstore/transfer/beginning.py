"""What belongs around the entities of a store that is begun with them: index, mapping, catalog.

Where nothing stands, nothing is to be kept, compared or mended. It comes to the same bytes as
``repair.placing`` does with the inventory of an empty store, in a fraction of the memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from synthstore.files.durable import Content
from synthstore.files.jsonio import Style, dump
from synthstore.layout.base import Layout
from synthstore.layout.native import Native
from synthstore.model.facts import EntityFile, PartStatus, Stat
from synthstore.model.ids import EntityRef, numeric_id, vector_id
from synthstore.repair.placing import Placed
from synthstore.scan.inventory import EmbeddingTable, Inventory
from synthstore.store.flat_index import FlatContent, flat_content
from synthstore.store.mapping import mapping_content
from synthstore.store.plan import CATALOG, INDEX, MAPPING, Change


def is_bare(inventory: Inventory) -> bool:
    """Whether nothing of a store stands there yet."""
    stati = [inventory.catalog.status, inventory.index.status]
    stati += [mapping.status for mapping in inventory.mappings]
    missing = all(status is PartStatus.MISSING for status in stati)
    return missing and not (inventory.files or inventory.strays or inventory.access)


def begin(layout: Layout, placed: Placed, access: Stat) -> Iterator[Sequence[Change]]:
    """Index, mapping and catalog of the files ``placed``, whose embeddings are of one dimension.

    All that is ``placed`` is let go on the way. They come one by one: the vectors of many files,
    and their rows, take too much room to be held together.
    """
    files = placed.files
    tables = placed.tables()
    del placed
    while tables:
        names, index = _index(layout, files, tables.popitem()[1])
        yield (_new(layout.faiss_path, index, INDEX, access),)
        del index
        native = layout.name == Native.name
        mapping = mapping_content(names, None, default="native" if native else "core")
        del names
        yield (_new(layout.mapping_paths[0], mapping, MAPPING, access),)
        del mapping
    yield (_new(layout.catalog_path, _catalog(layout, files), CATALOG, access),)


def _index(
    layout: Layout, files: Mapping[str, EntityFile], table: EmbeddingTable
) -> tuple[dict[str, int], FlatContent]:
    """The mapping's entries and the index, in the order of the entities."""
    refs = [_ref(files[path]) for path in table.paths]
    order = sorted(range(len(refs)), key=refs.__getitem__)
    names = {name: numeric_id(name) for name in (vector_id(refs[row]) for row in order)}
    ids = np.fromiter(names.values(), np.int64, len(names))
    content = flat_content(
        layout.factory, layout.metric, ids, table.matrix, order=np.array(order, np.intp)
    )
    return names, content


def _catalog(layout: Layout, files: dict[str, EntityFile]) -> bytes:
    by_ref = sorted((_ref(file), path) for path, file in files.items())
    rows = {ref: layout.row_for(files.pop(path), None, ()) for ref, path in by_ref}
    del by_ref
    return dump(layout.write_catalog(None, rows), Style())


def _ref(file: EntityFile) -> EntityRef:
    ref = file.ref
    if ref is None:
        raise ValueError(f"no whole entity: {file.path}")
    return ref


def _new(path: str, content: Content, order: int, access: Stat) -> Change:
    mode, uid, gid = access.mode, access.uid, access.gid
    return Change(path, None, content, order, mode=mode, uid=uid, gid=gid)
