"""Every vector against the embedding of the file that owns it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from synthstore.checks.blocks import Positions, Verdicts, alike, equal, unit_equal
from synthstore.checks.found import once
from synthstore.checks.frozen import frozen_refs
from synthstore.checks.ownership import owners
from synthstore.checks.parting import Usual
from synthstore.checks.sound import rows_in
from synthstore.checks.standing import standing
from synthstore.checks.standing_files import StandingFiles
from synthstore.model.chosen import Vectors
from synthstore.model.columns import column_of, embedded, equal_to, picked
from synthstore.model.embedding import EmbeddingState, FloatMatrix
from synthstore.model.facts import FileStatus
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
    ref: Callable[[int], EntityRef]
    """Whose each is."""
    norms: npt.NDArray[np.float64]
    columns: tuple[Vectors, Positions, FloatMatrix, Positions]
    """All vectors, the positions meant, all embeddings, the rows meant."""


@once
def judged(inventory: Inventory) -> StandingFiles:
    """Whole files that stand for their entity; not those frozen or about to go."""
    stand = standing(inventory)
    out = frozen_refs(inventory) | stand.doomed
    whole = equal_to(inventory.files, "status", FileStatus.WHOLE)
    for place in (at for at in map(stand.usual.place, out) if at is not None):
        whole[place] = False
    return stand.standing_file.only(
        whole, lambda ref, file: file.status is FileStatus.WHOLE and ref not in out
    )


def judged_column(inventory: Inventory, name: str) -> list[Any]:
    """A field of the files of ``judged``, for those who need not know whose they are."""
    files = judged(inventory)
    usual = picked(inventory.files, name, files.usual.are)
    return [*usual, *column_of(tuple(files.others.values()), name)]


@once
def deserving(inventory: Inventory) -> StandingFiles:
    """Entities that ought to have a vector: a valid embedding of the store's dimension.

    Not those that are frozen (M004) or about to go (C009).
    """
    dim, valid = inventory.dimension, EmbeddingState.VALID
    return judged(inventory).only(
        embedded(inventory.files, dim), lambda _, f: f.embedding is valid and f.dim == dim
    )


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
    table = inventory.tables.get(inventory.index.dim)
    if vectors is None or table is None or inventory.index.dim != inventory.dimension:
        return None
    files = deserving(inventory)
    out = np.isin(owned.ids, owned.duplicates)
    out[list(owned.not_finite)] = True
    # The last of it stands for those that have no position at all.
    in_question = np.append(~out, [False])
    first = owned.first[: len(inventory.files)]
    have = files.usual.are & in_question[first]
    others = [(ref, f, owned.position(ref)) for ref, f in files.others.items()]
    others = [(ref, file, p) for ref, file, p in others if p is not None and in_question[p]]
    norms = chain(picked(inventory.files, "norm", have), (file.norm for _, file, _ in others))
    behind = np.array([position for _, _, position in others], dtype=np.intp)
    beyond = np.array([table.row_of[file.path] for _, file, _ in others], dtype=np.intp)
    at = np.concatenate([first[have], behind])
    rows = np.concatenate([rows_in(table, inventory, have), beyond])
    return _Pairs(
        partial(_nth, files.usual, np.flatnonzero(have), [ref for ref, *_ in others]),
        np.fromiter(norms, np.float64, len(at)),
        (vectors, at, table.matrix, rows),
    )


def _nth(usual: Usual, places: Positions, others: list[EntityRef], n: int) -> EntityRef:
    ref = usual.ref(int(places[n])) if n < len(places) else others[n - len(places)]
    if ref is None:
        raise LookupError(n)
    return ref


def _outliers(pairs: _Pairs, wrong: Verdicts) -> tuple[tuple[EntityRef, int], ...]:
    positions = pairs.columns[1]
    return tuple((pairs.ref(i), int(positions[i])) for i in np.flatnonzero(wrong).tolist())
