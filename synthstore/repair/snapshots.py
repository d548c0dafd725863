"""Snapshots as a source of surviving copies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from synthstore.errors import SynthstoreError
from synthstore.layout.base import Layout, Place
from synthstore.model.facts import FileStatus
from synthstore.model.ids import EntityRef, Kind
from synthstore.repair.sources import NO_STAT, Copy, Source
from synthstore.repository.file_rows import FileRow, FileRows
from synthstore.repository.manifest import Snapshot
from synthstore.repository.vault import Repository
from synthstore.rot import Newest
from synthstore.scan.inventory import Inventory
from synthstore.scan.shard import facts_of

_SHA256, _ID = map(FileRow._fields.index, ("sha256", "id"))

_KINDS: dict[Place, Kind] = {Place.MEMORY: "memory", Place.ASSEMBLY: "assembly"}


def snapshots_of(newest: Newest) -> Source:
    """The copies that the snapshots in its repositories hold, of the store that is looked at."""

    def source(root: Path, inventory: Inventory, needs: frozenset[EntityRef]) -> Iterator[Copy]:
        for place in newest.places:
            with Repository.reading(place) as repository:
                asked = _Asked(repository, inventory.layout, needs, newest)
                yield from asked.copies(newest.snapshots(repository, root, inventory))

    return source


@dataclass(frozen=True, slots=True)
class _Asked:
    """One repository that is asked for entities."""

    repository: Repository
    layout: Layout
    needs: frozenset[EntityRef]
    newest: Newest
    seen: set[str] = field(default_factory=set)
    """Lists of files that were gone through, and files that were tried."""

    def copies(self, snapshots: Sequence[Snapshot]) -> Iterator[Copy]:
        """What these of it have, which come oldest first; the newest first."""
        for snapshot in reversed(snapshots):
            if snapshot.layout == self.layout.name and snapshot.tree not in self.seen:
                self.seen.add(snapshot.tree)
                for kind, row in self._wanted(self._rows(snapshot)):
                    copy = _copy(self.repository, snapshot, self.layout, kind, row)
                    if copy is not None and copy.ref in self.needs:
                        yield copy

    def _rows(self, snapshot: Snapshot) -> FileRows:
        """Its files; none where the repository lost their list, as its own check says."""
        known = self.newest.list_of(snapshot)
        try:
            return FileRows.of(self.repository.tree(snapshot).files) if known is None else known
        except SynthstoreError:
            return FileRows.of(())

    def _wanted(self, rows: FileRows) -> Iterator[tuple[Kind, FileRow]]:
        """Files of entities that are needed, by the id that the list has, and that are new."""
        ids = {ref.id for ref in self.needs}
        for columns in rows.runs():
            paths, digests, names = columns[0], columns[_SHA256], columns[_ID]
            for at, (path, sha256, name) in enumerate(zip(paths, digests, names, strict=True)):
                told = name or self.layout.id_from_path(path)
                kind = _KINDS.get(self.layout.place(path)) if told in ids else None
                if kind is None or sha256 in self.seen or EntityRef(kind, told) not in self.needs:
                    continue
                self.seen.add(sha256)
                yield kind, FileRow(*(column[at] for column in columns))


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
