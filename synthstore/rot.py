"""Bytes that changed though size and time did not: bit rot, seen against the newest snapshot."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from synthstore.checks.catalogue import twin
from synthstore.checks.finding import Finding, Subject
from synthstore.checks.found import finding
from synthstore.repository.manifest import FileRow, of_store
from synthstore.repository.place import Place
from synthstore.repository.vault import Repository
from synthstore.scan.inventory import Inventory


@dataclass(frozen=True)
class Reference:
    """The files of a store's newest snapshot, by path."""

    snapshot: str
    """Its id; empty where there is none."""
    files: dict[str, FileRow] = field(default_factory=dict)


def newest(root: Path, place: Place) -> Reference:
    """The newest snapshot of the store at ``root``, by its name or as the only one.

    Raises NotAStoreError, LostObjectError.
    """
    repository = Repository.open(place)
    mine = of_store(repository.snapshots(), root.name)
    if not mine:
        return Reference("")
    rows = repository.tree(mine[-1]).files
    return Reference(mine[-1].id, {row.path: row for row in rows})


def rotten(
    inventory: Inventory, reference: Reference, told: Collection[Finding]
) -> Iterator[Finding]:
    """M004 and A004 for entity files that ``told`` does not say it of already."""
    known = {one.path for one in told if one.code in ("M004", "A004")}
    for file in inventory.files:
        row = reference.files.get(file.path)
        if row is None or file.sha256 is None or file.path in known:
            continue
        untouched = (row.size, row.mtime_ns) == (file.stat.size, file.stat.mtime_ns)
        if untouched and row.sha256 != file.sha256:
            name = file.id or row.id or inventory.layout.id_from_path(file.path)
            yield finding(
                twin("M004", file.kind),
                Subject(file.kind, name),
                file.path,
                "its bytes changed since the snapshot, its size and time did not",
                evidence={"snapshot": reference.snapshot, "snapshot_sha256": row.sha256},
            )
