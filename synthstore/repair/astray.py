"""Entities whose only file stands in the folder of the other kind. No I/O."""

from __future__ import annotations

from synthstore.model.facts import EntityFile, FileStatus
from synthstore.model.ids import Kind
from synthstore.repair.sources import Copy
from synthstore.repair.state import Basis
from synthstore.scan.shard import facts_of


def astray(basis: Basis, file: EntityFile) -> Copy | None:
    """The whole entity of the other kind that stands here, of which no other file does."""
    raw = basis.raw.get(file.path)
    if raw is None or file.status is not FileStatus.INCOMPLETE:
        return None
    kind: Kind = "assembly" if file.kind == "memory" else "memory"
    facts, vector = facts_of(basis.inventory.layout, kind, file.path, raw, file.stat)
    ref, standing = facts.ref, basis.standing
    if ref is None or ref in standing.doomed:
        return None
    stands = ref in standing.standing_file or ref in standing.hurt
    return None if stands else Copy(ref, raw, file.path, facts, vector)
