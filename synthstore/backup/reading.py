"""Files read for a snapshot and stored, by worker processes where they pay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from synthstore.backup.crew import Crew
from synthstore.backup.encoding import (
    WHOLE_BELOW,
    Outline,
    Read,
    outline,
    read_large,
    read_shard,
)
from synthstore.backup.judging import Glance, Judge
from synthstore.backup.listing import Status
from synthstore.backup.shipping import packed
from synthstore.layout.base import Layout
from synthstore.repository.path_column import PathColumn
from synthstore.repository.writing import Writer
from synthstore.scan.pool import shards

_AHEAD = 3


def is_small(sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which files are read whole, by their sizes; others go through in pieces."""
    return sizes < WHOLE_BELOW


@dataclass(slots=True)
class Reader:
    """Reads files of one store into one repository."""

    root: Path
    recognise: Callable[[], Layout]
    """Tells the store's layout; not asked where all is as in the last snapshot."""
    writer: Writer
    crew: Crew
    judge: Callable[[], Judge]
    """Whose quick look at the store is taken in a process of the crew, if it has any."""
    glance: Future[Glance] | None = None
    """That look, once one was begun."""
    _vectors: tuple[str, Status, Future[Outline | None]] | None = None
    """The index that a worker reads, as it was listed before."""

    def read(self, paths: PathColumn) -> Iterator[Read]:
        """Read files that are small."""
        executor = self.crew.for_files(len(paths))
        if executor is None:
            for shard in shards(paths):
                yield from read_shard(str(self.root), self.recognise(), shard, self.writer)
        else:
            yield from self._read_by(executor, paths)

    def _read_by(self, executor: Executor, paths: PathColumn) -> Iterator[Read]:
        # Of use only if nothing moves from here on, but then it need not be waited for.
        self.glance = self.crew.beside(executor, len(paths), self.judge().glance_apart)
        ahead = _AHEAD * self.crew.size
        for shard in packed(executor, str(self.root), self.recognise(), paths, ahead):
            for block in shard.blocks:
                self.writer.add_block(block)
            yield from shard.reads

    def read_one(self, path: str, size: int) -> Read:
        """Read one file of about that size."""
        if size < WHOLE_BELOW:
            (read,) = read_shard(str(self.root), self.recognise(), [path], self.writer)
            return read
        return read_large(self.root, path, self.writer)

    def hand_out(self, path: str, status: Status) -> bool:
        """Have a worker read the index, if it is large and there are any."""
        executor = self.crew.started
        if executor is None or path != self.recognise().faiss_path or status.size < WHOLE_BELOW:
            return False
        self._vectors = path, status, executor.submit(outline, self.root, path)
        return True

    def handed_in(self) -> tuple[Read, Status] | None:
        """The index that a worker has read, or that is read now if that was of no use.

        With its status when it was handed out; None if none was.
        """
        if self._vectors is None:
            return None
        (path, before, reading), self._vectors = self._vectors, None
        drawn = reading.result()
        if drawn is None or not self.writer.has_all(drawn.pieces()):
            return self.read_one(path, before.size), before
        self.writer.add(drawn.encoded)
        return drawn.read, before
