"""Proofs that there is nothing to find, for the cost of looking at whole columns.

Most stores are sound, and a rule would say so one entity at a time. Each proof holds for a store as
a whole, and stands for the rules that could find nothing then; where it fails, they are run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from operator import eq
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from synthstore.checks import blocks
from synthstore.checks.blocks import Positions
from synthstore.checks.found import once
from synthstore.checks.pairing import Pairs, PickedRows, pairs_of, rows_of
from synthstore.checks.parting import NO_ROW, parted
from synthstore.layout.base import Layout
from synthstore.model.catalog import Row
from synthstore.model.columns import column_of, each_of
from synthstore.model.embedding import EmbeddingState, IdArray
from synthstore.model.entries import columns_of
from synthstore.model.facts import EntityFile, FileStatus, MappingFacts, PartStatus
from synthstore.model.ids import id_problem, vector_name
from synthstore.model.numbers import numeric_ids, stands_twice
from synthstore.scan.inventory import EmbeddingTable, Inventory

Bools = npt.NDArray[np.bool_]

PLAIN_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}")
"""Ids that need no closer look: nearly all."""


class _Vectors(NamedTuple):
    """Entities and the vectors of an index, one to one."""

    names: Sequence[str]
    """What each vector is called."""
    numbers: IdArray
    """Its number."""
    at: Positions
    """Its position in the index."""
    have: npt.NDArray[np.bool_]
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
    return inventory.layout.all_named(column_of(pairs.files, "path"), pairs.each_ref())


def _problems(pairs: Pairs, *, native: bool) -> Iterator[str | None]:
    plain = map(PLAIN_ID.fullmatch, pairs.ids)
    found = zip(pairs.kinds, pairs.ids, plain, strict=True)
    odd = ((kind, entity_id) for kind, entity_id, match in found if match is None)
    return (id_problem(entity_id, kind=kind, native=native) for kind, entity_id in odd)


@once
def agreeing(inventory: Inventory) -> bool:
    """Whether each row also says what its file does, the hash of its bytes among it."""
    pairs = pairs_of(inventory)
    if pairs is None:
        return False
    said = agreed(inventory)
    return bool((said.rows | ~said.read).all())


def _picked(files: Sequence[EntityFile], name: str, which: Bools) -> Iterator[Any]:
    """A field of some of the files, which often are all."""
    each = each_of(files, name)
    return each if which.all() else compress(each, which.tolist())


def _alike(layout: Layout, rows: PickedRows, files: Sequence[EntityFile], listed: Bools) -> Bools:
    """Which of the ``listed`` files are memories spelt as their rows in all that these repeat."""
    kinds = _picked(files, "record.kind", listed)
    same = np.fromiter((kind == "memory" for kind in kinds), np.bool_, len(rows))
    if not layout.repeated:
        return np.zeros_like(same)
    for mine, theirs in layout.repeated.items() if same.any() else ():
        equal = map(eq, rows.each(mine), _picked(files, theirs, listed))
        same &= np.fromiter(equal, np.bool_, len(rows))
    return same


def _say_the_same(layout: Layout, row: Row, file: EntityFile) -> bool:
    record, listed = file.record, row.content_hash
    if record is None or listed not in (file.sha256, record.content_sha256, None):
        return False
    return layout.agrees(row, file)


class Agreed(NamedTuple):
    """Rows that are well-formed and say what the whole file at their path says.

    Nothing is to be found or mended in such a row itself.
    """

    rows: Bools
    """Which rows of the catalog are such ones of usual entities."""
    read: Bools
    """Which ones are of usual entities whose file was read."""
    others: Mapping[str, Row]
    """All others of the kind, by their path."""

    def has(self, row: Row) -> bool:
        """Whether it is one of the others."""
        return self.others.get(row.path or "") == row


@once
def agreed(inventory: Inventory) -> Agreed:
    """The rows that need no closer look."""
    apart, layout, rows = parted(inventory), inventory.layout, rows_of(inventory)
    files, by_path = inventory.files, {file.path: file for file in apart.files.values()}
    listed = apart.usual.row_at != NO_ROW
    places, row_at = np.flatnonzero(listed), apart.usual.row_at[listed]
    picked = PickedRows(rows, row_at.tolist())
    known = [kind is not None for kind in _picked(files, "record.kind", listed)]
    was_read = np.array(known, dtype=np.bool_)
    alike = _alike(layout, picked, files, listed)
    for at in np.flatnonzero(was_read & ~alike).tolist():
        alike[at] = _say_the_same(layout, picked[at], files[places[at]])
    read, same = np.zeros((2, len(rows)), dtype=np.bool_)
    read[row_at], same[row_at] = was_read, alike & was_read
    others = {
        row.path: row
        for row in apart.rows.values()
        if row.path is not None and _is_agreed(layout, row, by_path.get(row.path))
    }
    return Agreed(same, read, others)


def _is_agreed(layout: Layout, row: Row, file: EntityFile | None) -> bool:
    if file is None or file.status is not FileStatus.WHOLE or file.record is None:
        return False
    malformed = row.problems or row.deleted_at is not None
    same = row.kind == file.kind and row.id == file.record.id
    return same and not malformed and _say_the_same(layout, row, file)


@once
def embedded(inventory: Inventory) -> bool:
    """Whether each file of a pair has a valid embedding of the store's dimension."""
    pairs = pairs_of(inventory)
    return pairs is not None and bool(_usual(pairs, inventory.dimension).all())


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
    paths = _picked(inventory.files, "path", have)
    if count == len(table.paths) and all(map(eq, paths, table.paths)):
        return np.arange(count)
    # Both are in the order of paths most times: then nothing needs to be looked up.
    left = enumerate(table.paths)
    paths = _picked(inventory.files, "path", have)
    found = [next((row for row, own in left if own == path), None) for path in paths]
    if None in found:
        paths = _picked(inventory.files, "path", have)
        found = [table.row_of[path] for path in paths]
    return np.array(found, dtype=np.intp)


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
    return all(map(eq, map(names.__getitem__, order), map(vectors.names.__getitem__, own)))


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
    if not inventory.quick and not np.array_equal(have, _usual(pairs, index.dim)):
        return None
    if have.all():
        return _Vectors(names, numbers, at, have)
    return _Vectors(list(compress(names, have)), numbers[have], at[have], have)


def _positions(numbers: IdArray, ids: IdArray) -> Positions | None:
    """Where each number stands in ``ids``, -1 where it does not.

    None if one stands twice, or if there is an id that is none of the numbers.
    """
    order = np.argsort(numbers)
    ascending = numbers[order]
    found = np.searchsorted(ascending, ids)
    if len(numbers) == 0 or (found == len(numbers)).any():
        return None if len(ids) else np.full(len(numbers), -1, dtype=np.intp)
    if not np.array_equal(ascending[found], ids):
        return None
    at = np.full(len(numbers), -1, dtype=np.intp)
    at[order[found]] = np.arange(len(ids))
    several = int((at >= 0).sum()) < len(ids) or stands_twice(ascending)
    return None if several else at


def _usual(pairs: Pairs, dim: int | None) -> npt.NDArray[np.bool_]:
    """Which files have a valid embedding of dimension ``dim``."""
    states, dims = column_of(pairs.files, "embedding"), column_of(pairs.files, "dim")
    valid = np.array([state is EmbeddingState.VALID for state in states], dtype=np.bool_)
    return valid & np.array([found == dim for found in dims], dtype=np.bool_)
