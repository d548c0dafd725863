"""From an inventory to a plan: gathers the copies that survive, then asks the pure rooms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from synthstore.checks.found import forget
from synthstore.checks.ownership import owners
from synthstore.checks.report import Action
from synthstore.checks.standing import standing
from synthstore.errors import SynthstoreError
from synthstore.files.durable import hash_file
from synthstore.files.memory import MANY, give_back
from synthstore.files.walk import read_file
from synthstore.model.catalog import Catalog
from synthstore.model.facts import PartStatus, StrayKind
from synthstore.model.ids import EntityRef
from synthstore.repair.plan import Ground, IndexWish, plan
from synthstore.repair.refusals import Refusal
from synthstore.repair.sources import Source, surviving, unknown_at
from synthstore.repair.state import Basis
from synthstore.repair.target import aim, hurt_paths, needs
from synthstore.repair.wishes import Wishes
from synthstore.scan.inventory import Inventory
from synthstore.store.catalog import index_backups
from synthstore.store.original import original_catalog
from synthstore.store.runs import Change
from synthstore.store.staging import room_needed


class Task(Protocol):
    """What planning needs to know of a command."""

    @property
    def wishes(self) -> Wishes:
        """What may be touched."""

    @property
    def wish(self) -> IndexWish:
        """How the index is to be built."""

    @property
    def rebuild(self) -> frozenset[str]:
        """Parts to build anew whatever state they are in."""

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where to look for copies beside the store itself."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, in changes and in words."""

    changes: tuple[Change, ...]
    actions: tuple[Action, ...]
    bytes_needed: int
    refusal: Refusal | None


def plan_repair(root: Path, inventory: Inventory, task: Task) -> Planned:
    """Plan what leads from ``inventory`` to the state that should be."""
    many = len(inventory.files) >= MANY
    if many:
        # What the rules needed for a moment makes room for the target.
        give_back()
    basis = Basis(
        inventory,
        standing(inventory),
        owners(inventory),
        task.wishes,
        rebuild=task.rebuild,
    )
    basis = replace(
        basis,
        copies=surviving(root, inventory, needs(basis), basis.traces, task.sources),
        raw=_raw(root, inventory),
        digests=_digests(root, inventory),
        unknown=_unknown(root, inventory, task),
        backup=_backup(root, inventory),
    )
    target = aim(basis)
    # What the rules found out is not asked for any more, and the plan's bytes need the room.
    facts, section = inventory.catalog, inventory.layout.long_section
    ground = Ground(inventory, partial(original_catalog, root, facts, section), basis.digests)
    del basis
    forget(inventory)
    if many:
        give_back()
    planned = plan(root, ground, target, task.wish)
    # A file that would get the very bytes it has is not written, and no action.
    written = {change.path for change in planned.changes}
    actions = tuple(
        a for a in target.actions if not a.kind.startswith("write-") or a.path in written
    )
    room = room_needed(root, planned.changes)
    return Planned(planned.changes, actions, room, target.refusal)


def _raw(root: Path, inventory: Inventory) -> Mapping[str, bytes]:
    found = ((path, _bytes_of(root, path)) for path in sorted(hurt_paths(inventory)))
    return {path: raw for path, raw in found if raw is not None}


def _bytes_of(root: Path, path: str) -> bytes | None:
    try:
        return read_file(root, path)[0]
    except (OSError, SynthstoreError):
        # Unreadable bytes can neither be salvaged nor spliced; the scan has said so.
        return None


def _digests(root: Path, inventory: Inventory) -> Mapping[str, str]:
    return {path: hash_file(root / path) for path in _leftovers(inventory)}


def _leftovers(inventory: Inventory) -> Iterator[str]:
    strays = (stray for stray in inventory.strays if stray.kind is StrayKind.LEFTOVER)
    return (stray.path for stray in strays if "file" in stray.what)


def _unknown(root: Path, inventory: Inventory, task: Task) -> Mapping[str, EntityRef]:
    # Where a row may be hidden, nothing can be said to have none.
    if task.rebuild or inventory.blind:
        return {}
    asked = (path for path in _leftovers(inventory) if task.wishes.wants("S002", path, path))
    found = ((path, unknown_at(root, inventory, path)) for path in asked)
    return {path: ref for path, ref in found if ref is not None}


def _backup(root: Path, inventory: Inventory) -> Catalog | None:
    if inventory.catalog.status is not PartStatus.UNREADABLE:
        return None
    backups = index_backups(root, inventory.layout)
    return backups[0][1] if backups else None
