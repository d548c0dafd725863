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
from synthstore.repository.manifest import Snapshot, of_store
from synthstore.repository.place import Place
from synthstore.repository.vault import Repository
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
    repository: Place | None = None,
    mapped: bool = False,
) -> Portrait:
    """The statistics of the store at ``store``, with ``mapped`` the map of its memories too.

    Raises NotAStoreError, NewerFormatError or PermissionDeniedError where it cannot look, at the
    store or at the ``repository``.
    """
    marks: tuple[Mark, ...] = ()
    whole = True
    if repository is not None:
        marks, whole = await asyncio.to_thread(_marks, store, repository)
    seen = await examine("stats", store, options, progress)
    if not whole:
        seen = replace(seen, report=replace(seen.report, complete=False))
    return await asyncio.to_thread(_portrait, seen, repository, marks, mapped=mapped)


def _portrait(
    seen: Examined, repository: Place | None, marks: tuple[Mark, ...], *, mapped: bool
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
        repository=None if repository is None else repository.where,
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


def _marks(store: Path, place: Place) -> tuple[tuple[Mark, ...], bool]:
    """The marks of a store, and whether every snapshot could be read."""
    repository = Repository.open(place)
    snapshots = of_store(repository.snapshots(), store.resolve().name)
    marks = map(_mark, sorted(snapshots, key=lambda one: (one.time, one.file)))
    return tuple(marks), not repository.unread


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
