"""The state that should be, from all that survived; a pure function, to a fixed point.

Entities come first, since they are the truth; the catalog and the index follow from them. What is
written depends on nothing but the store's own bytes: no clock, no chance.
"""

from __future__ import annotations

from synthstore.checks.standing import lost_folders, unmounted
from synthstore.checks.vectors import tie_of, tied
from synthstore.model.columns import Bools, each_of, equal_to, some_of
from synthstore.model.facts import FileStatus
from synthstore.model.ids import EntityRef
from synthstore.model.paths import folder_of
from synthstore.repair.cataloguing import aim_catalog
from synthstore.repair.healing import LACKING
from synthstore.repair.indexing import aim_index
from synthstore.repair.mending import mend
from synthstore.repair.refusals import Cause, Refusal
from synthstore.repair.state import Basis, CatalogTarget, Entities, IndexTarget, Target
from synthstore.repair.untouched import as_they_stand
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
    wanted = {c.ref for c in standing.claims if c.ref not in standing.standing_file}
    wanted |= set(basis.frozen_paths.values())
    wanted |= standing.hurt.keys()
    lacking = some_of(basis.inventory.files, _whole_lacking(basis.inventory, "E003"))
    refs = (file.ref for file in lacking)
    wanted |= {ref for ref in refs if ref is not None}
    if basis.wishes.select:
        for members in each_of(basis.inventory.files, "record.members"):
            wanted |= {EntityRef("memory", member) for member in members or ()}
    return frozenset(wanted)


def _whole_lacking(inventory: Inventory, *codes: str) -> Bools:
    """Whole files whose embedding is what one of the ``codes`` says."""
    states = (state for state, code in LACKING.items() if code in codes)
    whole = equal_to(inventory.files, "status", FileStatus.WHOLE)
    return whole & equal_to(inventory.files, "embedding", *states)


def hurt_paths(inventory: Inventory) -> frozenset[str]:
    """Files whose bytes the target is computed from."""
    hurt = equal_to(inventory.files, "status", FileStatus.TORN, FileStatus.INCOMPLETE)
    lacking = _whole_lacking(inventory, *LACKING.values())
    return frozenset(file.path for file in some_of(inventory.files, hurt | lacking))


def _refusal(
    basis: Basis, entities: Entities, catalog: CatalogTarget, index: IndexTarget
) -> Refusal | None:
    for folder in (*lost_folders(basis.inventory), *_lost_by_backup(basis)):
        return Refusal(unmounted(folder), Cause.FOLDER)
    rows, vectors = len(basis.rows), basis.inventory.index.ntotal
    removed = sum(
        action.kind == "quarantine-file" and action.subject.kind != "file"
        for action in entities.actions
    )
    gone = max(catalog.gone, removed)
    if _many(gone, max(rows, len(basis.inventory.files))):
        return Refusal(f"{gone} of {rows} entities would go")
    sizes = tied(basis.inventory)
    if sizes and basis.inventory.index.path:
        return Refusal(tie_of(sizes), Cause.TIE)
    if _many(index.gone, vectors):
        return Refusal(f"{index.gone} of {vectors} vectors would go")
    if index.sole_copies:
        return Refusal(
            f"{index.sole_copies} vectors would go that are, or may be, the only copy of a living "
            "entity's embedding"
        )
    return None


def _lost_by_backup(basis: Basis) -> frozenset[str]:
    """Folders without any file in which the backup of an unreadable catalog lists memories."""
    rows = basis.backup.rows if basis.backup is not None else ()
    named = {folder_of(row.path) for row in rows if row.kind == "memory" and row.path is not None}
    full = {folder_of(path) for path in basis.inventory.by_path}
    return frozenset(named & basis.inventory.folders.keys() - full)


def _many(gone: int, of: int) -> bool:
    return gone > MANY and gone > of * MANY_SHARE
