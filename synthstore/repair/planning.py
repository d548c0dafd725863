"""From an inventory to a plan: gathers the copies that survive, then asks the pure rooms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol

from synthstore.checks.found import forget
from synthstore.checks.ownership import owners
from synthstore.checks.report import Action
from synthstore.checks.standing import standing
from synthstore.errors import SynthstoreError
from synthstore.files.durable import hash_file
from synthstore.files.jsonio import Style, parse, style_of
from synthstore.files.memory import MANY, give_back
from synthstore.files.pieces import Original, OtherBytes
from synthstore.files.proving import original_of
from synthstore.files.walk import read_file
from synthstore.model.catalog import Catalog
from synthstore.model.facts import PartStatus, StrayKind
from synthstore.model.ids import EntityRef
from synthstore.model.relisting import whole
from synthstore.repair.plan import Ground, IndexWish, plan
from synthstore.repair.sources import Source, surviving, unknown_at
from synthstore.repair.state import Basis
from synthstore.repair.target import aim, hurt_paths, needs
from synthstore.repair.wishes import Wishes
from synthstore.scan.inventory import Inventory
from synthstore.store.catalog import index_backups
from synthstore.store.part_file import open_file
from synthstore.store.runs import Change, FilesChanged
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
    refusal: str | None


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
    ground = Ground(inventory, partial(_catalog, root, inventory), basis.digests)
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


def _catalog(root: Path, inventory: Inventory) -> Original:
    """How the catalog is spelt; our own way where its bytes are not to be had."""
    facts, section = inventory.catalog, inventory.layout.long_section
    if facts.catalog is None:
        return Original(Style())
    opened = partial(_opened, root, facts.path)
    try:
        with opened() as file:
            # What the scan parsed mostly proves it; to parse it again costs as much as all rows.
            original = original_of(file, whole(facts.catalog), section)
            if original.style.proven:
                return replace(original, opened=opened)
            file.seek(0)
            raw = file.read()
    except FilesChanged:
        return Original(Style())
    return Original(style_of(raw, parse(raw).value))


@contextmanager
def _opened(root: Path, path: str) -> Iterator[BinaryIO]:
    """A file of which something is to be taken over; raises FilesChanged where it is not there."""
    try:
        with open_file(root, path) as file, file.stream() as stream:
            yield stream
    except (OSError, SynthstoreError, OtherBytes) as error:
        raise FilesChanged((path,)) from error


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
