"""Rules on the mapping files and on numeric ids that stand twice (V006 to V008)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import compress

import numpy as np

from synthstore.checks.comparing import deserving
from synthstore.checks.finding import Finding, Subject
from synthstore.checks.found import finding, out_of_reach
from synthstore.checks.ownership import NOBODY, owners
from synthstore.checks.standing import standing
from synthstore.model.embedding import IdArray, Places
from synthstore.model.entries import columns_of
from synthstore.model.facts import MappingFacts, PartStatus
from synthstore.model.ids import vector_id
from synthstore.model.numbers import stands_twice
from synthstore.scan.inventory import Inventory


def mappings_unusable(inventory: Inventory) -> Iterator[Finding]:
    """V006: a mapping unreadable, or none at all where there is, or should be, an index.

    Ignores what S005 says.
    """
    index = inventory.index
    wanted = index.status is PartStatus.UNREADABLE or index.ntotal > 0 or bool(inventory.tables)
    none = all(m.status is PartStatus.MISSING for m in inventory.mappings)
    for mapping in inventory.mappings:
        if mapping.path in inventory.closed:
            continue
        if mapping.status is PartStatus.UNREADABLE:
            problem = mapping.problem or "not JSON"
            message = f"the mapping is unreadable, so its names for the vectors are lost: {problem}"
            told = {"problem": problem}
            yield _of(inventory, mapping, "V006", message, told, repair=out_of_reach(mapping))
        elif mapping.encoding is not None:
            message = f"the mapping has a {mapping.encoding}: it could be read, but not by others"
            yield _of(inventory, mapping, "V006", message, {"problem": mapping.encoding})
        elif mapping.status is PartStatus.MISSING and none and wanted:
            yield _of(
                inventory, mapping, "V006", "the mapping is missing: no vector has a name", {}
            )


def mappings_disagreeing(inventory: Inventory) -> Iterator[Finding]:
    """V007: mappings out of step with the index or, where it cannot be read, with the entities.

    Ignores names that share a number (V008). One finding a mapping.
    """
    for mapping in inventory.mappings:
        if mapping.entries is None:
            continue
        if inventory.index.status is PartStatus.OK:
            wrong = _against_index(inventory, mapping)
        else:
            wrong = _against_entities(inventory, mapping)
        if any(wrong.values()):
            parts = [f"{len(ids)} {what}" for what, ids in wrong.items() if ids]
            yield _of(
                inventory,
                mapping,
                "V007",
                "the mapping disagrees with what it maps, so vectors go by wrong names or none: "
                + ", ".join(parts),
                {"ids": sorted({i for ids in wrong.values() for i in ids})},
            )


def _against_index(inventory: Inventory, mapping: MappingFacts) -> dict[str, list[str]]:
    owned, shared = owners(inventory), set(_sharing(mapping))
    entries, numbers = columns_of(mapping.entries or {})
    at = owned.at(numbers)
    absent = at == NOBODY
    # A number that no entity owns may have any name: V004 says it.
    owner_at = np.where(absent, NOBODY, owned.owner_at[at] if len(owned.ids) else at)
    each = zip(entries, map(owned.name, owner_at.data), strict=True)
    misnamed = (name for name, own in each if own is not None and own != name)
    # Of a number that stands twice each is the owner's.
    unmapped = _unmapped(owned.ids, at[~absent], numbers)
    found = {int(owned.ids[n]): owned.name(int(owned.owner_at[n])) for n in unmapped}
    names = [str(number) if name is None else name for number, name in found.items()]
    return {
        "of its numbers are not in the index": list(compress(entries, absent)),
        "of its names are another's": [name for name in misnamed if name not in shared],
        "ids in the index are not in it": [name for name in names if name not in shared],
        "of its numbers are no ids": list(mapping.bad_entries),
    }


def _unmapped(ids: IdArray, at: Places, numbers: IdArray) -> Places:
    """Positions of the ``ids`` that are none of the ``numbers``, which were found ``at`` some."""
    left = np.ones(len(ids), dtype=np.bool_)
    left[at] = False
    places = np.flatnonzero(left)
    # Of a number that stands twice only one position was found. Few are left most times.
    again = numbers[np.isin(numbers, ids[places])] if len(places) else numbers[:0]
    return places[~np.isin(ids[places], again)]


def _against_entities(inventory: Inventory, mapping: MappingFacts) -> dict[str, list[str]]:
    stand, entries = standing(inventory), mapping.entries or {}
    heirs = stand.heir_of
    known = {vector_id(ref) for ref in stand.known}
    due = {vector_id(ref) for ref in deserving(inventory) if ref not in heirs}
    return {
        "of its names are of no entity": [name for name in entries if name not in known],
        "entities with an embedding are not in it": [name for name in due if name not in entries],
        "of its numbers are no ids": list(mapping.bad_entries),
    }


def numbers_twice_in_index(inventory: Inventory) -> Iterator[Finding]:
    """V008: ids that the index holds more than once; one finding."""
    owned, path = owners(inventory), inventory.index.path
    if owned.duplicates:
        at = owned.at(np.array(owned.duplicates, dtype=np.int64)).tolist()
        refs = zip(owned.duplicates, map(owned.owner, at), strict=True)
        yield finding(
            "V008",
            Subject("index", path),
            path,
            f"{len(owned.duplicates)} ids stand more than once in the index: which vector is "
            "meant is left to chance",
            evidence={"ids": [str(n) if ref is None else ref.id for n, ref in refs]},
        )


def numbers_twice_in_mappings(inventory: Inventory) -> Iterator[Finding]:
    """V008: names that share a number, or that the file holds twice; one finding a mapping."""
    for mapping in inventory.mappings:
        shared = _sharing(mapping)
        if shared:
            message = f"{len(shared)} names in the mapping share a number or stand there twice"
            yield _of(inventory, mapping, "V008", message, {"ids": shared})


def _sharing(mapping: MappingFacts) -> list[str]:
    """Names that have their number in common, or that the file holds twice."""
    names, numbers = columns_of(mapping.entries or {})
    twice: set[str] = set(mapping.duplicate_keys)
    if stands_twice(np.sort(numbers)):
        counts = Counter(numbers.tolist())
        each = zip(names, numbers.tolist(), strict=True)
        twice.update(name for name, number in each if counts[number] > 1)
    return sorted(twice)


_BEHIND_INDEX = "left: it follows from {}, of which nothing can be read; repair once that is mended"


def _of(
    inventory: Inventory,
    mapping: MappingFacts,
    code: str,
    message: str,
    evidence: Mapping[str, object],
    *,
    repair: str | None = None,
) -> Finding:
    index, subject = inventory.index.path, Subject("mapping", mapping.path)
    if index in inventory.unseen and repair is None:
        repair = _BEHIND_INDEX.format(index)
    return finding(code, subject, mapping.path, message, evidence=evidence, repair=repair)
