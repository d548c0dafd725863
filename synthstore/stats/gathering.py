"""From a store to its statistics."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from synthstore.model.facts import IndexFacts
from synthstore.model.ids import Kind
from synthstore.progress import Progress
from synthstore.repository.manifest import Snapshot
from synthstore.repository.vault import Repository
from synthstore.rot import Newest
from synthstore.scan.inventory import Inventory
from synthstore.stats.atlas import NOWHERE, Atlas, atlas
from synthstore.stats.distributions import distributions
from synthstore.stats.keeping import heaps
from synthstore.stats.report import Mark, Part, StatsReport
from synthstore.stats.twins import twins
from synthstore.verify import Examined, LookOptions, examine

KINDS: tuple[Kind, ...] = ("memory", "assembly")


@dataclass(frozen=True, slots=True)
class Portrait:
    """Statistics, and the map that only a page shows."""

    stats: StatsReport
    atlas: Atlas = NOWHERE


async def stats(
    store: Path,
    options: LookOptions,
    progress: Progress | None = None,
    *,
    snapshots: Newest | None = None,
    mapped: bool = False,
) -> Portrait:
    """The statistics of the store at ``store``, with ``mapped`` the map of its memories too.

    Its growth is that of its ``snapshots``. Raises NotAStoreError, NewerFormatError or
    PermissionDeniedError where it cannot look, at the store or at a repository, and UsageError
    where it cannot be told which snapshots are of this store.
    """
    # A repository that is none is said before the store is read.
    opened = None if snapshots is None else await asyncio.to_thread(_opened, snapshots)
    seen = await examine("stats", store, options, progress)
    marks: tuple[Mark, ...] = ()
    if snapshots is not None and opened is not None:
        marks = await asyncio.to_thread(_marks, snapshots, opened, seen)
        complete = seen.report.complete and not snapshots.unread
        seen = replace(seen, report=replace(seen.report, complete=complete))
    return await asyncio.to_thread(_portrait, seen, opened, marks, mapped=mapped)


def _opened(snapshots: Newest) -> Repository:
    (place,) = snapshots.places
    return Repository.open(place)


def _portrait(
    seen: Examined, repository: Repository | None, marks: tuple[Mark, ...], *, mapped: bool
) -> Portrait:
    inventory = seen.inventory
    told = StatsReport(
        report=seen.report,
        kinds={kind: _bytes_of(inventory, kind) for kind in KINDS},
        states=_states(inventory),
        distributions=distributions(inventory),
        parts=tuple(_parts(inventory)),
        heaps=heaps(seen.root),
        twins=twins(seen.root, inventory),
        repository=None if repository is None else repository.place.where,
        marks=marks,
    )
    return Portrait(told, atlas(seen) if mapped else NOWHERE)


def _bytes_of(inventory: Inventory, kind: Kind) -> int:
    return sum(file.stat.size for file in inventory.files if file.kind == kind)


def _states(inventory: Inventory) -> dict[str, int]:
    seen = Counter(file.embedding for file in inventory.files)
    return {state.name.lower().replace("_", "-"): seen[state] for state in sorted(seen)}


def _parts(inventory: Inventory) -> Iterator[Part]:
    catalog, index = inventory.catalog, inventory.index
    rows = len(catalog.catalog.rows) if catalog.catalog is not None else 0
    size = catalog.stat.size if catalog.stat is not None else 0
    yield Part("catalog", catalog.path, catalog.status.value, size, rows)
    size = index.stat.size if index.stat is not None else 0
    yield Part("index", index.path, index.status.value, size, index.ntotal, _kind_of(index))
    for mapping in inventory.mappings:
        size = mapping.stat.size if mapping.stat is not None else 0
        entries = len(mapping.entries or ())
        yield Part("mapping", mapping.path, mapping.status.value, size, entries)


def _kind_of(index: IndexFacts) -> str:
    if not index.description:
        return ""
    return f"{index.description}, {index.metric}, {index.dim} dimensions"


def _marks(snapshots: Newest, repository: Repository, seen: Examined) -> tuple[Mark, ...]:
    return tuple(map(_mark, snapshots.snapshots(repository, seen.root, seen.inventory)))


def _mark(snapshot: Snapshot) -> Mark:
    return Mark(
        snapshot.id,
        snapshot.time.isoformat(timespec="seconds"),
        snapshot.memories,
        snapshot.assemblies,
        snapshot.vectors,
        snapshot.bytes,
        sum(snapshot.findings.values()),
        snapshot.errors,
    )
