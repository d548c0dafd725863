"""The work of one worker: read, parse, hash and judge a run of entity files.

Everything here is a plain function of picklable values, so that any executor can run it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from synthstore.errors import SynthstoreError
from synthstore.files.arena import Run, Shelf, put
from synthstore.files.together import together
from synthstore.files.walk import (
    NOT_LOOKED_AT,
    IrregularFileError,
    OversizeError,
    open_folder,
    read_listed,
    stat_at,
)
from synthstore.layout.base import Layout
from synthstore.model.columns import FileRun, FileTable
from synthstore.model.embedding import FloatMatrix, FloatVector
from synthstore.model.facts import EntityFile, FileStatus, Stat
from synthstore.model.ids import Kind
from synthstore.model.paths import folder_of
from synthstore.scan.caps import DEFAULT_CAPS, Caps
from synthstore.store.entity import Raw, Seen, facts_of, facts_of_each

if TYPE_CHECKING:
    # Workers have no tables.
    from synthstore.scan.inventory import EmbeddingTable

__all__ = [
    "DEFAULT_CAPS",
    "Block",
    "Candidate",
    "Caps",
    "Seen",
    "ShardFacts",
    "facts_of",
    "gathered",
    "read_shard",
]


class Candidate(NamedTuple):
    """A regular file where an entity belongs, as the listing saw it."""

    path: str
    kind: Kind
    stat: Stat
    """NOT_LOOKED_AT where the listing asked for names only."""


Block = tuple[tuple[str, ...], FloatMatrix]
"""Paths of files, and their embeddings: float32, shape (len(paths), dim)."""

Placed = tuple[tuple[str, ...], Run]
"""Paths of files, and the rows of the arena that have their embeddings."""


@dataclass(frozen=True, slots=True)
class ShardFacts:
    """What one shard learned."""

    files: Sequence[EntityFile]
    blocks: Mapping[int, Block] = field(default_factory=dict)
    """Valid embeddings by dimension."""
    placed: Mapping[int, Placed] = field(default_factory=dict)
    """Those that went into the arena instead."""
    tables: Mapping[int, EmbeddingTable] = field(default_factory=dict)
    """Those that an earlier look has in tables already."""

    def __reduce__(self) -> tuple[object, ...]:
        """What a pickle makes of it: the files go as columns."""
        runs = tuple(FileTable.of(self.files).runs)
        return _facts_from, (runs, dict(self.blocks), dict(self.placed))


def _facts_from(
    runs: tuple[FileRun, ...], blocks: dict[int, Block], placed: dict[int, Placed]
) -> ShardFacts:
    return ShardFacts(FileTable(runs), blocks, placed)


def read_shard(
    root: str,
    layout: Layout,
    candidates: Sequence[Candidate],
    caps: Caps,
    shelf: Shelf | None = None,
) -> ShardFacts:
    """Read every candidate; a file that vanished meanwhile is no file.

    The embeddings go to the ``shelf``, where one is given and takes them.
    """
    return gathered(_read_all(Path(root), layout, candidates, caps), shelf)


def gathered(seen: Iterable[Seen], shelf: Shelf | None = None) -> ShardFacts:
    """Files with their embeddings, as the facts of one shard."""
    files: list[EntityFile] = []
    found: dict[int, tuple[list[str], list[FloatVector]]] = {}
    for file, vector in seen:
        files.append(file)
        if vector is not None:
            paths, vectors = found.setdefault(file.dim, ([], []))
            paths.append(file.path)
            vectors.append(vector)
    blocks: dict[int, Block] = {}
    placed: dict[int, Placed] = {}
    for dim, (paths, vectors) in found.items():
        run = None if shelf is None else put(shelf, dim, vectors)
        if run is None:
            blocks[dim] = tuple(paths), np.stack(vectors)
        else:
            placed[dim] = tuple(paths), run
    return ShardFacts(tuple(files), blocks, placed)


def _read_all(
    root: Path, layout: Layout, candidates: Sequence[Candidate], caps: Caps
) -> Iterator[Seen]:
    """Open each folder once: candidates come sorted, so those of a folder stand together."""
    for folder, group in groupby(candidates, key=lambda candidate: folder_of(candidate.path)):
        try:
            with open_folder(root, folder) as fd:
                reader = _Reader(fd, root, layout, caps)
                for some in together(map(reader.read, group), size=_bytes_of):
                    yield from reader.judged(some)
        except FileNotFoundError:
            continue


_Read = Raw | Seen | None
"""A file as it was read; its facts where it could not be, None where it is gone."""


def _bytes_of(one: _Read) -> int:
    return len(one.content) if isinstance(one, Raw) else 0


class _Reader:
    """Reads the files of one open folder, and judges a few of them together."""

    def __init__(self, fd: int, root: Path, layout: Layout, caps: Caps) -> None:
        self._fd, self._root, self._layout, self._caps = fd, root, layout, caps

    def read(self, candidate: Candidate) -> _Read:
        """One file."""
        path, kind, _ = candidate
        name, shown = path.rpartition("/")[2], f"{self._root}/{path}"
        try:
            return Raw(kind, path, *read_listed(self._fd, name, shown, self._caps.of(kind)))
        except (FileNotFoundError, IrregularFileError):
            return None
        except OversizeError as error:
            return _closed(self._fd, candidate, FileStatus.OVERSIZE, error.message)
        except SynthstoreError as error:
            return _closed(self._fd, candidate, FileStatus.UNREADABLE, _story(error))

    def judged(self, some: Sequence[_Read]) -> Iterator[Seen]:
        """What those of them are that are not gone, in their order."""
        facts = iter(facts_of_each(self._layout, [one for one in some if isinstance(one, Raw)]))
        for one in some:
            seen = self._again(next(facts)) if isinstance(one, Raw) else one
            if seen is not None:
                yield seen

    def _again(self, seen: Seen) -> Seen | None:
        """Looked at once more where it is hurt."""
        file, _ = seen
        if file.status is FileStatus.WHOLE or not file.status.hurt:
            return seen
        # A writer may have been half way through, or the medium may have slipped once.
        again = self.read(Candidate(file.path, file.kind, file.stat))
        return facts_of_each(self._layout, [again])[0] if isinstance(again, Raw) else again


def _story(error: SynthstoreError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message


def _closed(fd: int, candidate: Candidate, status: FileStatus, problem: str) -> Seen | None:
    """A file of which only the status is known; None if it is gone."""
    stat: Stat | None = candidate.stat
    if stat == NOT_LOOKED_AT:
        stat = stat_at(fd, candidate.path.rpartition("/")[2])
    if stat is None:
        return None
    return EntityFile(candidate.kind, candidate.path, status, stat, problem=problem), None
