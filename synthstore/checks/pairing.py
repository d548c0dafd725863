"""The usual case, seen at once: each row of the catalog has its file, and each file its row."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

from synthstore.checks.found import once
from synthstore.model.catalog import Row
from synthstore.model.facts import EntityFile, FileStatus
from synthstore.model.ids import EntityRef
from synthstore.scan.inventory import Inventory


class Pairs(NamedTuple):
    """The entities of a store in which rows and files are one to one, in the files' order."""

    refs: Sequence[EntityRef]
    files: Sequence[EntityFile]
    """All whole, or not looked into; none rigid."""
    rows: Sequence[Row]
    """Each well-formed, living, and naming its file's path as it is."""


def rows_of(inventory: Inventory) -> tuple[Row, ...]:
    """The catalog's rows; none where it is missing or unreadable."""
    catalog = inventory.catalog.catalog
    return () if catalog is None else catalog.rows


@once
def pairs_of(inventory: Inventory) -> Pairs | None:
    """The pairs, if there is nothing else: no row and no file that needs a closer look."""
    listed, files = rows_of(inventory), inventory.files
    row_of = dict(zip(map(attrgetter("path"), listed), listed, strict=True))
    if inventory.deleted or not len(files) == len(listed) == len(row_of):
        return None
    if not (_are_plain(listed) and _are_sound(files)):
        return None
    rows = [row_of[file.path] for file in files if file.path in row_of]
    if len(rows) < len(files):
        return None
    kinds, ids = list(map(attrgetter("kind"), rows)), list(map(attrgetter("id"), rows))
    if kinds != list(map(attrgetter("kind"), files)) or not _bear(files, ids):
        return None
    refs = list(map(EntityRef, kinds, ids))
    return Pairs(refs, files, rows) if len(set(refs)) == len(refs) else None


def _are_plain(rows: Sequence[Row]) -> bool:
    """Whether no row is malformed or about to go."""
    living = list(map(attrgetter("deleted_at"), rows)).count(None) == len(rows)
    return living and not any(map(attrgetter("problems"), rows))


def _are_sound(files: Sequence[EntityFile]) -> bool:
    statuses = list(map(attrgetter("status"), files))
    sound = statuses.count(FileStatus.WHOLE) + statuses.count(FileStatus.UNREAD) == len(files)
    return sound and not any(map(attrgetter("rigid"), files))


def _bear(files: Sequence[EntityFile], ids: Sequence[str]) -> bool:
    """Whether each file that was read bears the id."""
    records = map(attrgetter("record"), files)
    return all(r is None or r.id == i for r, i in zip(records, ids, strict=True))
