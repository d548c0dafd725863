"""Memory that a scan and its worker processes share, so that no embedding goes through a pipe.

The arena is one file in memory, sparse, with a region for each dimension. A worker writes the
embeddings of its shard there; the scan maps the region, and has them all in one matrix.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from synthstore.files.durable import told
from synthstore.files.sharing import Address, address_of, new_memory, reach
from synthstore.model.embedding import FloatMatrix, FloatVector

MOST_DIMENSIONS = 1 << 20
"""Beyond it the start of a region would be no offset any more."""

_REGION = 1 << 42
"""Bytes from one region to the next: more than any will hold, and a multiple of every page."""

_AT_ONCE = 1000
"""Vectors written by one call: Linux takes 1,024."""


class Shelf(NamedTuple):
    """Where in an arena the embeddings of a shard belong."""

    arena: Address
    first: int
    """The first row, in the region of any dimension, that no other shard has."""


class Run(NamedTuple):
    """Rows of a region that follow each other."""

    first: int
    length: int


class Arena:
    """The scan's side of it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.address = address_of(fd)

    def put(self, row: int, vector: FloatVector) -> None:
        """Write one embedding, of shape (dim,) and at most MOST_DIMENSIONS, where no worker did."""
        with told("memory for worker processes"):
            _put(self._fd, Shelf(self.address, row), len(vector), [vector], 0)

    def matrix(self, dim: int, runs: Sequence[Run]) -> FloatMatrix:
        """The rows of the ``runs``, which ascend: float32, shape (rows, dim).

        It is the shared memory itself, closed up where rows were left out: it can be had once.
        """
        room, rows = self.room(dim, runs, 0)
        return room[:rows]

    def room(self, dim: int, runs: Sequence[Run], spare: int) -> tuple[FloatMatrix, int]:
        """The same, with ``spare`` rows or more behind it, and how many rows it has without them.

        The spare rows take memory only once they are written.
        """
        rows = runs[-1].first + runs[-1].length + spare
        self._reach(dim * _REGION + rows * dim * 4)
        region = mmap.mmap(self._fd, rows * dim * 4, offset=dim * _REGION)
        matrix: FloatMatrix = np.frombuffer(region, dtype=np.float32).reshape(rows, dim)
        end = 0
        for first, length in runs:
            if end < first:
                matrix[end : end + length] = matrix[first : first + length]
            end += length
        return matrix, end

    def _reach(self, size: int) -> None:
        if os.fstat(self._fd).st_size < size:
            with told("memory for worker processes"):
                os.ftruncate(self._fd, size)


@contextmanager
def open_arena() -> Iterator[Arena | None]:
    """An arena for the time of a scan; None where the system has no such files.

    What was mapped of it lives as long as its matrix.
    """
    fd = new_memory("synthstore-embeddings")
    if fd is None:
        yield None
        return
    try:
        yield Arena(fd)
    finally:
        os.close(fd)


def put(shelf: Shelf, dim: int, vectors: Sequence[FloatVector]) -> Run | None:
    """Write ``vectors``, each of shape (dim,), to the shelf.

    None where it cannot be reached or is full: then they have to go another way.
    """
    fd = reach(shelf.arena) if dim <= MOST_DIMENSIONS else None
    if fd is None:
        return None
    starts = range(0, len(vectors), _AT_ONCE)
    try:
        whole = all(_put(fd, shelf, dim, vectors[at : at + _AT_ONCE], at) for at in starts)
    except OSError:
        return None
    finally:
        os.close(fd)
    return Run(shelf.first, len(vectors)) if whole else None


def _put(fd: int, shelf: Shelf, dim: int, vectors: Sequence[FloatVector], at: int) -> bool:
    place = dim * _REGION + (shelf.first + at) * dim * 4
    return os.pwritev(fd, [vector.data for vector in vectors], place) == len(vectors) * dim * 4
