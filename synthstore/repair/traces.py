"""Entities of which a store has but a vector, and the name that a mapping gives it. No I/O."""

from __future__ import annotations

from collections.abc import Mapping

from synthstore.checks.vectors import orphans_names
from synthstore.model.ids import EntityRef, ref_of_vector
from synthstore.scan.inventory import Inventory


def traces(inventory: Inventory) -> Mapping[EntityRef, int]:
    """Those with neither file nor row (V004), and the number of the vector of each.

    Not what our own log says was deleted: it is to stay so.
    """
    return {ref_of_vector(name): number for number, name in orphans_names(inventory).items()}
