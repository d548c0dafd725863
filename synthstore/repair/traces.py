"""Entities of which a store has but a vector, and the name that a mapping gives it. No I/O."""

from __future__ import annotations

from collections.abc import Mapping

from synthstore.checks.ownership import owners
from synthstore.checks.standing import standing
from synthstore.checks.vectors import mapped_names
from synthstore.model.ids import EntityRef, ref_of_vector
from synthstore.scan.inventory import Inventory


def traces(inventory: Inventory) -> Mapping[EntityRef, int]:
    """Those with neither file nor row (V004), and the number of the vector of each.

    Not what our own log says was deleted: it is to stay so.
    """
    unknown = owners(inventory).unknown
    named = mapped_names(inventory) if unknown else {}
    found = {ref_of_vector(named[number]): number for number in unknown if number in named}
    known = standing(inventory).known
    return {ref: number for ref, number in found.items() if ref not in known}
