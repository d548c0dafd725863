"""Entities go by the numbers that the index's ownership has, others by numbers behind them."""

from __future__ import annotations

import numpy as np
import pytest

from synthstore.checks.ownership import NOBODY, owners
from synthstore.checks.standing import standing
from synthstore.model.ids import EntityRef, vector_id
from synthstore.repair.roll import Roll
from tests.inventories import SHAPES, healthy

STRANGERS = (EntityRef("memory", "zz"), EntityRef("assembly", "zz"), EntityRef("memory", "aa"))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("hurt", ["", "m2"])
def test_a_number_leads_back_to_its_entity(shape: str, hurt: str) -> None:
    shelf = healthy(shape)
    if hurt:
        shelf.drop_row(hurt)
        shelf.file_is(hurt, rigid=("too deep",))
    inventory = shelf.inventory()
    roll, known = Roll(owners(inventory)), list(standing(inventory).known)
    numbers = roll.numbers([*known, *STRANGERS])
    assert list(roll.refs(numbers)) == [*known, *STRANGERS]
    assert roll.numbers([*STRANGERS, *known]).tolist() == np.roll(numbers, 3).tolist()
    assert len(set(numbers.tolist())) == len(numbers)
    assert list(roll.refs(owners(inventory).owner_at)) == list(owners(inventory).owners)


def test_names_are_those_of_vectors_and_none_for_nobody() -> None:
    inventory = healthy().inventory()
    roll, known = Roll(owners(inventory)), list(standing(inventory).known)
    numbers = np.append(roll.numbers([*known, *STRANGERS]), NOBODY)
    assert roll.names(numbers) == [*map(vector_id, [*known, *STRANGERS]), None]


@pytest.mark.parametrize("shape", SHAPES)
def test_they_are_sorted_as_entities_are(shape: str) -> None:
    inventory = healthy(shape).inventory()
    roll, known = Roll(owners(inventory)), list(standing(inventory).known)
    numbers = roll.numbers([*STRANGERS, *known])
    found = list(roll.refs(roll.sorted(numbers)))
    assert found == sorted([*known, *STRANGERS])
    assert list(roll.refs(roll.sorted(roll.sorted(numbers)))) == found
