"""Every vector against the embedding of the file that owns it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import compress
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from synthstore.checks.blocks import Positions, Verdicts, alike, equal, unit_equal
from synthstore.checks.found import once
from synthstore.checks.frozen import frozen_refs
from synthstore.checks.ownership import owners
from synthstore.checks.sound import agreeing
from synthstore.checks.standing import standing
from synthstore.model.columns import column_of
from synthstore.model.embedding import EmbeddingState, FloatMatrix
from synthstore.model.facts import EntityFile, FileStatus
from synthstore.model.ids import EntityRef
from synthstore.scan.inventory import Inventory

UNIT_NORM_TOLERANCE = 1e-3
"""How far from 1 a norm may be to count as 1."""


WITNESSES = 3
"""Fewer vectors than this cannot tell a store's way from rounding or a flipped bit."""


class Compared(NamedTuple):
    """The outcome for all vectors that have an embedding to be compared with."""

    stale: tuple[tuple[EntityRef, int], ...]
    """Owners and positions of vectors that differ."""
    normalised: bool
    """Whether the store's vectors are its embeddings scaled to length 1."""


class _Pairs(NamedTuple):
    refs: list[EntityRef]
    norms: npt.NDArray[np.float64]
    columns: tuple[FloatMatrix, Positions, FloatMatrix, Positions]
    """All vectors, the positions meant, all embeddings, the rows meant."""


@once
def judged(inventory: Inventory) -> Mapping[EntityRef, EntityFile]:
    """Whole files that stand for their entity; not those frozen or about to go."""
    if FileStatus.WHOLE not in column_of(inventory.files, "status"):
        return {}
    stand = standing(inventory)
    out = frozen_refs(inventory) | stand.doomed
    files = stand.standing_file
    if not out and all(file.status is FileStatus.WHOLE for file in files.values()):
        return files
    return {r: f for r, f in files.items() if f.status is FileStatus.WHOLE and r not in out}


def judged_column(inventory: Inventory, name: str) -> list[Any]:
    """A field of the files of ``judged``, for those who need not know whose they are."""
    if agreeing(inventory):
        # All others have not been looked into.
        whole = (status is FileStatus.WHOLE for status in column_of(inventory.files, "status"))
        return list(compress(column_of(inventory.files, name), whole))
    return column_of(tuple(judged(inventory).values()), name)


@once
def deserving(inventory: Inventory) -> Mapping[EntityRef, EntityFile]:
    """Entities that ought to have a vector: a valid embedding of the store's dimension.

    Not those that are frozen (M004) or about to go (C009).
    """
    files, dim, valid = judged(inventory), inventory.dimension, EmbeddingState.VALID
    # Of a healthy store it is all of them, which need no second table.
    if all(file.embedding is valid and file.dim == dim for file in files.values()):
        return files
    return {r: f for r, f in files.items() if f.embedding is valid and f.dim == dim}


@once
def compare(inventory: Inventory) -> Compared:
    """Compare bit by bit, or by cosine where the index keeps no exact vectors.

    Where most vectors are the normalised embeddings, that is the store's way and no damage.
    """
    pairs = _pairs(inventory)
    if pairs is None:
        return Compared((), normalised=False)
    if not inventory.index.exact:
        return Compared(_outliers(pairs, ~alike(*pairs.columns)), normalised=False)
    wrong = ~equal(*pairs.columns)
    if not wrong.any():
        return Compared((), normalised=False)
    accepted = _normalised(pairs, wrong)
    return Compared(_outliers(pairs, wrong & ~accepted), normalised=bool(accepted.any()))


def is_normalised(inventory: Inventory) -> bool:
    """Whether the store's vectors are its embeddings scaled to length 1."""
    return compare(inventory).normalised


def _normalised(pairs: _Pairs, wrong: Verdicts) -> Verdicts:
    """Those of the ``wrong`` vectors that are normalised embeddings in a store that does so.

    Embeddings that have length 1 anyway bear no witness, or a flipped last bit in one of their
    vectors would pass for rounding.
    """
    unit = np.zeros_like(wrong)
    vectors, at, matrix, rows = pairs.columns
    unit[wrong] = unit_equal(vectors, at[wrong], matrix, rows[wrong])
    if 2 * int(unit.sum()) > len(unit) and int(unit.sum()) >= WITNESSES:
        return unit
    scaled = np.abs(pairs.norms - 1) > UNIT_NORM_TOLERANCE
    witnesses = unit & scaled
    return witnesses if 2 * int(witnesses.sum()) > int(scaled.sum()) else np.zeros_like(wrong)


def _pairs(inventory: Inventory) -> _Pairs | None:
    """Vectors to compare: finite ones, alone for their owner, with a deserving file."""
    owned, vectors = owners(inventory), inventory.index.vectors
    twice = set(owned.duplicates)
    table = inventory.tables.get(inventory.index.dim)
    if vectors is None or table is None or inventory.index.dim != inventory.dimension:
        return None
    files, places, row_of = deserving(inventory), owned.position_of, table.row_of
    out = owned.not_finite | {p for p, n in enumerate(owned.numbers) if n in twice}
    refs = [ref for ref in files if ref in places and places[ref] not in out]
    norms = np.array([files[ref].norm for ref in refs], dtype=np.float64)
    at = np.array([places[ref] for ref in refs], dtype=np.intp)
    rows = np.array([row_of[files[ref].path] for ref in refs], dtype=np.intp)
    return _Pairs(refs, norms, (vectors, at, table.matrix, rows))


def _outliers(pairs: _Pairs, wrong: Verdicts) -> tuple[tuple[EntityRef, int], ...]:
    positions = pairs.columns[1]
    return tuple((pairs.refs[i], int(positions[i])) for i in np.flatnonzero(wrong))
