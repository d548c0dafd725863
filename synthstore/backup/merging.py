"""Entities of a snapshot put into a living store, their rows and vectors computed anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from synthstore.backup.listing import kind_at
from synthstore.backup.restoring import Overwrite
from synthstore.checks.finding import Subject
from synthstore.checks.report import Action
from synthstore.errors import UsageError
from synthstore.layout.base import Layout
from synthstore.model.facts import EntityFile, FileStatus, Stat
from synthstore.model.ids import EntityRef
from synthstore.repair.placing import Placed, plan_around
from synthstore.repository.manifest import FileRow, Snapshot
from synthstore.repository.vault import LostObjectError, Repository
from synthstore.scan.inventory import Inventory
from synthstore.scan.shard import facts_of
from synthstore.shell import cited, path_word, word
from synthstore.store.runs import ENTITY, Change
from synthstore.store.staging import room_needed


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
    """The entities restored."""
    paths: frozenset[str] = frozenset()
    """Of their files."""
    bytes_needed: int = 0


def wanted_rows(
    layout: Layout, rows: Iterable[FileRow], ids: frozenset[str], snapshot: Snapshot, where: str
) -> list[Wanted]:
    """The whole entities of a snapshot, all or those of ``ids``; raises UsageError for others.

    ``where`` is the repository that it is in.
    """
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
        search = f"synthstore snapshots find {word(missing[0])} --repo {path_word(where)}"
        raise UsageError(
            f"snapshot {snapshot.id} does not hold {', '.join(missing)}",
            hint=f"{cited(search)} says which do",
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
    outcome, changes, placed = _considered(inventory, repository, wanted, overwrite)
    if not placed.files:
        return outcome
    outcome.refs, outcome.paths = placed.refs, frozenset(placed.files)
    planned = plan_around(root, inventory, placed)
    outcome.changes = (*changes, *planned.changes)
    outcome.actions += planned.actions
    outcome.bytes_needed = room_needed(root, outcome.changes)
    return outcome


def _considered(
    inventory: Inventory, repository: Repository, wanted: Sequence[Wanted], overwrite: Overwrite
) -> tuple[Merge, Sequence[Change], Placed]:
    """What becomes of each of ``wanted``, before anything follows from it."""
    # The tables by which it finds what stands go with the copy: the plan needs the room.
    merger = _Merger(replace(inventory), repository, overwrite)
    for one in wanted:
        merger.consider(one)
    return merger.outcome, merger.changes, merger.placed


class _Merger:
    def __init__(self, inventory: Inventory, repository: Repository, overwrite: Overwrite) -> None:
        self.inventory, self.repository, self.overwrite = inventory, repository, overwrite
        self.outcome = Merge()
        self.changes: list[Change] = []
        self.placed = Placed()
        self._blocked = {stray.path: stray.what for stray in inventory.strays}

    def consider(self, one: Wanted) -> None:
        """Plan one entity, or say why it is left."""
        standing = self._standing(one)
        path = standing.path if standing is not None else one.row.path
        if one.row.state:
            self._fail(one, path, "it is damaged in the snapshot too")
        elif path in self._blocked:
            self._fail(one, path, f"a {self._blocked[path]} stands there: move it away")
        elif standing is not None and standing.sha256 == one.row.sha256:
            self._skip(one, path, "the same bytes stand there")
        elif standing is not None and standing.sha256 is None:
            self._fail(one, path, "what stands there cannot be read")
        else:
            self._weigh(one, path, standing)

    def _standing(self, one: Wanted) -> EntityFile | None:
        bearing = self.inventory.by_ref.get(one.ref, ())
        return bearing[0] if bearing else self.inventory.by_path.get(one.row.path)

    def _weigh(self, one: Wanted, path: str, standing: EntityFile | None) -> None:
        if standing is not None and self.overwrite == "never":
            self._keep(one, path, standing)
            return
        try:
            content = self.repository.read(one.row.object)
        except LostObjectError as error:
            self.outcome.lost[one.row.path] = error.message
            self._fail(one, path, error.message)
            return
        row = one.row
        stat = Stat(row.size, row.mtime_ns, row.safe_mode, -1, -1, 1, 0)
        facts, vector = facts_of(self.inventory.layout, one.ref.kind, path, content, stat)
        if facts.ref is None or (standing is not None and not self._may(facts, standing)):
            self._skip(one, path, "what stands there is as new, or newer")
            return
        old = standing.sha256 if standing is not None else None
        self.changes.append(
            Change(path, old, content, ENTITY, mode=row.safe_mode, mtime_ns=row.mtime_ns)
        )
        self.placed.add(facts, vector)
        verb = "restore-file" if standing is None else "replace-file"
        self.outcome.actions.append(Action(verb, _subject(one.ref), path, because="from snapshot"))

    def _may(self, new: EntityFile, standing: EntityFile) -> bool:
        """Whether ``--overwrite`` lets the snapshot's file take the place of a standing one."""
        if self.overwrite == "always" or standing.status is not FileStatus.WHOLE:
            return True
        ours = new.record.updated_us if new.record is not None else None
        theirs = standing.record.updated_us if standing.record is not None else None
        return ours is not None and theirs is not None and ours > theirs

    def _keep(self, one: Wanted, path: str, standing: EntityFile) -> None:
        """Leave what stands; where that is not the entity, whole, it is not what was asked for."""
        remedy = "--overwrite if-newer or always replaces it"
        if standing.status is FileStatus.WHOLE and standing.ref == one.ref:
            self._skip(one, path, f"it exists; {remedy}")
        elif standing.status is FileStatus.WHOLE:
            self._fail(one, path, f"the file of another id stands there; {remedy}")
        else:
            self._fail(one, path, f"a damaged file stands there; {remedy}")

    def _skip(self, one: Wanted, path: str, because: str) -> None:
        self._note(one, path, "skipped", because)

    def _fail(self, one: Wanted, path: str, because: str) -> None:
        self._note(one, path, "failed", because)

    def _note(
        self, one: Wanted, path: str, status: Literal["skipped", "failed"], because: str
    ) -> None:
        self.outcome.actions.append(
            Action("restore-file", _subject(one.ref), path, status=status, because=because)
        )


def _subject(ref: EntityRef) -> Subject:
    return Subject(ref.kind, ref.id)
