"""JSON files that stand among entities, but were never one."""

from __future__ import annotations

from collections.abc import Sequence

from synthstore.layout.base import Layout
from synthstore.model.catalog import column
from synthstore.model.columns import column_of
from synthstore.model.facts import CatalogFacts, EntityFile, FileStatus, Stray, StrayKind


def part_strangers(
    layout: Layout, catalog: CatalogFacts, files: Sequence[EntityFile]
) -> tuple[Sequence[EntityFile], tuple[Stray, ...]]:
    """Part the entity files from the strangers.

    Where memories stand in the root, so may somebody's ``config.json``: a file there that parses,
    bears neither id nor any required field, and that no row names, is foreign and not hurt.
    """
    if FileStatus.INCOMPLETE not in column_of(files, "status"):
        return files, ()
    strangers = {
        file.path
        for file in files
        if file.status is FileStatus.INCOMPLETE
        and "/" not in file.path
        and not layout.names_an_entity(file.path)
        and _bears_nothing(file)
    }
    if strangers and catalog.catalog is not None:
        strangers.difference_update(column(catalog.catalog.rows, "path"))
    if not strangers:
        return files, ()
    strays = (
        Stray(StrayKind.FOREIGN, file.path, "JSON file without an entity in it", file.stat)
        for file in files
        if file.path in strangers
    )
    return tuple(file for file in files if file.path not in strangers), tuple(strays)


def _bears_nothing(file: EntityFile) -> bool:
    return file.record is None or (file.record.id is None and len(file.record.missing) > 1)
