"""Whose each numeric id in the index is.

A FAISS id belongs to the known entity (one with a file or a row) whose md5 number it is; else to
the one that the mapping names. Sequential ids that no mapping explains belong to the entity
without a vector whose embedding, alone among those, is that very vector.

In a bare index the ids are positions, which slip as soon as a vector before them goes: there the
vectors are asked first, and a mapping that they contradict names no owner of an only copy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from synthstore.checks.blocks import Positions, equal, not_finite
from synthstore.checks.found import once
from synthstore.checks.standing import Standing, standing
from synthstore.model.embedding import EmbeddingState, FloatVector, IdArray, Places
from synthstore.model.facts import MappingFacts
from synthstore.model.ids import EntityRef, vector_id, vector_name
from synthstore.model.numbers import numeric_ids, stands_twice
from synthstore.scan.inventory import Inventory

SEQUENTIAL_BELOW = 2**32
"""A smaller number is taken for a counted one: md5 numbers have 63 bits."""


NOBODY = -1

_AT_ONCE = 1 << 16
"""Numbers that are looked up together: few enough that what is needed for it takes no room."""


@dataclass(frozen=True)
class Ownership:
    """The numeric ids of one index, and the entities that they belong to."""

    ids: IdArray
    """The index's ids by position, positions themselves where it carries none."""
    stand: Standing
    owner_at: Places
    """Whose each position is: the place of a usual entity's file, or, counted on from the last
    file, that of one of the ``others``; NOBODY for an orphan."""
    mapping: MappingFacts | None
    """The mapping that was believed: the one that fits best; None if none is readable."""
    not_finite: frozenset[int] = field(default_factory=frozenset)
    """Positions of vectors with NaN or infinity; empty in a quick look."""

    @cached_property
    def names(self) -> Mapping[str, EntityRef]:
        """Every known entity by its vector id."""
        return names_of(self.stand.known)

    def owner(self, position: int) -> EntityRef | None:
        """The owner of a position."""
        return self.entity(int(self.owner_at[position]))

    def entity(self, number: int) -> EntityRef | None:
        """The entity that is meant in ``owner_at``."""
        files = len(self.stand.usual.ids)
        if number >= files:
            return self.stand.others[number - files]
        return None if number == NOBODY else self.stand.usual.ref(number)

    def name(self, number: int) -> str | None:
        """The vector id of the same."""
        ref = self.entity(number)
        return None if ref is None else vector_id(ref)

    def each(self) -> Iterator[EntityRef | None]:
        """The owner of each position, made anew."""
        return map(self.entity, self.owner_at.data)

    @property
    def owners(self) -> tuple[EntityRef | None, ...]:
        """The same, all at once."""
        return tuple(self.each())

    @cached_property
    def first(self) -> Places:
        """The first position of each entity, counted as in ``owner_at``; NOBODY for none."""
        count = len(self.stand.usual.ids) + len(self.stand.others)
        first = np.full(count, NOBODY, dtype=np.intp)
        owned = np.flatnonzero(self.owner_at != NOBODY)[::-1]
        # Backwards, so that the first position is the one that stays.
        first[self.owner_at[owned]] = owned
        return first

    def position(self, ref: EntityRef | None) -> int | None:
        """Where in the index the entity's vector is, the first where its number stands twice."""
        number = None if ref is None else self.stand.number(ref)
        first = NOBODY if number is None else int(self.first[number])
        return None if first == NOBODY else first

    def positions(self, ref: EntityRef) -> list[int]:
        """All positions of the entity's number; more than one is a duplicate (V008)."""
        found: list[int] = np.flatnonzero(self.owner_at == self.stand.number(ref)).tolist()
        return found

    @cached_property
    def several(self) -> frozenset[EntityRef | None]:
        """Entities that have more than one position."""
        owned = np.sort(self.owner_at[self.owner_at != NOBODY])
        twice = owned[1:][owned[1:] == owned[:-1]]
        return frozenset(map(self.entity, twice.tolist()))

    @cached_property
    def duplicates(self) -> tuple[int, ...]:
        """Numbers that the index holds twice or more, sorted."""
        ordered = np.sort(self.ids)
        return tuple(sorted(set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())))

    @cached_property
    def unknown(self) -> tuple[int, ...]:
        """Numbers that no entity owns, sorted (V004)."""
        return tuple(sorted(set(self.ids[self.owner_at == NOBODY].tolist())))

    def at(self, numbers: IdArray) -> Places:
        """A position of each of the ``numbers``, NOBODY for those that the index does not hold."""
        order = np.argsort(self.ids, kind="stable")
        return found_in(self.ids[order], order, numbers)

    @property
    def mapped(self) -> bool:
        """Whether a mapping could be read."""
        return self.mapping is not None

    @property
    def entries(self) -> Mapping[str, int]:
        """The entries of the mapping that was believed."""
        entries = self.mapping.entries if self.mapping is not None else None
        return {} if entries is None else entries

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
        first = self.position(ref)
        if first is None or first not in self.not_finite:
            return first
        return next((p for p in self.positions(ref) if p not in self.not_finite), None)

    def worse_duplicates(self, inventory: Inventory) -> frozenset[int]:
        """Positions to give up where a number stands twice: one that fits its file stays."""
        worse: set[int] = set()
        for number in self.duplicates:
            found = np.flatnonzero(self.ids == number).tolist()
            owner = self.owner(found[0])
            fitting = [p for p in found if owner is not None and fits(inventory, owner, p)]
            sound = [p for p in found if p not in self.not_finite]
            worse.update(set(found) - {(fitting or sound or found)[0]})
        return frozenset(worse)


@once
def owners(inventory: Inventory) -> Ownership:
    """Find the owner of every id in the index; all are empty where it cannot be read."""
    index, stand = inventory.index, standing(inventory)
    ids = np.zeros(0, dtype=np.int64) if index.ids is None else index.ids
    readable = [m for m in inventory.mappings if m.entries is not None]
    mapping = readable[0] if readable else None
    owner_at = _by_number(stand, ids) if index.has_ids else None
    if len(ids) and (owner_at is None or len(readable) > 1 or (owner_at == NOBODY).any()):
        owner_at, mapping = _closely(inventory, stand, ids)
    elif owner_at is None:
        owner_at = np.zeros(0, dtype=np.intp)
    vectors = index.vectors
    bad = frozenset(not_finite(vectors).tolist()) if vectors is not None else frozenset()
    return Ownership(ids, stand, owner_at, mapping, bad)


def _by_number(stand: Standing, ids: IdArray) -> Places | None:
    """Who owns each of the ``ids`` by md5; None where two entities share a number."""
    if not len(ids):
        return None
    usual, others = stand.usual, stand.others
    each = zip(usual.kinds, usual.ids, strict=True)
    names = [vector_name(kind, i) for kind, i in each if i is not None]
    names += map(vector_id, others)
    numbers = numeric_ids(names)
    order = np.argsort(numbers)
    if stands_twice(numbers[order]):
        return None
    count = len(usual.ids)
    known = np.concatenate([np.flatnonzero(usual.are), np.arange(count, count + len(others))])
    return found_in(numbers[order], known[order], ids)


def found_in(ascending: IdArray, places: Places, wanted: IdArray) -> Places:
    """The place of each number that is ``wanted`` among the ``ascending`` ones, else NOBODY."""
    found = np.full(len(wanted), NOBODY, dtype=np.intp)
    for start in range(0, len(wanted) if len(ascending) else 0, _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        at = np.minimum(np.searchsorted(ascending, part), len(ascending) - 1)
        found[start : start + _AT_ONCE] = np.where(ascending[at] == part, places[at], NOBODY)
    return found


def _closely(
    inventory: Inventory, stand: Standing, ids: IdArray
) -> tuple[Places, MappingFacts | None]:
    """Who owns each of the ``ids`` where md5 does not tell it all, and the mapping believed."""
    numbers, names = tuple(ids.tolist()), names_of(stand.known)
    by_md5 = dict(zip(numeric_ids(names).tolist(), names.values(), strict=True))
    owner_of: dict[int, EntityRef | None] = {n: by_md5.get(n) for n in numbers}
    if not inventory.index.has_ids:
        _settle_by_equality(inventory, numbers, names, owner_of)
    mapping = _settle(inventory, numbers, names, owner_of)
    _settle_by_equality(inventory, numbers, names, owner_of)
    found = (owner_of[number] for number in numbers)
    at = (None if ref is None else stand.number(ref) for ref in found)
    return np.array([NOBODY if n is None else n for n in at], dtype=np.intp), mapping


def fits(inventory: Inventory, ref: EntityRef, position: int) -> bool:
    """Whether the vector at ``position`` is the embedding of the entity's file, bit by bit."""
    vectors = inventory.index.vectors
    file = standing(inventory).standing_file.get(ref)
    embedding = inventory.vector_of(file.path) if file is not None else None
    if vectors is None or embedding is None or embedding.shape != vectors[position].shape:
        return False
    return bool(vectors[position].tobytes() == embedding.tobytes())


def names_of(known: Collection[EntityRef]) -> dict[str, EntityRef]:
    """Entities by their vector ids."""
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
