"""The store itself into another layout, as one undoable run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from synthstore.errors import InterruptedByUserError, OperationError, UsageError
from synthstore.files.durable import hash_content
from synthstore.files.walk import look as stat_path
from synthstore.files.walk import stat_of
from synthstore.layout.base import Layout, Place
from synthstore.migrate.aside import Parcel
from synthstore.migrate.making import Converting
from synthstore.migrate.proof import require_sound, told
from synthstore.migrate.refusals import refuse_loss, refuse_mixed, refuse_unsettled
from synthstore.migrate.report import Left, MigrateReport
from synthstore.model.facts import CatalogFacts, IndexFacts, MappingFacts, PartStatus
from synthstore.model.paths import folder_of
from synthstore.progress import Progress
from synthstore.repair.holding import held
from synthstore.shell import path_word
from synthstore.store.halfway import NOTE
from synthstore.store.plan import Staged
from synthstore.store.runs import CATALOG, ENTITY, INDEX, MAPPING, REMOVAL, Change, FilesChanged
from synthstore.store.session import Session
from synthstore.store.staging import room_needed
from synthstore.verify import Look, LookOptions, look

TRIES = 3
"""How often a plan is made again because files moved under it."""

_ORDERS = {Place.MEMORY: ENTITY, Place.ASSEMBLY: ENTITY}


@dataclass(frozen=True, slots=True)
class Site:
    """The store to convert, what it is to become, and how it is looked at."""

    store: Path
    root: Path
    layout: Layout
    """What it is to become."""
    looking: LookOptions
    progress: Progress
    dry_run: bool


async def convert_in_place(
    site: Site, source: Layout, lock_wait: float, confirm: Callable[[MigrateReport], bool]
) -> MigrateReport:
    """Convert the store at ``site``; ``confirm`` is shown the plan before the first change."""
    if site.dry_run:
        seen = await look(site.root, source, site.looking, site.progress)
        return (await asyncio.to_thread(_plan, site, seen))[0]
    async with held(site.root, wait=lock_wait, command="migrate") as session:
        return await _under_lock(site, source, session, confirm)


async def _under_lock(
    site: Site, source: Layout, session: Session, confirm: Callable[[MigrateReport], bool]
) -> MigrateReport:
    confirmed = False
    for _ in range(TRIES):
        seen = await look(site.root, source, site.looking, site.progress)
        report, changes = await asyncio.to_thread(_plan, site, seen)
        if not changes:
            return _as_it_is(report, site, session)
        if not confirmed and not confirm(report):
            raise InterruptedByUserError("declined; nothing was changed")
        confirmed = True
        try:
            result = await asyncio.to_thread(
                session.run,
                "migrate",
                changes,
                note={NOTE: [source.name, site.layout.name]},
                emptied=_emptied(site, changes),
                progress=site.progress,
            )
        except FilesChanged:
            continue
        new = await look(
            site.root, site.layout, replace(site.looking, layout=site.layout.name), site.progress
        )
        require_sound(new, told(seen), f"take it back with: {_undo(site.store, result.run)}")
        return replace(
            report,
            run=result.run,
            files=len(result.applied),
            vectors=new.inventory.index.ntotal,
            left=tuple(_conflict(path) for path in result.conflicts),
            findings=new.findings,
            next=_undo(site.store, result.run),
        )
    raise OperationError(
        "the store kept changing while it was to be converted",
        hint="stop the Memory Core that writes to it, then run the command again",
    )


def _undo(store: Path, run: str | None) -> str | None:
    return None if run is None else f"synthstore undo {path_word(store)} {run}"


def _as_it_is(report: MigrateReport, site: Site, session: Session) -> MigrateReport:
    """Nothing left to do, be it that this command completed what an earlier one had begun."""
    done = [run.run for run in session.recovered if run.command == "migrate"]
    if not done:
        return report
    return replace(report, run=done[-1], resumed=True, next=_undo(site.store, done[-1]))


def _emptied(site: Site, changes: Sequence[Change]) -> list[str]:
    """Folders that only the old layout has, if an undo would make them as they are."""
    going = {folder_of(change.path) for change in changes if change.content is None}
    kept = {"", *site.layout.entity_folders, *site.layout.part_folders}
    mode = stat_of(site.root.stat()).mode
    found = ((folder, stat_path(site.root, folder)) for folder in sorted(going - kept))
    return [folder for folder, entry in found if entry is not None and entry.stat.mode == mode]


def _conflict(path: str) -> Left:
    return Left("S001", "file", path, path, "it changed while the run was applied, and was left")


def _plan(site: Site, seen: Look) -> tuple[MigrateReport, list[Change]]:
    inventory = seen.inventory
    refuse_unsettled(site.store, inventory)
    refuse_mixed(site.store, inventory)
    making = Converting(site.root, seen, site.layout)
    refuse_loss(site.store, making.left)
    changes = list(_changes(making)) if making.needed else []
    report = MigrateReport(
        store=str(site.store),
        target=None,
        layout=inventory.layout.name,
        into=site.layout.name,
        dry_run=site.dry_run,
        files=_count(making, changes),
        bytes=room_needed(site.root, changes),
        memories=inventory.count("memory"),
        assemblies=inventory.count("assembly"),
        vectors=making.vectors,
    )
    return report, changes


def _count(making: Converting, changes: Sequence[Change]) -> int:
    """How many files are written or removed: one that gets the very bytes it has is not touched.

    Only between two Memory Cores may there be such. The changes come in the order in which they
    are made, so that the catalog is told of all entities.
    """
    if not making.parts.within_cores:
        return len(changes)
    return sum(not _stays(change) for change in changes)


def _stays(change: Change) -> bool:
    content = change.content
    if change.old is None or content is None or isinstance(content, Staged):
        return False
    return hash_content(content) == change.old


def _changes(making: Converting) -> Iterator[Change]:
    """Entities first: the catalog tells of what they became, and is made when they are."""
    stands = dict(_hashes(making))
    moving = {one.file.path for one in making.choice.moving.values()}
    written = set()
    for parcel in making.parcels:
        if parcel.path in stands and parcel.path not in moving and _is_entity(making, parcel):
            raise UsageError(
                f"{parcel.path} stands where an entity is to go",
                hint="move it out of the store, then run the command again",
            )
        written.add(parcel.path)
        yield _written(making.layout, parcel, stands.get(parcel.path))
    for path in sorted(stands.keys() - written):
        yield Change(path, stands[path], None, REMOVAL)


def _hashes(making: Converting) -> Iterator[tuple[str, str]]:
    """Paths of entities and parts that stand, and the sha256 of each."""
    inventory = making.inventory
    for file in inventory.files:
        if file.sha256 is not None:
            yield file.path, file.sha256
    parts: tuple[CatalogFacts | IndexFacts | MappingFacts, ...] = (
        inventory.catalog,
        inventory.index,
        *inventory.mappings,
    )
    for part in parts:
        if part.status is not PartStatus.MISSING and part.sha256 is not None:
            yield part.path, part.sha256


def _is_entity(making: Converting, parcel: Parcel) -> bool:
    return making.layout.place(parcel.path) in _ORDERS


def _written(layout: Layout, parcel: Parcel, old: str | None) -> Change:
    order = _ORDERS.get(layout.place(parcel.path), CATALOG)
    if parcel.path == layout.faiss_path:
        order = INDEX
    elif parcel.path in layout.mapping_paths:
        order = MAPPING
    attire = parcel.attire
    return Change(
        parcel.path,
        old,
        parcel.content,
        order,
        mode=attire.mode,
        uid=attire.uid if attire.uid >= 0 else None,
        gid=attire.gid if attire.gid >= 0 else None,
        size=parcel.size,
    )
