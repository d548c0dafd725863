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
from synthstore.files.walk import (
    NOT_LOOKED_AT,
    IrregularFileError,
    OversizeError,
    open_folder,
    read_at,
    stat_at,
)
from synthstore.layout.base import Layout
from synthstore.model.columns import FileRun, FileTable
from synthstore.model.embedding import FloatMatrix, FloatVector
from synthstore.model.facts import EntityFile, FileStatus, Stat
from synthstore.model.ids import Kind
from synthstore.model.paths import folder_of
from synthstore.scan.caps import DEFAULT_CAPS, Caps
from synthstore.store.entity import Seen, facts_of

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
                for candidate in group:
                    seen = _read_entity(fd, root, layout, candidate, caps)
                    if seen is not None:
                        yield seen
        except FileNotFoundError:
            continue


def _read_entity(
    fd: int, root: Path, layout: Layout, candidate: Candidate, caps: Caps
) -> Seen | None:
    """Read one file and judge it; None if it is gone."""
    name, shown = candidate.path.rpartition("/")[2], f"{root}/{candidate.path}"
    try:
        raw, stat = read_at(fd, name, shown, caps.of(candidate.kind))
        seen = facts_of(layout, candidate.kind, candidate.path, raw, stat)
        status = seen[0].status
        if status is not FileStatus.WHOLE and status.hurt:
            # A writer may have been half way through, or the medium may have slipped once.
            raw, stat = read_at(fd, name, shown, caps.of(candidate.kind))
            seen = facts_of(layout, candidate.kind, candidate.path, raw, stat)
    except (FileNotFoundError, IrregularFileError):
        return None
    except OversizeError as error:
        return _closed(fd, candidate, FileStatus.OVERSIZE, error.message)
    except SynthstoreError as error:
        return _closed(fd, candidate, FileStatus.UNREADABLE, _story(error))
    return seen


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
