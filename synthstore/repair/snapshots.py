"""Snapshots as a source of surviving copies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from synthstore.errors import SynthstoreError
from synthstore.layout.base import Layout, Place
from synthstore.model.facts import FileStatus
from synthstore.model.ids import EntityRef, Kind
from synthstore.repair.sources import NO_STAT, Copy, Source
from synthstore.repository.manifest import FileRow, Snapshot, of_store
from synthstore.repository.place import Place as Storage
from synthstore.repository.vault import Repository
from synthstore.scan.inventory import Inventory
from synthstore.scan.shard import facts_of

_KINDS: dict[Place, Kind] = {Place.MEMORY: "memory", Place.ASSEMBLY: "assembly"}


def snapshots_in(place: Storage) -> Source:
    """The copies that the snapshots of a repository hold, of the store of the same name.

    Where the repository knows no such name, but a single other one, of that one.
    """

    def source(root: Path, inventory: Inventory, needs: frozenset[EntityRef]) -> Iterator[Copy]:
        with Repository.reading(place) as repository:
            seen: set[str] = set()
            for snapshot in reversed(of_store(repository.snapshots(), root.name)):
                if snapshot.layout == inventory.layout.name:
                    yield from _copies(repository, snapshot, inventory.layout, needs, seen)

    return source


def _copies(
    repository: Repository,
    snapshot: Snapshot,
    layout: Layout,
    needs: frozenset[EntityRef],
    seen: set[str],
) -> Iterator[Copy]:
    if snapshot.tree in seen:
        return
    seen.add(snapshot.tree)
    try:
        rows = repository.tree(snapshot).files
    except SynthstoreError:
        # What a repository lost is no source; its own check says so.
        return
    for row in rows:
        kind = _KINDS.get(layout.place(row.path))
        if kind is None or row.sha256 in seen:
            continue
        if EntityRef(kind, row.id or layout.id_from_path(row.path)) in needs:
            seen.add(row.sha256)
            copy = _copy(repository, snapshot, layout, kind, row)
            if copy is not None and copy.ref in needs:
                yield copy


def _copy(
    repository: Repository, snapshot: Snapshot, layout: Layout, kind: Kind, row: FileRow
) -> Copy | None:
    try:
        content = repository.read(row.object)
    except SynthstoreError:
        return None
    facts, vector = facts_of(layout, kind, row.path, content, NO_STAT)
    if facts.status is not FileStatus.WHOLE or facts.ref is None:
        return None
    source = f"snapshot {snapshot.id} of {snapshot.time:%Y-%m-%d %H:%M}"
    return Copy(facts.ref, content, source, facts, vector)
