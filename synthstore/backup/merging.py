"""Entities of a snapshot put into a living store, their rows and vectors computed anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from synthstore.backup.listing import kind_at
from synthstore.checks.finding import Subject
from synthstore.checks.report import Action
from synthstore.errors import RefusedError, UsageError
from synthstore.layout.base import Layout
from synthstore.model.embedding import FloatVector
from synthstore.model.facts import EntityFile, FileStatus, Stat
from synthstore.model.ids import EntityRef
from synthstore.model.paths import folder_of
from synthstore.repair.plan import IndexWish
from synthstore.repair.planning import Planned, plan_repair
from synthstore.repair.sources import Source
from synthstore.repair.wishes import Wishes
from synthstore.repository.manifest import FileRow, Snapshot
from synthstore.repository.vault import LostObjectError, Repository
from synthstore.scan.inventory import EmbeddingTable, Inventory
from synthstore.scan.shard import facts_of
from synthstore.store.runs import ENTITY, Change

Overwrite = Literal["never", "if-newer", "always"]

FOLLOWING = (
    "C001", "C002", "C003", "C004", "C005", "C006", "C007", "C008", "M002", "A002", "M004", "A004",
    "V001", "V002", "V003", "V005", "V006", "V007", "V011",
)  # fmt: skip
"""What is mended around the restored entities, so that rows and vectors follow their files."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One entity of a snapshot."""

    ref: EntityRef
    row: FileRow


@dataclass(slots=True)
class Merge:
    """What a restore would do to a living store."""

    changes: tuple[Change, ...] = ()
    actions: list[Action] = field(default_factory=list)
    lost: dict[str, str] = field(default_factory=dict)
    refs: frozenset[EntityRef] = frozenset()
    bytes_needed: int = 0


@dataclass(frozen=True, slots=True)
class _Task:
    """What planning asks of a command."""

    wishes: Wishes
    wish: IndexWish = field(default_factory=IndexWish)
    rebuild: frozenset[str] = frozenset()
    sources: tuple[Source, ...] = ()


def wanted_rows(
    layout: Layout, rows: Iterable[FileRow], ids: frozenset[str], snapshot: Snapshot
) -> list[Wanted]:
    """The whole entities of a snapshot, all or those of ``ids``; raises UsageError for others."""
    found: list[Wanted] = []
    for row in rows:
        kind = kind_at(layout, row.path)
        if kind is None:
            continue
        name = row.id or layout.id_from_path(row.path)
        if not ids or name in ids:
            found.append(Wanted(EntityRef(kind, name), row))
    missing = sorted(ids - {one.ref.id for one in found})
    if missing:
        raise UsageError(
            f"snapshot {snapshot.id} does not hold {', '.join(missing)}",
            hint="'synthstore snapshots find ID --repo REPO' says which do",
        )
    return found


def merge(
    root: Path,
    inventory: Inventory,
    repository: Repository,
    wanted: Sequence[Wanted],
    overwrite: Overwrite,
) -> Merge:
    """Plan the restore of ``wanted``; raises RefusedError where it would lose data."""
    merger = _Merger(inventory, repository, overwrite)
    for one in wanted:
        merger.consider(one)
    outcome = merger.outcome
    if not merger.files:
        return outcome
    outcome.refs = frozenset(ref for ref, _ in merger.files)
    then = _with_files(inventory, merger.seen)
    planned = plan_repair(root, then, _Task(_wishes(outcome.refs)))
    if planned.refusal is not None:
        raise RefusedError(
            planned.refusal, hint="mend the store first: synthstore repair STORE --dry-run"
        )
    return _joined(outcome, merger, planned)


def _joined(outcome: Merge, merger: _Merger, planned: Planned) -> Merge:
    own = {change.path for change in merger.changes}
    outcome.changes = (*merger.changes, *(c for c in planned.changes if c.path not in own))
    outcome.actions += [action for action in planned.actions if action.path not in own]
    outcome.bytes_needed = planned.bytes_needed + sum(
        len(c.content) for c in merger.changes if isinstance(c.content, bytes)
    )
    return outcome


def _wishes(refs: frozenset[EntityRef]) -> Wishes:
    # An older file under a newer row looks like bit rot, and here it is what is wanted.
    return Wishes(select=FOLLOWING, ids=frozenset(ref.id for ref in refs), accept=("M004", "A004"))


class _Merger:
    def __init__(self, inventory: Inventory, repository: Repository, overwrite: Overwrite) -> None:
        self.inventory, self.repository, self.overwrite = inventory, repository, overwrite
        self.outcome = Merge()
        self.changes: list[Change] = []
        self.files: list[tuple[EntityRef, EntityFile]] = []
        self.seen: list[tuple[EntityFile, FloatVector | None]] = []
        self._blocked = {stray.path: stray.what for stray in inventory.strays}

    def consider(self, one: Wanted) -> None:
        """Plan one entity, or say why it is left."""
        standing = self._standing(one)
        path = standing.path if standing is not None else one.row.path
        if one.row.state:
            self._skip(one, path, "it is damaged in the snapshot too")
        elif path in self._blocked:
            self._skip(one, path, f"a {self._blocked[path]} stands there")
        elif standing is not None and standing.sha256 == one.row.sha256:
            self._skip(one, path, "the same bytes stand there")
        elif standing is not None and standing.sha256 is None:
            self._skip(one, path, "what stands there cannot be read")
        else:
            self._weigh(one, path, standing)

    def _standing(self, one: Wanted) -> EntityFile | None:
        bearing = self.inventory.by_ref.get(one.ref, ())
        return bearing[0] if bearing else self.inventory.by_path.get(one.row.path)

    def _weigh(self, one: Wanted, path: str, standing: EntityFile | None) -> None:
        if standing is not None and self.overwrite == "never":
            self._skip(one, path, "it exists; --overwrite if-newer or always replaces it")
            return
        try:
            content = self.repository.read(one.row.object)
        except LostObjectError as error:
            self.outcome.lost[one.row.path] = error.message
            self._skip(one, path, error.message)
            return
        row = one.row
        stat = Stat(row.size, row.mtime_ns, row.mode, -1, -1, 1, 0)
        facts, vector = facts_of(self.inventory.layout, one.ref.kind, path, content, stat)
        if facts.ref is None or (standing is not None and not self._may(facts, standing)):
            self._skip(one, path, "what stands there is as new, or newer")
            return
        old = standing.sha256 if standing is not None else None
        self.changes.append(
            Change(path, old, content, ENTITY, mode=row.mode, mtime_ns=row.mtime_ns)
        )
        self.files.append((facts.ref, facts))
        self.seen.append((facts, vector))
        verb = "restore-file" if standing is None else "replace-file"
        self.outcome.actions.append(Action(verb, _subject(one.ref), path, because="from snapshot"))

    def _may(self, new: EntityFile, standing: EntityFile) -> bool:
        """Whether ``--overwrite`` lets the snapshot's file take the place of a standing one."""
        if self.overwrite == "always" or standing.status is not FileStatus.WHOLE:
            return True
        ours = new.record.updated_us if new.record is not None else None
        theirs = standing.record.updated_us if standing.record is not None else None
        return ours is not None and theirs is not None and ours > theirs

    def _skip(self, one: Wanted, path: str, because: str) -> None:
        self.outcome.actions.append(
            Action("restore-file", _subject(one.ref), path, status="skipped", because=because)
        )


def _subject(ref: EntityRef) -> Subject:
    return Subject(ref.kind, ref.id)


def _with_files(
    inventory: Inventory, seen: Sequence[tuple[EntityFile, FloatVector | None]]
) -> Inventory:
    """The inventory as it would be once these files stand in the store."""
    fresh = {file.path: file for file, _ in seen}
    files = {**inventory.by_path, **fresh}
    folders = dict(inventory.folders)
    folders |= {folder: True for path in fresh if (folder := folder_of(path)) in folders}
    return replace(
        inventory,
        files=tuple(files[path] for path in sorted(files)),
        tables=_tables(inventory.tables, fresh.keys(), seen),
        folders=folders,
    )


def _tables(
    tables: Mapping[int, EmbeddingTable],
    replaced: Iterable[str],
    seen: Sequence[tuple[EntityFile, FloatVector | None]],
) -> dict[int, EmbeddingTable]:
    gone = frozenset(replaced)
    found: dict[int, EmbeddingTable] = {}
    fresh: dict[int, list[tuple[str, FloatVector]]] = {}
    for file, vector in seen:
        if vector is not None:
            fresh.setdefault(file.dim, []).append((file.path, vector))
    for dim in sorted({*tables, *fresh}):
        old = tables.get(dim)
        kept = [] if old is None else [n for n, path in enumerate(old.paths) if path not in gone]
        new = fresh.get(dim, [])
        paths = tuple(old.paths[n] for n in kept) if old is not None else ()
        rows = [old.matrix[kept]] if old is not None and kept else []
        if new:
            rows.append(np.stack([vector for _, vector in new]))
        if rows:
            matrix = np.concatenate(rows)
            found[dim] = EmbeddingTable((*paths, *(path for path, _ in new)), matrix)
    return found
