"""The log of an open library, as part of what a scan saw.

While a library holds the store, catalog and index are behind its log on purpose. A scan then shows
them as they will be once the log is folded, so that no rule takes the delay for damage. After a
crash nobody holds the store, and the delay is drift like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from synthstore.files.lock import is_shared
from synthstore.layout.base import Layout
from synthstore.model.embedding import FloatVector
from synthstore.model.facts import EntityFile, IndexFacts, MappingFacts, PartStatus
from synthstore.model.ids import EntityRef
from synthstore.scan.inventory import Inventory
from synthstore.store.after import Seen, may_follow, rows_after, vectors_after
from synthstore.store.changes import Deed, Pending, pending_of
from synthstore.store.journal import LOCK


def with_log(
    root: Path, inventory: Inventory, before: Pending, after: Pending, *, held: bool
) -> Inventory:
    """The inventory with what the log said ``before`` and ``after`` the scan.

    Changes that were folded meanwhile are only in the first, newer ones only in the second. With
    ``held`` the store counts as held by a library.
    """
    log = pending_of([*before.last.values(), *after.last.values()])
    if not log.last:
        return inventory
    inventory = replace(inventory, deleted=_deleted(inventory, after))
    return _as_folded(inventory, log) if held or is_shared(root / LOCK) else inventory


def _deleted(inventory: Inventory, log: Pending) -> frozenset[EntityRef]:
    """Entities that we deleted, but for those that somebody else brought back since."""
    catalog = inventory.catalog.catalog
    listed = {row.ref for row in catalog.rows} if catalog is not None else set()
    back = listed | {_ref(inventory.layout, file) for file in inventory.files}
    return log.deleted | (log.gone - back)


def _ref(layout: Layout, file: EntityFile) -> EntityRef:
    return file.ref or EntityRef(file.kind, layout.id_from_path(file.path))


def _as_folded(inventory: Inventory, log: Pending) -> Inventory:
    catalog = inventory.catalog.catalog
    if catalog is None:
        return inventory
    seen = _seen(inventory, log)
    listed = {row.ref for row in catalog.rows}
    rows = rows_after(inventory.layout, catalog, log, seen)
    document = inventory.layout.write_catalog(catalog, rows)
    facts = replace(inventory.catalog, catalog=inventory.layout.read_catalog(document))
    inventory = replace(inventory, catalog=facts)
    if may_follow(_shown(inventory.index), inventory.mappings, alone=listed <= log.last.keys()):
        index, mappings = _vectors(inventory, log, seen)
        inventory = replace(inventory, index=index, mappings=mappings)
    return inventory


def _shown(index: IndexFacts) -> IndexFacts:
    """An index of which a quick look read only the ids counts as whole."""
    if index.status is PartStatus.OK and index.vectors is None and index.ids is not None:
        return replace(index, vectors=np.zeros((len(index.ids), index.dim), dtype=np.float32))
    return index


def _seen(inventory: Inventory, log: Pending) -> Mapping[EntityRef, Seen]:
    found: dict[EntityRef, Seen] = {}
    for file in inventory.files:
        ref = _ref(inventory.layout, file)
        if ref in log.last and log.last[ref].deed is Deed.SAVE:
            found[ref] = file, inventory.vector_of(file.path)
    return found


def _vectors(
    inventory: Inventory, log: Pending, seen: Mapping[EntityRef, Seen]
) -> tuple[IndexFacts, tuple[MappingFacts, ...]]:
    index, layout = inventory.index, inventory.layout
    quick = index.vectors is None and index.status is PartStatus.OK
    shown = _with_own_vectors(inventory, _shown(index))
    after = vectors_after(shown, inventory.mappings, log, seen, _unscaled)
    description = index.description or layout.factory
    index = replace(
        index,
        status=PartStatus.OK,
        description=description,
        metric=index.metric or layout.metric,
        dim=after.vectors.shape[1],
        ntotal=len(after.ids),
        ids=after.ids,
        vectors=None if quick or inventory.quick else after.vectors,
    )
    mappings = (
        replace(m, status=PartStatus.OK, entries=after.entries, duplicate_keys=(), bad_entries=())
        for m in inventory.mappings
        if m.status is not PartStatus.UNREADABLE
    )
    unread = (m for m in inventory.mappings if m.status is PartStatus.UNREADABLE)
    return index, (*mappings, *unread)


def _with_own_vectors(inventory: Inventory, index: IndexFacts) -> IndexFacts:
    """The index with vectors that may change without the embeddings changing by it."""
    if index.vectors is None:
        return index
    vectors, tables = index.vectors[:], inventory.tables.values()
    shared = any(np.may_share_memory(vectors, table.matrix) for table in tables)
    return replace(index, vectors=vectors.copy() if shared else vectors)


def _unscaled(vector: FloatVector) -> FloatVector:
    return vector
