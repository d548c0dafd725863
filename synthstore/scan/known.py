"""What a scan need not read or keep twice."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import eq
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

from synthstore.files.walk import stat_columns, stat_of, statuses
from synthstore.model.catalog import Row, RowColumns, column
from synthstore.model.columns import FileRun, FileTable, column_of, each_of, spent
from synthstore.model.facts import EntityFile, FileStatus
from synthstore.model.text_places import NOWHERE, TextPlaces
from synthstore.scan.growing import closed_up
from synthstore.scan.inventory import EmbeddingTable, Inventory
from synthstore.scan.shard import Candidate, ShardFacts
from synthstore.scan.thresholds import SETTLED_NS

if TYPE_CHECKING:
    from concurrent.futures import Future

    from synthstore.model.facts import IndexFacts
    from synthstore.scan.claims import Claims

T = TypeVar("T")

NO_TABLES: Mapping[int, EmbeddingTable] = MappingProxyType({})


class Known:
    """Entity files that an earlier look read, for a look under the same lock soon after it.

    What still has its inode, size and time is not read again. Only whole files count, and none so
    young that another write could have left the same time on it.
    """

    def __init__(
        self,
        files: Sequence[EntityFile] = (),
        tables: Mapping[int, EmbeddingTable] = NO_TABLES,
        claims: Claims | None = None,
        index: Future[IndexFacts] | None = None,
    ) -> None:
        self.claims = claims
        """What catalog and mappings say, if that was read; the files have the texts of its rows."""
        self.index = index
        """The index, its vectors held against ``tables``, if one began to read it after that."""
        self._files = files
        self._tables = dict(tables)
        self._partly = False
        """Whether the tables may have more than is known of the files."""

    @classmethod
    def of(cls, inventory: Inventory, without: Container[str] = ()) -> Known:
        """What ``inventory`` knows, ``without`` some paths; it keeps neither catalog nor index.

        The embeddings of ``inventory`` itself are not to be used any more once this is taken.
        """
        before = inventory.now_ns - SETTLED_NS
        names = ("status", "stat.mtime_ns", "path")
        columns = (each_of(inventory.files, name) for name in names)
        wanted = [
            status is FileStatus.WHOLE and mtime_ns < before and path not in without
            for status, mtime_ns, path in zip(*columns, strict=True)
        ]
        known = cls(FileTable.chosen(inventory.files, wanted), inventory.tables)
        known._partly = not all(wanted)
        return known

    def __len__(self) -> int:
        """How many files are known."""
        return len(self._files)

    def take(
        self, root: Path, candidates: Sequence[Candidate]
    ) -> tuple[list[Candidate], ShardFacts]:
        """Those of the ``candidates``, sorted by path, that are to be read; what others are.

        Then nothing is known any more: whoever waits for the look holds this, and must not hold the
        facts twice by it.
        """
        same = list(_listed(self._unmoved(root), candidates))
        files, tables = self._files, self._tables
        fresh: list[Candidate] = []
        if self._partly or not len(same) == len(files) == len(candidates):
            kept = set(same)
            # Its vectors may be those rows that are about to move.
            self.index = None
            fresh = [candidate for candidate in candidates if candidate.path not in kept]
            files = FileTable.chosen(files, [path in kept for path in each_of(files, "path")])
            tables = {dim: closed_up(table, kept) for dim, table in tables.items()}
        self._files, self._tables = (), {}
        tables = {dim: table for dim, table in tables.items() if table.paths}
        return fresh, ShardFacts(files, tables=tables)

    def _unmoved(self, root: Path) -> Iterator[str]:
        """The paths of files that are as they were; few statuses stand at a time."""
        for run in FileTable.joined([self._files]).runs:
            paths = list(run.column("path"))
            found = dict(statuses(root, paths))
            if len(found) == len(paths) and run.has_stats(stat_columns(found.values())):
                yield from paths
                continue
            stats = {file.path: file.stat for file in run}
            yield from (path for path, status in found.items() if stats[path] == stat_of(status))


def _listed(paths: Iterable[str], candidates: Iterable[Candidate]) -> Iterator[str]:
    """Those of the ``paths`` that are a candidate's; both are sorted, and may be millions."""
    left = iter(candidates)
    one = next(left, None)
    for path in paths:
        while one is not None and one.path < path:
            one = next(left, None)
        if one is not None and one.path == path:
            yield path


NOTHING = Known()


class Shared:
    """Lets files hold the very objects of their rows for each text that both have.

    These texts are a good part of what is kept of a memory; of few files they are not worth the
    time.
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._ids: Sequence[str] = column(rows, "id")
        self._places = TextPlaces(self._ids)

    def facts(self, facts: ShardFacts) -> ShardFacts:
        """The same facts, whose files are spent by it; what they held twice can go."""
        files = FileTable(map(self._run, spent(facts.files)))
        own = _Own(column_of(files, "path"))
        blocks = {dim: (own.of(paths), rest) for dim, (paths, rest) in facts.blocks.items()}
        placed = {dim: (own.of(paths), rest) for dim, (paths, rest) in facts.placed.items()}
        tables = {d: replace(t, paths=own.of(t.paths)) for d, t in facts.tables.items()}
        return ShardFacts(files, blocks, placed, tables)

    def _run(self, run: FileRun) -> FileRun:
        shared = self._alike(run)
        if shared is None:
            return FileRun.of([_shared(file, self._row_of(file)) for file in run])
        return shared

    def _alike(self, run: FileRun) -> FileRun | None:
        """The same by whole columns, if each file has a row of its own bytes that is a column's.

        Such rows hold no paths, and their hashes have no texts.
        """
        if not (isinstance(self._rows, RowColumns) and run.all_read):
            return None
        ids = [text or "" for text in run.column("record.id")]
        places = self._places.of(ids)
        if NOWHERE in places or self._rows.packed("content_hash", places) != run.packed("sha256"):
            return None
        if not all(map(eq, self._rows.at("path", places.data), run.column("path"))):
            return None
        own = tuple(map(self._ids.__getitem__, places.data))
        return run.with_field("id", own).with_field("content_sha256", (None,) * run.count)

    def _row_of(self, file: EntityFile) -> Row | None:
        """The row that names the file, if it is that of its id as well."""
        place = None if file.id is None else self._places.get(file.id)
        row = None if place is None else self._rows[place]
        return row if row is not None and row.path == file.path else None


class _Own:
    """Texts, to be held instead of others like them."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts, self._places = texts, TextPlaces(texts)

    def of(self, others: Sequence[str]) -> tuple[str, ...]:
        """The ``others``, each the very text that there is like it."""
        each = zip(others, self._places.of(others).data, strict=True)
        return tuple(other if at == NOWHERE else self._texts[at] for other, at in each)


def _shared(file: EntityFile, row: Row | None) -> EntityFile:
    record = file.record
    if row is None or row.path is None or record is None:
        return file
    return file._replace(
        path=row.path,
        sha256=_either(row.content_hash, file.sha256),
        record=record._replace(
            id=_either(row.id, record.id),
            # Asked only of a row whose hash is not that of the bytes.
            content_sha256=None if row.content_hash == file.sha256 else record.content_sha256,
        ),
    )


def _either(mine: T, other: T) -> T:
    """``mine`` if both are the same text."""
    return mine if isinstance(mine, str) and mine == other else other
