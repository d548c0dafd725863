"""Bytes that changed though size and time did not: bit rot, seen against the newest snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from synthstore.repository.manifest import FileRow, of_store
from synthstore.repository.place import Place
from synthstore.repository.vault import LostObjectError, Repository
from synthstore.scan.inventory import Gainsaid, Inventory

Reference = tuple[str, Mapping[str, FileRow]]
"""A snapshot's id, and its files by path."""


def newest(
    root: Path, places: Iterable[Place], *, despite_losses: bool = False
) -> Iterator[Reference]:
    """The newest snapshot in each repository of the store at ``root``.

    It goes by the store's name there, or is the newest of the only one. Raises NotAStoreError and,
    unless ``despite_losses``, LostObjectError.
    """
    for place in places:
        repository = Repository.open(place)
        for snapshot in of_store(repository.snapshots(), root.name)[-1:]:
            with suppress(*([LostObjectError] if despite_losses else [])):
                rows = repository.tree(snapshot).files
                yield snapshot.id, {row.path: row for row in rows}


def gainsaid(inventory: Inventory, references: Iterable[Reference]) -> Mapping[str, Gainsaid]:
    """The entity files whose bytes are not those of a snapshot under the same size and time."""
    found: dict[str, Gainsaid] = {}
    for snapshot, rows in references:
        for file in inventory.files:
            row = rows.get(file.path)
            if row is None or file.sha256 in (None, row.sha256):
                continue
            if (row.size, row.mtime_ns) == (file.stat.size, file.stat.mtime_ns):
                found.setdefault(file.path, Gainsaid(snapshot, row.sha256, row.id))
    return found
