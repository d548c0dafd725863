"""What a scan need not read or keep twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from synthstore.model.catalog import Row
from synthstore.model.embedding import FloatMatrix
from synthstore.model.facts import CatalogFacts, EntityFile, FileStatus
from synthstore.scan.inventory import EmbeddingTable, Inventory
from synthstore.scan.shard import Candidate, ShardFacts

T = TypeVar("T")

SETTLED_NS = 2 * 10**9
"""How much older than the look a file must be, for a later change to show in its time."""

SHARING_PAYS_FROM = 100_000
"""Files whose texts, if they are kept twice, begin to count against 250 MB."""


@dataclass(frozen=True, slots=True)
class Known:
    """Entity files that an earlier look read, for a look under the same lock soon after it.

    What still has its inode, size and time is not read again. Only whole files count, and none so
    young that another write could have left the same time on it.
    """

    files: Mapping[str, EntityFile]
    tables: Mapping[int, EmbeddingTable]

    @classmethod
    def of(cls, inventory: Inventory) -> Known:
        """What ``inventory`` knows; it keeps neither catalog nor index alive."""
        before = inventory.now_ns - SETTLED_NS
        files = {
            file.path: file
            for file in inventory.files
            if file.status is FileStatus.WHOLE and file.stat.mtime_ns < before
        }
        return cls(files, inventory.tables)

    def has(self, candidate: Candidate) -> bool:
        """Whether the file is as it was."""
        file = self.files.get(candidate.path)
        return file is not None and file.stat == candidate.stat

    def facts(self, candidates: Sequence[Candidate]) -> ShardFacts:
        """What was learned of the ``candidates``, all of which are known."""
        paths = {candidate.path for candidate in candidates}
        files = tuple(self.files[candidate.path] for candidate in candidates)
        blocks = {dim: _part(table, paths) for dim, table in self.tables.items()}
        return ShardFacts(files, {dim: block for dim, block in blocks.items() if block[0]})


NOTHING = Known({}, {})


def _part(table: EmbeddingTable, paths: set[str]) -> tuple[tuple[str, ...], FloatMatrix]:
    rows = [row for row, path in enumerate(table.paths) if path in paths]
    if len(rows) == len(table.paths):
        return table.paths, table.matrix
    return tuple(table.paths[row] for row in rows), table.matrix[np.array(rows, dtype=np.intp)]


def share_texts(files: list[EntityFile], catalog: CatalogFacts) -> None:
    """Let ``files`` hold the very objects of their rows for each text that both have.

    These texts are a good part of what is kept of a memory; of few files they are not worth the
    time.
    """
    if len(files) < SHARING_PAYS_FROM:
        return
    rows = catalog.catalog.rows if catalog.catalog is not None else ()
    row_of = {row.path: row for row in rows}
    for place, file in enumerate(files):
        files[place] = _shared(file, row_of.get(file.path))


def _shared(file: EntityFile, row: Row | None) -> EntityFile:
    record = file.record
    if row is None or row.path is None or record is None:
        return file
    return file._replace(
        path=row.path,
        sha256=_either(row.content_hash, file.sha256),
        record=record._replace(
            id=_either(row.id, record.id),
            created_at=_either(row.created_at, record.created_at),
            updated_at=_either(row.updated_at, record.updated_at),
        ),
    )


def _either(mine: T, other: T) -> T:
    """``mine`` if both are the same text."""
    return mine if isinstance(mine, str) and mine == other else other
