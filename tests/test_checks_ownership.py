"""Whose each number in an index is, and which vectors are compared how."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from synthstore.checks.blocks import BLOCK, equal, not_finite, unit_equal
from synthstore.checks.comparing import compare, is_normalised
from synthstore.checks.ownership import owners
from synthstore.model.facts import PartStatus
from synthstore.model.ids import EntityRef
from synthstore.testing.stores import unit_vectors
from tests.inventories import DIM, SHAPES, Shelf, healthy


def owner_labels(shelf: Shelf) -> list[str | None]:
    """The label of the owner of each position."""
    labels = {shelf.vector_id(label): label for label in shelf.ids}
    owned = owners(shelf.inventory())
    names = {ref: name for name, ref in owned.names.items()}
    return [labels[names[ref]] if ref is not None else None for ref in owned.owners]


def in_order(shelf: Shelf) -> list[str]:
    """The label of the entity whose vector was put at each position."""
    names = {number: name for name, number in shelf.entries.items()}
    labels = {shelf.vector_id(label): label for label in shelf.ids}
    return [labels[names[number]] for number in shelf.numbers]


@pytest.mark.parametrize("shape", SHAPES)
def test_md5_needs_no_mapping(shape: str) -> None:
    shelf = healthy(shape)
    expected = in_order(shelf)
    shelf.mapping_is.update(status=PartStatus.MISSING, entries=None)
    assert owner_labels(shelf) == expected
    assert not owners(shelf.inventory()).mapped


def test_md5_goes_before_the_mapping() -> None:
    shelf = healthy()
    expected = in_order(shelf)
    names = list(shelf.entries)
    shelf.entries = dict(zip(names, np.roll(list(shelf.entries.values()), 1).tolist(), strict=True))
    assert owner_labels(shelf) == expected


def test_counted_ids_go_by_the_mapping() -> None:
    shelf = healthy()
    shelf.number_on()
    expected = in_order(shelf)
    assert owner_labels(shelf) == expected
    owned = owners(shelf.inventory())
    assert owned.mapped
    assert owned.entries == shelf.entries
    known = [ref for ref in owned.owners if ref is not None]
    assert all(owned.positions(ref) == [owned.position(ref)] for ref in known)


def test_the_mapping_that_fits_is_believed() -> None:
    shelf = healthy("core-4")
    shelf.number_on()
    expected = in_order(shelf)
    right = dict(shelf.entries)
    shelf.entries = {name: len(right) - 1 - number for name, number in right.items()}
    shelf.second = right
    assert owner_labels(shelf) == expected
    mapping = owners(shelf.inventory()).mapping
    assert mapping is not None
    assert mapping.path == "id_to_index.json"


def test_without_a_mapping_equal_vectors_tell() -> None:
    shelf = healthy()
    shelf.number_on()
    expected = in_order(shelf)
    shelf.mapping_is.update(status=PartStatus.MISSING, entries=None)
    assert owner_labels(shelf) == expected


def test_equal_embeddings_tell_nothing() -> None:
    shelf = healthy()
    shelf.number_on()
    same = shelf.doc("m5")["embedding"]
    shelf.embed("m6", same)
    shelf.vectors[shelf.at("m6")] = same
    shelf.mapping_is.update(status=PartStatus.MISSING, entries=None)
    assert owner_labels(shelf).count(None) == 2


def test_a_second_number_of_an_owner_is_an_orphan() -> None:
    shelf = healthy()
    shelf.add_vector(5, unit_vectors(1, DIM, 3))
    shelf.entries[shelf.vector_id("m5")] = 5
    assert owner_labels(shelf)[-1] is None
    assert owners(shelf.inventory()).unknown == (5,)


def test_of_two_names_the_one_whose_vector_it_is() -> None:
    shelf = healthy()
    shelf.number_on()
    expected = in_order(shelf)
    number = shelf.entries[shelf.vector_id("m5")]
    shelf.entries = {shelf.vector_id("m4"): number, **shelf.entries}
    shelf.entries[shelf.vector_id("m4")] = number
    shelf.mapping_is.update(entries=shelf.entries)
    assert owner_labels(shelf)[number] == "m5" == expected[number]


def test_the_worse_of_two_goes() -> None:
    shelf = healthy()
    number = shelf.entries[shelf.vector_id("m5")]
    shelf.add_vector(number, unit_vectors(1, DIM, 3))
    inventory = shelf.inventory()
    owned = owners(inventory)
    assert owned.duplicates == (number,)
    assert owned.worse_duplicates(inventory) == {len(shelf.numbers) - 1}


def test_a_sound_vector_is_found_behind_a_bad_one() -> None:
    shelf = healthy()
    at = shelf.at("m5")
    shelf.add_vector(shelf.numbers[at], shelf.vectors[at].copy())
    shelf.vectors[at, 0] = np.nan
    inventory = shelf.inventory()
    ref = EntityRef("memory", shelf.ids["m5"])
    vector = owners(inventory).vector_of(inventory, ref)
    assert vector is not None
    assert np.isfinite(vector).all()
    assert owners(inventory).not_finite == {at}


def test_a_vector_of_another_dimension_heals_nothing() -> None:
    shelf = healthy()
    shelf.vectors = unit_vectors(len(shelf.numbers), 2 * DIM, 5)
    inventory = shelf.inventory()
    ref = EntityRef("memory", shelf.ids["m5"])
    assert owners(inventory).vector_of(inventory, ref) is None


def test_an_unreadable_index_has_no_owners() -> None:
    shelf = healthy()
    shelf.index_is.update(status=PartStatus.UNREADABLE, ids=None, vectors=None, dim=0)
    owned = owners(shelf.inventory())
    assert not any((owned.owners, owned.unknown, owned.duplicates))


@pytest.mark.parametrize("count", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1])
def test_blocks_miss_nothing(count: int) -> None:
    vectors = np.ascontiguousarray(unit_vectors(count + 1, DIM, 1))
    matrix = vectors[::-1].copy()
    at = np.arange(count)
    rows = count - at
    assert equal(vectors, at, matrix, rows).all()
    if count:
        matrix.view(np.uint32)[1, 7] ^= np.uint32(1)
        assert np.flatnonzero(~equal(vectors, at, matrix, rows)).tolist() == [count - 1]
        assert unit_equal(vectors, at, matrix * np.float32(3), rows).all()


def test_overflow_is_not_infinity() -> None:
    vectors = np.full((3, DIM), 3e38, dtype=np.float32)
    vectors[1, 4] = np.inf
    assert not_finite(vectors).tolist() == [1]


def test_a_store_of_normalised_vectors_is_one() -> None:
    shelf = healthy()
    inventory = shelf.inventory()
    assert not is_normalised(inventory)
    tables = {
        dim: replace(table, matrix=table.matrix * np.float32(3))
        for dim, table in inventory.tables.items()
    }
    files = tuple(file._replace(norm=3.0) for file in inventory.files)
    stretched = replace(inventory, tables=tables, files=files)
    assert is_normalised(stretched)
    assert compare(stretched).stale == ()
