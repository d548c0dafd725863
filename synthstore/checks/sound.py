"""Proofs that there is nothing to find, for the cost of looking at whole columns.

Most stores are sound, and a rule would say so one entity at a time. Each proof holds for a store as
a whole, and stands for the rules that could find nothing then; where it fails, they are run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import compress
from operator import eq
from typing import NamedTuple

import numpy as np

from synthstore.checks import blocks
from synthstore.checks.blocks import Positions
from synthstore.checks.found import once
from synthstore.checks.pairing import Pairs, pairs_of
from synthstore.model import columns
from synthstore.model.columns import Bools, column_of, picked
from synthstore.model.embedding import IdArray
from synthstore.model.entries import columns_of
from synthstore.model.facts import MappingFacts, PartStatus
from synthstore.model.ids import are_plain, id_problem, vector_name
from synthstore.model.numbers import numeric_ids, stands_twice
from synthstore.model.text_places import NOWHERE, TextPlaces
from synthstore.scan.inventory import EmbeddingTable, Inventory


class _Vectors(NamedTuple):
    """Entities and the vectors of an index, one to one."""

    names: Sequence[str]
    """What each vector is called."""
    numbers: IdArray
    """Its number."""
    at: Positions
    """Its position in the index."""
    have: Bools
    """Which of all files are of an entity that has one."""


@once
def paired(inventory: Inventory) -> bool:
    """Whether rows and files are one to one, and each is well-formed."""
    return pairs_of(inventory) is not None


@once
def named(inventory: Inventory) -> bool:
    """Whether each file also has the name that its id gets, and every id is allowed."""
    pairs = pairs_of(inventory)
    if pairs is None or any(_problems(pairs, native=inventory.layout.name == "native")):
        return False
    return inventory.layout.all_named(column_of(pairs.files, "path"), pairs.kinds, pairs.ids)


def _problems(pairs: Pairs, *, native: bool) -> Iterator[str | None]:
    if are_plain(pairs.ids):
        return iter(())
    found = zip(pairs.kinds, pairs.ids, strict=True)
    return (id_problem(entity_id, kind=kind, native=native) for kind, entity_id in found)


@once
def embedded(inventory: Inventory) -> bool:
    """Whether each file of a pair has a valid embedding of the store's dimension."""
    pairs = pairs_of(inventory)
    return pairs is not None and bool(columns.embedded(pairs.files, inventory.dimension).all())


@once
def numbered(inventory: Inventory) -> bool:
    """Whether each vector has an entity's number, and whoever ought to have one has just one."""
    return _vectors(inventory) is not None


@once
def equal(inventory: Inventory) -> bool:
    """Whether each vector also is the embedding of its entity, bit by bit, as far as was read."""
    vectors, index = _vectors(inventory), inventory.index
    if vectors is None or inventory.quick:
        return vectors is not None
    table = inventory.tables.get(index.dim)
    if index.vectors is None or table is None or not index.exact:
        return False
    rows = rows_in(table, inventory, vectors.have)
    return bool(blocks.equal(index.vectors, vectors.at, table.matrix, rows).all())


def rows_in(table: EmbeddingTable, inventory: Inventory, have: Bools) -> Positions:
    """Where in the table the embeddings of these files are."""
    count = int(have.sum())
    paths = picked(inventory.files, "path", have)
    if count == len(table.paths) and all(map(eq, paths, table.paths)):
        return np.arange(count)
    # Both are in the order of paths most times: then nothing needs to be looked up.
    left = enumerate(table.paths)
    paths = picked(inventory.files, "path", have)
    each = (next((row for row, own in left if own == path), NOWHERE) for path in paths)
    found = np.fromiter(each, np.intp, count)
    if NOWHERE in found:
        found = TextPlaces(table.paths).of(picked(inventory.files, "path", have))
    return found


@once
def mapped(inventory: Inventory) -> bool:
    """Whether the mappings name just these vectors, and each number is one."""
    vectors = _vectors(inventory)
    return vectors is not None and all(
        _names_just(mapping, vectors) and not mapping.duplicate_keys and not mapping.bad_entries
        for mapping in inventory.mappings
    )


def _names_just(mapping: MappingFacts, vectors: _Vectors) -> bool:
    """Whether it has the number of each vector, and no other."""
    if mapping.entries is None or len(mapping.entries) != len(vectors.names):
        return False
    names, numbers = columns_of(mapping.entries)
    # No two vectors have one number: in that order nothing needs to be looked up.
    order, own = np.argsort(numbers), np.argsort(vectors.numbers)
    if not np.array_equal(numbers[order], vectors.numbers[own]):
        return False
    at = np.empty_like(own)
    at[order] = own
    return all(map(eq, names, map(vectors.names.__getitem__, at.tolist())))


@once
def _vectors(inventory: Inventory) -> _Vectors | None:
    """The vectors of the index, if they are those of entities that ought to have one each.

    A quick look knows no embeddings: there each may have one.
    """
    index, pairs = inventory.index, pairs_of(inventory)
    if pairs is None or index.status is not PartStatus.OK or index.ids is None:
        return None
    if inventory.dimension not in (None, index.dim) or not index.has_ids:
        return None
    names = pairs.ids
    if "assembly" in pairs.kinds:
        names = list(map(vector_name, pairs.kinds, pairs.ids))
    numbers = numeric_ids(names)
    at = _positions(numbers, index.ids)
    if at is None or len(set(names)) < len(names):
        return None
    have = at >= 0
    if not inventory.quick and not np.array_equal(have, columns.embedded(pairs.files, index.dim)):
        return None
    if have.all():
        return _Vectors(names, numbers, at, have)
    return _Vectors(list(compress(names, have)), numbers[have], at[have], have)


def _positions(numbers: IdArray, ids: IdArray) -> Positions | None:
    """Where each number stands in ``ids``, -1 where it does not.

    None if one stands twice, or if there is an id that is none of the numbers.
    """
    order, place = np.argsort(numbers), np.argsort(ids)
    ascending, wanted = numbers[order], ids[place]
    if stands_twice(ascending) or stands_twice(wanted):
        return None
    # Both ascend: so that the next one is near the last, which takes a fifth of the time.
    found = np.searchsorted(ascending, wanted)
    if (found == len(numbers)).any() or not np.array_equal(ascending[found], wanted):
        return None
    at = np.full(len(numbers), -1, dtype=np.intp)
    at[order[found]] = place
    return at
