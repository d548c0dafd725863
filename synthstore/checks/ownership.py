"""Whose each numeric id in the index is.

A FAISS id belongs to the known entity (one with a file or a row) whose md5 number it is; else to
the one that the mapping names. Sequential ids that no mapping explains belong to the entity
without a vector whose embedding, alone among those, is that very vector.

In a bare index the ids are positions, which slip as soon as a vector before them goes: there the
vectors are asked first, and a mapping that they contradict names no owner of an only copy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import cast

import numpy as np

from synthstore.checks.blocks import Positions, equal, not_finite
from synthstore.checks.found import once
from synthstore.checks.standing import standing
from synthstore.model.embedding import EmbeddingState, FloatVector
from synthstore.model.facts import MappingFacts
from synthstore.model.ids import EntityRef, vector_id
from synthstore.model.numbers import numeric_ids
from synthstore.scan.inventory import Inventory

SEQUENTIAL_BELOW = 2**32
"""A smaller number is taken for a counted one: md5 numbers have 63 bits."""


@dataclass(frozen=True)
class Ownership:
    """The numeric ids of one index, and the entities that they belong to."""

    numbers: tuple[int, ...]
    """The index's ids by position, positions themselves where it carries none."""
    owner_of: Mapping[int, EntityRef | None]
    """The owner of each number in the index; None for an orphan."""
    names: Mapping[str, EntityRef]
    """Every known entity by its vector id."""
    mapping: MappingFacts | None
    """The mapping that was believed: the one that fits best; None if none is readable."""
    not_finite: frozenset[int] = field(default_factory=frozenset)
    """Positions of vectors with NaN or infinity; empty in a quick look."""

    @cached_property
    def owners(self) -> tuple[EntityRef | None, ...]:
        """The owner of each position."""
        return tuple(map(self.owner_of.__getitem__, self.numbers))

    @cached_property
    def position_of(self) -> Mapping[EntityRef, int]:
        """Where in the index each owner's vector is, the first where its number stands twice."""
        # Backwards, so that the first position is the one that stays.
        backwards = range(len(self.owners) - 1, -1, -1)
        places = dict(zip(reversed(self.owners), backwards, strict=True))
        places.pop(None, None)
        return cast("dict[EntityRef, int]", places)

    @cached_property
    def positions(self) -> Mapping[EntityRef, tuple[int, ...]]:
        """All positions of each owner's number; more than one is a duplicate (V008)."""
        found: dict[EntityRef, tuple[int, ...]] = {}
        for position, owner in enumerate(self.owners):
            if owner is not None:
                found[owner] = (*found.get(owner, ()), position)
        return found

    @property
    def refs(self) -> Iterable[EntityRef]:
        """The entities that own a vector."""
        return self.position_of.keys()

    @cached_property
    def duplicates(self) -> tuple[int, ...]:
        """Numbers that the index holds twice or more, sorted."""
        if len(self.owner_of) == len(self.numbers):
            return ()
        ordered = sorted(self.numbers)
        pairs = pairwise(ordered)
        return tuple(sorted({one for one, other in pairs if one == other}))

    @cached_property
    def unknown(self) -> tuple[int, ...]:
        """Numbers that no entity owns, sorted (V004)."""
        return tuple(sorted(n for n, owner in self.owner_of.items() if owner is None))

    @property
    def mapped(self) -> bool:
        """Whether a mapping could be read."""
        return self.mapping is not None

    @property
    def entries(self) -> Mapping[str, int]:
        """The entries of the mapping that was believed."""
        entries = self.mapping.entries if self.mapping is not None else None
        return entries or {}

    def vector_of(self, inventory: Inventory, ref: EntityRef) -> FloatVector | None:
        """The first finite vector of ``ref``; None unless it has the store's dimension."""
        vectors = inventory.index.vectors
        dims = {inventory.index.dim, inventory.dimension or inventory.index.dim}
        if vectors is None or len(dims) > 1:
            return None
        position = self.sound_position(ref)
        return None if position is None else np.asarray(vectors[position])

    def sound_position(self, ref: EntityRef) -> int | None:
        """The first position of a finite vector of ``ref``."""
        first = self.position_of.get(ref)
        if first is None or first not in self.not_finite:
            return first
        return next((p for p in self.positions[ref] if p not in self.not_finite), None)

    def worse_duplicates(self, inventory: Inventory) -> frozenset[int]:
        """Positions to give up where a number stands twice: one that fits its file stays."""
        worse: set[int] = set()
        twice = set(self.duplicates)
        places: dict[int, list[int]] = {}
        for position, number in enumerate(self.numbers):
            if number in twice:
                places.setdefault(number, []).append(position)
        for number, found in places.items():
            owner = self.owner_of[number]
            fitting = [p for p in found if owner is not None and fits(inventory, owner, p)]
            sound = [p for p in found if p not in self.not_finite]
            worse.update(set(found) - {(fitting or sound or found)[0]})
        return frozenset(worse)


@once
def owners(inventory: Inventory) -> Ownership:
    """Find the owner of every id in the index; all are empty where it cannot be read."""
    ids = inventory.index.ids
    numbers = () if ids is None else tuple(ids.tolist())
    # Without a vector nobody asks for them.
    names = _names(standing(inventory).known) if numbers else {}
    by_md5 = dict(zip(numeric_ids(names).tolist(), names.values(), strict=True)) if numbers else {}
    owner_of: dict[int, EntityRef | None] = {n: by_md5.get(n) for n in numbers}
    if not inventory.index.has_ids:
        _settle_by_equality(inventory, numbers, names, owner_of)
    mapping = _settle(inventory, numbers, names, owner_of)
    _settle_by_equality(inventory, numbers, names, owner_of)
    vectors = inventory.index.vectors
    bad = frozenset(not_finite(vectors).tolist()) if vectors is not None else frozenset()
    return Ownership(numbers, owner_of, names, mapping, bad)


def fits(inventory: Inventory, ref: EntityRef, position: int) -> bool:
    """Whether the vector at ``position`` is the embedding of the entity's file, bit by bit."""
    vectors = inventory.index.vectors
    file = standing(inventory).standing_file.get(ref)
    embedding = inventory.vector_of(file.path) if file is not None else None
    if vectors is None or embedding is None or embedding.shape != vectors[position].shape:
        return False
    return bool(vectors[position].tobytes() == embedding.tobytes())


def _names(known: Collection[EntityRef]) -> dict[str, EntityRef]:
    names = {vector_id(ref): ref for ref in known}
    if len(names) < len(known):
        # A memory named asm:x and an assembly named x share one vector id: let the order decide.
        names = {vector_id(ref): ref for ref in sorted(known, reverse=True)}
    return names


def _settle(
    inventory: Inventory,
    numbers: tuple[int, ...],
    names: Mapping[str, EntityRef],
    owner_of: dict[int, EntityRef | None],
) -> MappingFacts | None:
    """Let the best mapping name the owners of what md5 does not; returns that mapping."""
    readable = [m for m in inventory.mappings if m.entries is not None]
    if len(readable) <= 1 and None not in owner_of.values():
        return readable[0] if readable else None
    position_of = {n: p for p, n in reversed(list(enumerate(numbers)))}
    given = [_given(inventory, m, names, owner_of, position_of) for m in readable]
    if not readable:
        return None
    scores = [
        (_fitting(inventory, gift, position_of), len(gift), _agreeing(mapping, names, owner_of))
        for mapping, gift in zip(readable, given, strict=True)
    ]
    best = max(range(len(readable)), key=lambda i: (scores[i], -i))
    owner_of.update(given[best])
    return readable[best]


def _given(
    inventory: Inventory,
    mapping: MappingFacts,
    names: Mapping[str, EntityRef],
    owner_of: Mapping[int, EntityRef | None],
    position_of: Mapping[int, int],
) -> dict[int, EntityRef]:
    """What a mapping says of the numbers that md5 does not explain."""
    served = set(owner_of.values())
    given: dict[int, EntityRef] = {}
    slipped = not inventory.index.has_ids and _contradicted(mapping, names, owner_of)
    for name, number in (mapping.entries or {}).items():
        ref = names.get(name)
        if ref is None or ref in served or (slipped and not _embedded(inventory, ref)):
            continue
        if number not in owner_of or owner_of[number] is not None:
            continue
        # Of two names for one number, that whose embedding is the vector counts, else the first.
        if number not in given or fits(inventory, ref, position_of[number]):
            given[number] = ref
    return given


def _contradicted(
    mapping: MappingFacts,
    names: Mapping[str, EntityRef],
    owner_of: Mapping[int, EntityRef | None],
) -> bool:
    """Whether a vector is known to be another's than the mapping says."""
    pairs = ((names.get(name), n) for name, n in (mapping.entries or {}).items())
    return any(ref is not None and owner_of.get(n) not in (None, ref) for ref, n in pairs)


def _embedded(inventory: Inventory, ref: EntityRef) -> bool:
    """Whether the file of ``ref`` holds an embedding of its own."""
    file = standing(inventory).standing_file.get(ref)
    return file is not None and file.embedding is EmbeddingState.VALID


def _fitting(
    inventory: Inventory, given: Mapping[int, EntityRef], position_of: Mapping[int, int]
) -> int:
    """How many of the numbers given carry the very embedding of their entity."""
    vectors, table = inventory.index.vectors, inventory.tables.get(inventory.index.dim)
    if vectors is None or table is None:
        return 0
    files = standing(inventory).standing_file
    pairs = [
        (position_of[number], table.row_of[files[ref].path])
        for number, ref in given.items()
        if ref in files and files[ref].path in table.row_of
    ]
    at, rows = _columns(pairs)
    return int(equal(vectors, at, table.matrix, rows).sum())


def _agreeing(
    mapping: MappingFacts,
    names: Mapping[str, EntityRef],
    owner_of: Mapping[int, EntityRef | None],
) -> int:
    entries = (mapping.entries or {}).items()
    return sum(name in names and owner_of.get(number) == names[name] for name, number in entries)


def _settle_by_equality(
    inventory: Inventory,
    numbers: tuple[int, ...],
    names: Mapping[str, EntityRef],
    owner_of: dict[int, EntityRef | None],
) -> None:
    vectors = inventory.index.vectors
    orphans = [
        (position, number)
        for position, number in enumerate(numbers)
        if owner_of[number] is None and 0 <= number < SEQUENTIAL_BELOW
    ]
    if vectors is None or not orphans:
        return
    served = set(owner_of.values())
    alone = _unique_embeddings(inventory, (ref for ref in names.values() if ref not in served))
    for position, number in orphans:
        ref = alone.pop(_digest(vectors[position]), None)
        if ref is not None:
            owner_of[number] = ref


def _unique_embeddings(inventory: Inventory, refs: Iterable[EntityRef]) -> dict[bytes, EntityRef]:
    """Digests of embeddings of the index's dimension that only one of ``refs`` has."""
    files = standing(inventory).standing_file
    found: dict[bytes, EntityRef | None] = {}
    for ref in refs:
        file = files.get(ref)
        if file is None or file.dim != inventory.index.dim:
            continue
        embedding = inventory.vector_of(file.path)
        if file.embedding is EmbeddingState.VALID and embedding is not None:
            digest = _digest(embedding)
            found[digest] = None if digest in found else ref
    return {digest: ref for digest, ref in found.items() if ref is not None}


def _digest(vector: FloatVector) -> bytes:
    return hashlib.blake2b(vector.tobytes(), digest_size=16).digest()


def _columns(pairs: list[tuple[int, int]]) -> tuple[Positions, Positions]:
    table = np.array(pairs, dtype=np.intp).reshape(len(pairs), 2)
    return table[:, 0], table[:, 1]
