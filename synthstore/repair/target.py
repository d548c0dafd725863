"""The state that should be, from all that survived; a pure function, to a fixed point.

Entities come first, since they are the truth; the catalog and the index follow from them. What is
written depends on nothing but the store's own bytes: no clock, no chance.
"""

from __future__ import annotations

from synthstore.checks.pairing import rows_of
from synthstore.checks.standing import lost_folders
from synthstore.model.facts import FileStatus
from synthstore.model.ids import EntityRef
from synthstore.model.paths import folder_of
from synthstore.repair.cataloguing import aim_catalog
from synthstore.repair.healing import LACKING
from synthstore.repair.indexing import aim_index
from synthstore.repair.mending import as_they_stand, mend
from synthstore.repair.state import Basis, CatalogTarget, Entities, IndexTarget, Target
from synthstore.scan.inventory import Inventory

MANY = 10
MANY_SHARE = 0.01


def aim(basis: Basis) -> Target:
    """Work out the target of a repair."""
    entities = as_they_stand(basis) if basis.rebuild else mend(basis)
    catalog = aim_catalog(basis, entities)
    index = aim_index(basis, entities)
    refusal = None if basis.wishes.allow_shrink else _refusal(basis, entities, catalog, index)
    return Target(entities, catalog, index, refusal)


def needs(basis: Basis) -> frozenset[EntityRef]:
    """The entities for which a surviving copy is worth looking for."""
    standing = basis.standing
    wanted = {row.ref for row in rows_of(basis.inventory) if row.ref not in standing.standing_file}
    wanted |= set(basis.frozen_paths.values())
    for file in basis.inventory.files:
        if file.status.hurt:
            wanted.add(standing.bears[file.path])
        elif LACKING.get(file.embedding) == "E003" and file.ref is not None:
            wanted.add(file.ref)
        if basis.wishes.select and file.record is not None:
            wanted |= {EntityRef("memory", member) for member in file.record.members}
    return frozenset(wanted)


def hurt_paths(inventory: Inventory) -> frozenset[str]:
    """Files whose bytes the target is computed from."""
    return frozenset(
        file.path
        for file in inventory.files
        if file.status in (FileStatus.TORN, FileStatus.INCOMPLETE)
        or (file.status is FileStatus.WHOLE and file.embedding in LACKING)
    )


def _refusal(
    basis: Basis, entities: Entities, catalog: CatalogTarget, index: IndexTarget
) -> str | None:
    for folder in (*lost_folders(basis.inventory), *_lost_by_backup(basis)):
        where = f"{folder}/" if folder else "the store's own folder"
        return f"the catalog lists entities in {where}, but it is missing or empty: not mounted?"
    rows, vectors = len(basis.rows), basis.inventory.index.ntotal
    removed = sum(
        action.kind == "quarantine-file" and action.subject.kind != "file"
        for action in entities.actions
    )
    gone = max(catalog.gone, removed)
    if _many(gone, max(rows, len(basis.inventory.files))):
        return f"{gone} of {rows} entities would go"
    if _many(index.gone, vectors):
        return f"{index.gone} of {vectors} vectors would go"
    if index.sole_copies:
        return (
            f"{index.sole_copies} vectors would go that are, or may be, the only copy of a living "
            "entity's embedding"
        )
    tied = basis.inventory.dimension is None and len(basis.inventory.tables) > 1
    if tied and basis.inventory.index.path:
        return "the embeddings are of several dimensions, and none is in the majority"
    return None


def _lost_by_backup(basis: Basis) -> frozenset[str]:
    """Folders without any file in which the backup of an unreadable catalog lists memories."""
    rows = basis.backup.rows if basis.backup is not None else ()
    named = {folder_of(row.path) for row in rows if row.kind == "memory" and row.path is not None}
    full = {folder_of(path) for path in basis.inventory.by_path}
    return frozenset(named & basis.inventory.folders.keys() - full)


def _many(gone: int, of: int) -> bool:
    return gone > MANY and gone > of * MANY_SHARE
