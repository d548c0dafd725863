"""Prune: let snapshots go by rule, then the data that no snapshot needs.

Killed anywhere it leaves every snapshot that stays whole: new packs are durable before old ones go,
and what is left over is garbage that the next prune removes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from synthstore.backup.report import Kept, PruneReport
from synthstore.backup.retention import Keep, kept
from synthstore.errors import UsageError
from synthstore.progress import Progress, SilentProgress
from synthstore.repository.damage import noted_in
from synthstore.repository.manifest import FileRow, Snapshot
from synthstore.repository.naming import of_name
from synthstore.repository.pack_building import PackBuilder
from synthstore.repository.packs import (
    PACK_BYTES,
    Blob,
    Coding,
    PackDamageError,
    PackIndex,
)
from synthstore.repository.place import DAMAGE, PACKS, SNAPSHOTS, Place
from synthstore.repository.shelf import unlisted
from synthstore.repository.vault import LostObjectError, Repository

WASTE = 0.25
"""A pack is rewritten once this share of it is needed by nobody."""

SMALL = PACK_BYTES // 4
MANY_SMALL = 8
"""As many packs below SMALL are made into few."""


def prune_repository(
    place: Place,
    keep: Keep,
    *,
    name: str | None = None,
    dry_run: bool = False,
    lock_wait: float = 0.0,
    progress: Progress | None = None,
) -> PruneReport:
    """Prune the snapshots of ``name``, or of each name by itself.

    Raises UsageError for a name that no snapshot has, LockedError.
    """
    if not keep.any:
        raise UsageError(
            "prune needs a rule", hint="say what to keep: --keep-daily 7 --keep-weekly 5"
        )
    repository = Repository(place)
    repository.read_config()
    if dry_run:
        repository.reload()
        return _held_back(_plan(repository, keep, name, dry_run=True), repository)
    with repository.locked(shared=False, wait=lock_wait):
        repository.reload()
        report = _plan(repository, keep, name, dry_run=False)
        for one in report.snapshots:
            if one.because is None:
                place.remove(f"{SNAPSHOTS}/{one.snapshot.file}")
        return _collect(repository, report, progress or SilentProgress())


def _plan(repository: Repository, keep: Keep, name: str | None, *, dry_run: bool) -> PruneReport:
    now = datetime.now(UTC)
    by_name: dict[str, list[Snapshot]] = {}
    for snapshot in of_name(repository.snapshots(), name, repository.place.where):
        by_name.setdefault(snapshot.name, []).append(snapshot)
    decided = []
    for snapshots in by_name.values():
        reasons = kept(snapshots, keep, now)
        decided += [Kept(one, reasons.get(one.file)) for one in snapshots]
    return PruneReport(repository=repository.place.where, dry_run=dry_run, snapshots=tuple(decided))


def _held_back(report: PruneReport, repository: Repository) -> PruneReport:
    """The report, with the reason if there is one why no data can go."""
    try:
        needed_objects(repository)
    except (LostObjectError, ValueError) as error:
        return _untold(report, error)
    return report


def _untold(report: PruneReport, error: Exception) -> PruneReport:
    return replace(report, held_back=f"not all that is needed can be told: {error}")


def _collect(repository: Repository, report: PruneReport, progress: Progress) -> PruneReport:
    place = repository.place
    place.sweep()
    try:
        needed = needed_objects(repository)
    except (LostObjectError, ValueError) as error:
        return _untold(report, error)
    plan = _plan_packs(repository, needed)
    if plan.rewrite:
        try:
            _rewrite(repository, plan.rewrite, needed, progress)
        except (PackDamageError, FileNotFoundError) as error:
            held = f"a pack that was to be rewritten is damaged: {error}"
            return replace(report, held_back=held)
    before = sum(repository.index.sizes.values())
    going = (*plan.remove, *(pack.name for pack in plan.rewrite))
    for name in going:
        place.remove(f"{PACKS}/{name}")
    _forget_damage(place)
    after = sum(place.names(PACKS).values())
    return replace(
        report,
        packs_removed=len(plan.remove),
        packs_rewritten=len(plan.rewrite),
        freed_bytes=max(0, before - after),
    )


def needed_objects(repository: Repository) -> frozenset[bytes]:
    """Every object that some snapshot needs; raises LostObjectError where that cannot be told.

    A file that is lost itself needs nothing more.
    """
    snapshots, bad = repository.all_snapshots()
    if bad:
        raise LostObjectError(f"snapshots that cannot be read: {', '.join(sorted(bad))}")
    files: set[bytes] = set()
    for tree, snapshot in {one.tree: one for one in snapshots}.items():
        files.add(bytes.fromhex(tree))
        files.update(row.object for row in _listed(repository, snapshot))
    needed = set(files)
    for name in files:
        if name in repository.index:
            recipe = repository.recipe(name)
            if recipe is not None:
                needed.update(recipe.ids)
    return frozenset(needed)


def _listed(repository: Repository, snapshot: Snapshot) -> Sequence[FileRow]:
    try:
        return repository.tree(snapshot).files
    except LostObjectError as error:
        raise LostObjectError(unlisted(repository.place, snapshot, error.message)) from error


@dataclass(frozen=True, slots=True)
class _Plan:
    remove: tuple[str, ...]
    rewrite: tuple[PackIndex, ...]


def _plan_packs(repository: Repository, needed: frozenset[bytes]) -> _Plan:
    index = repository.index
    remove: list[str] = []
    rewrite: list[PackIndex] = []
    small: list[PackIndex] = []
    for name, pack in index.packs.items():
        served = _served(repository, pack, needed)
        sizes = pack.blobs["size"]
        used = sum(int(sizes[row]) for row in served)
        if not served:
            remove.append(name)
        elif used < (1 - WASTE) * int(sizes.sum()):
            rewrite.append(pack)
        elif index.sizes[name] < SMALL:
            small.append(pack)
    if len(small) >= MANY_SMALL:
        rewrite += small
    if all(name in index for name in needed):
        remove += index.unreadable
    return _Plan(tuple(remove), tuple(rewrite))


def _served(repository: Repository, pack: PackIndex, needed: frozenset[bytes]) -> list[int]:
    """Rows of a pack that are needed, and that no other pack serves instead."""
    return [
        row
        for row, name in enumerate(pack.ids())
        if name in needed
        and name in repository.index
        and repository.index.pack_of(name) == pack.name
    ]


def _rewrite(
    repository: Repository,
    packs: Sequence[PackIndex],
    needed: frozenset[bytes],
    progress: Progress,
) -> None:
    """Copy what is needed of some packs into new ones."""
    progress.start("rewriting", len(packs), "packs")
    builders = {of_list: PackBuilder() for of_list in (False, True)}
    for pack in packs:
        progress.advance(1)
        rows = _served(repository, pack, needed)
        for block, blobs in _by_block(pack, rows).items():
            at, size = pack.span(block)
            stored = repository.place.read(f"{PACKS}/{pack.name}", at, size)
            plain, coding = pack.open_block(block, stored), pack.coding(block)
            of_list = coding is Coding.LISTS
            for blob in blobs:
                builders[of_list].add_blob(coding, blob, plain[blob.at : blob.at + blob.size])
            if builders[of_list].size >= PACK_BYTES:
                _write(repository.place, builders[of_list])
                builders[of_list] = PackBuilder()
    for builder in builders.values():
        if not builder.empty:
            _write(repository.place, builder)


def _by_block(pack: PackIndex, rows: Sequence[int]) -> Mapping[int, list[Blob]]:
    found: dict[int, list[Blob]] = {}
    for row in rows:
        found.setdefault(pack.block_of(row), []).append(pack.blob(row))
    return found


def _write(place: Place, builder: PackBuilder) -> None:
    name, content = builder.finish()
    place.write(f"{PACKS}/{name}", content)


def _forget_damage(place: Place) -> None:
    """Drop what was noted of packs that are gone; a check notes anew what is still so."""
    standing = place.names(PACKS).keys()
    for name in place.names(DAMAGE):
        if noted_in(place, name).blobs.keys().isdisjoint(standing):
            place.remove(f"{DAMAGE}/{name}")
