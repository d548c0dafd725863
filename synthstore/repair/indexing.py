"""The vectors and mappings as they should be, from the entities that stand. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

from synthstore.checks.comparing import compare
from synthstore.checks.ownership import NOBODY, SEQUENTIAL_BELOW
from synthstore.model.chosen import Vectors, chosen
from synthstore.model.columns import Bools
from synthstore.model.embedding import EmbeddingState, IdArray, Places
from synthstore.model.facts import IndexFacts, PartStatus
from synthstore.model.ids import EntityRef, numeric_id, vector_id
from synthstore.repair.embedded import Embedded
from synthstore.repair.mapping import entries_of, stale_mappings
from synthstore.repair.numbering import numbers_for
from synthstore.repair.roll import Roll
from synthstore.repair.state import Basis, Entities, IndexTarget
from synthstore.repair.steps import INDEX, REBUILD, IndexSteps

EMPTY = np.zeros(0, dtype=np.int64)
NOWHERE = np.zeros(0, dtype=np.intp)
NO_VECTORS = np.zeros((0, 0), dtype=np.float32)


def aim_index(basis: Basis, entities: Entities) -> IndexTarget:
    """One vector and one mapping entry for each entity with a valid embedding."""
    return _Indexer(basis, entities).aim()


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What stays of the old index: positions, and by number the entity that owns each."""

    positions: Places
    owners: Places
    """NOBODY for a vector that no entity owns."""


NOTHING = Kept(NOWHERE, NOWHERE)


class _Indexer:
    def __init__(self, basis: Basis, entities: Entities) -> None:
        self.basis, self.entities = basis, entities
        self.inventory, self.wishes = basis.inventory, basis.wishes
        self.index: IndexFacts = basis.inventory.index
        self.dim = self._dimension()
        self.roll = Roll(basis.ownership)
        self.embedded = Embedded(basis.inventory, entities, self.dim, self.roll)
        self.steps = IndexSteps(basis.inventory)
        self.gone = 0
        self.sole = 0
        self.heirs = basis.heirs(entities)
        self.frozen = frozenset(basis.frozen_paths.values())
        self.returning = self._returning()

    def _returning(self) -> dict[int, EntityRef]:
        """Entities that come back, by the number under which their old vector may still stand.

        And such as could, for their file is there, if not where it belongs.
        """
        ownership, entries = self.basis.ownership, self.basis.ownership.entries
        files, contents = self.entities.files.others.items(), self.entities.contents
        back = {*self.entities.astray, *(ref for ref, file in files if file.path in contents)}
        names = {vector_id(ref): ref for ref in back if ownership.position(ref) is None}
        return {entries.get(name, numeric_id(name)): ref for name, ref in names.items()}

    def _dimension(self) -> int:
        known = self.inventory.dimension
        if known is None and not self.inventory.tables:
            healed = {len(vector) for vector in self.entities.vectors.values()}
            known = healed.pop() if len(healed) == 1 else None
        return known or (self.index.dim if self.index.status is PartStatus.OK else 0)

    def aim(self) -> IndexTarget:
        if not self.index.path or (self.basis.rebuild and INDEX not in self.basis.rebuild):
            return IndexTarget(EMPTY, NO_VECTORS, {}, write_index=False, mappings=())
        rebuild = self._rebuild_code()
        kept = self._keep_held() if rebuild else self._keep()
        if rebuild is not None:
            self._count_lost(kept)
        renewed = self._renewed(kept)
        added = self._missing(kept, rebuild)
        names = self.roll.names(np.concatenate([kept.owners, added]))
        old, vectors = self._numbers(kept, names), self._vectors(kept, renewed, added)
        ids = np.arange(len(old), dtype=np.int64) if self._positional else old
        entries = entries_of(names, old, ids, self.basis.ownership.entries)
        write = self._must_write(rebuild, kept, vectors, len(ids))
        blind = self._absent and rebuild is None
        mappings = () if blind else stale_mappings(self.basis, entries, index_written=write)
        for path in mappings:
            self.steps.mapping_written(path, len(entries))
        return IndexTarget(
            ids, vectors, entries, write, mappings, self.gone, self.sole, self.steps.actions
        )

    @property
    def _positional(self) -> bool:
        """Whether ids are positions, so that what goes moves all that stands behind it."""
        carries = self.index.status is PartStatus.OK and self.index.has_ids
        return self.inventory.layout.positional and not carries

    @property
    def _absent(self) -> bool:
        return self.index.status is not PartStatus.OK or self.index.vectors is None

    def _rebuild_code(self) -> str | None:
        """The code for which the whole index is made anew, if it is and may be."""
        if self.index.path in self.basis.closed:
            return None
        if self.basis.rebuild:
            return REBUILD if INDEX in self.basis.rebuild else None
        codes = {PartStatus.MISSING: "V001", PartStatus.UNREADABLE: "V002"}
        code = codes.get(self.index.status)
        if code is None and self.index.ntotal and self.index.dim != self.dim:
            code = "V009"
        return code if code and self.wishes.wants(code, INDEX, self.index.path) else None

    def _count_lost(self, kept: Kept) -> None:
        """Count what a new index drops though no file holds it as an embedding."""
        ownership = self.basis.ownership
        # Of vectors whose entity has an embedding nothing is lost.
        owned = np.append(self.embedded.usual.are, np.zeros(len(ownership.stand.others) + 1, bool))
        left = ~owned[ownership.owner_at]
        left[kept.positions] = False
        for position in np.flatnonzero(left).tolist():
            owner = ownership.owner(position)
            if not self._finite(position):
                continue
            lives = owner in self.entities.files or owner in self.entities.held
            if owner is None or not lives:
                self.gone += 1
                continue
            vectors = self.index.vectors
            empty = vectors is None or not vectors[position].any()
            self.sole += not self.embedded.has(owner) and not empty

    # What stays

    def _keep(self) -> Kept:
        if self._absent:
            return NOTHING
        owners = self.basis.ownership.owner_at.copy()
        stays = np.ones(len(owners), dtype=np.bool_)
        duplicates = self._worse_duplicates()
        for position in self._in_question(duplicates):
            known = self.basis.ownership.owner(position)
            owner = known or self.returning.pop(self._id_at(position), None)
            if position in duplicates:
                self._note("remove-vector", owner, position, "its id stands twice in the index")
                stays[position] = False
            elif self._goes(position, owner):
                self.gone += 1
                stays[position] = False
            elif owner is not None:
                owners[position] = self.roll.number(owner)
        return Kept(np.flatnonzero(stays), owners[stays])

    def _in_question(self, duplicates: frozenset[int]) -> list[int]:
        """Positions that do not simply stay."""
        owner_at = self.basis.ownership.owner_at
        asked = owner_at == NOBODY
        asked |= np.isin(owner_at, self.roll.numbers(self.entities.dropped))
        asked[[*duplicates, *self.basis.ownership.not_finite]] = True
        found: list[int] = np.flatnonzero(asked).tolist()
        return found

    def _keep_held(self) -> Kept:
        """A new index still carries vectors of entities whose file proves nothing, or is away."""
        if self._absent or self.index.dim != self.dim:
            return NOTHING
        owner_at = self.basis.ownership.owner_at
        refs = self.entities.held.keys() | self.entities.awaited
        at = np.flatnonzero(np.isin(owner_at, self.roll.numbers(refs))).tolist()
        held = {int(owner_at[position]): position for position in at}
        # Whoever is to be brought back to its folder wants its own.
        for position in np.flatnonzero(owner_at == NOBODY).tolist() if self.returning else ():
            owner = self.returning.get(self._id_at(position))
            if owner is not None:
                held[self.roll.number(owner)] = position
        positions = np.array(list(held.values()), dtype=np.intp)
        return Kept(positions, np.array(list(held), dtype=np.intp))

    def _worse_duplicates(self) -> frozenset[int]:
        if not self.wishes.wants("V008", INDEX, self.index.path):
            return frozenset()
        return self.basis.ownership.worse_duplicates(self.inventory)

    def _goes(self, position: int, owner: EntityRef | None) -> bool:
        if owner is None:
            number = self._id_at(position)
            wanted = self.wishes.wants("V004", str(number), self.index.path)
            if self.basis.blind or number in self._awaited or not wanted:
                return False
            self._unowned(position)
            return True
        if owner in self.entities.dropped:
            self._note("remove-vector", owner, position, "its entity is gone")
            return True
        if self._finite(position) or owner in self.entities.held:
            return False
        if self.embedded.vector(owner) is not None or not self.wishes.wants("V011", owner.id):
            return False
        self._note(
            "remove-vector", owner, position, "NaN or infinity, and no embedding to renew it"
        )
        return True

    def _unowned(self, position: int) -> None:
        self.steps.orphan_removed(self._id_at(position))
        if self._may_be_anyones(position) and self._someone_lacks_an_embedding():
            self.sole += 1

    @cached_property
    def _awaited(self) -> frozenset[int]:
        """Numbers of vectors that alone tell of an entity of which there is a copy elsewhere."""
        copies = self.basis.copies
        return frozenset(n for ref, n in self.basis.traces.items() if ref in copies)

    def _may_be_anyones(self, position: int) -> bool:
        """Whether only a mapping could tell whose vector this is, and none does."""
        ownership, number = self.basis.ownership, self._id_at(position)
        return not ownership.mapped or (
            0 <= number < SEQUENTIAL_BELOW and number not in self._mapped_numbers
        )

    @cached_property
    def _mapped_numbers(self) -> frozenset[int]:
        """Numbers whose name says whose they are; in a bare index a name may have slipped."""
        ownership = self.basis.ownership
        slipped = ownership.names.keys() if not self.index.has_ids else frozenset[str]()
        return frozenset(n for name, n in ownership.entries.items() if name not in slipped)

    def _someone_lacks_an_embedding(self) -> bool:
        """Whether an unowned vector could be the only embedding of an entity that lives."""
        return any(
            file.embedding is EmbeddingState.MISSING
            and file.ref is not None
            and self.basis.ownership.position(file.ref) is None
            for file in self.entities.files.others.values()
        )

    def _id_at(self, position: int) -> int:
        return int(self.index.ids[position]) if self.index.ids is not None else position

    def _finite(self, position: int) -> bool:
        return position not in self.basis.ownership.not_finite

    def _foreign(self, kept: Kept) -> bool:
        """Whether what stays has another dimension than the embeddings, so takes none of them."""
        return len(kept.positions) > 0 and self.index.dim != self.dim

    # What is renewed

    def _renewed(self, kept: Kept) -> Places:
        """Rows of ``kept`` whose vectors differ from the embeddings that take their place."""
        old = self.index.vectors
        stale = [] if old is None or self._foreign(kept) else list(self._stale(kept, old))
        for row in stale:
            why = "it differs from the embedding in the file"
            owner = self.roll.ref(int(kept.owners[row]))
            self._note("replace-vector", owner, int(kept.positions[row]), why)
        return np.array(stale, dtype=np.intp)

    def _stale(self, kept: Kept, old: Vectors) -> Iterator[int]:
        for row in np.flatnonzero(self._suspect(kept)).tolist():
            position, owner = int(kept.positions[row]), self.roll.ref(int(kept.owners[row]))
            if owner is None or not self._may_renew(owner, position):
                continue
            wanted = self.embedded.vector(owner)
            if wanted is not None and wanted.tobytes() != old[position].tobytes():
                yield row

    def _suspect(self, kept: Kept) -> Bools:
        """Which vectors differ, or were not compared with what their entities hold now."""
        twice = (ref for ref in self.basis.ownership.several if ref is not None)
        mended = filter(self._mended, {*self.entities.files.others, *self.heirs, *self.frozen})
        differing = (position for _, position in compare(self.inventory).stale)
        asked = [*differing, *self.basis.ownership.not_finite]
        suspect = np.isin(kept.owners, self.roll.numbers(chain(twice, mended)))
        return np.asarray(suspect | np.isin(kept.positions, asked))

    def _may_renew(self, owner: EntityRef, position: int) -> bool:
        code = "V005" if self._finite(position) else "V011"
        return self.wishes.wants(code, owner.id) or self._mended(owner)

    def _mended(self, ref: EntityRef) -> bool:
        """Whether the entity's file, row or standing is new, so that its vector must follow."""
        files = self.entities.files
        own = files.others.get(ref)
        rewritten = own is not None and own.path in self.entities.contents
        return rewritten or ref in self.heirs or (ref in self.frozen and ref in files)

    # What is added

    def _missing(self, kept: Kept, rebuild: str | None) -> Places:
        """The entities that are to get a vector."""
        if (self._absent and rebuild is None) or self._foreign(kept):
            return NOWHERE
        own = filter(self.embedded.has, self.entities.files.others)
        usual = np.flatnonzero(self.embedded.usual.are)
        lacking = np.concatenate([usual, self.roll.numbers(own)])
        lacking = self.roll.sorted(lacking[~np.isin(lacking, kept.owners)])
        if rebuild is not None:
            return self._as_they_stood(lacking)
        return np.array(list(filter(self._is_added, lacking.data)), dtype=np.intp)

    def _is_added(self, number: int) -> bool:
        ref = self.roll.ref(number)
        if ref is None or not (self.wishes.wants("V003", ref.id) or self._mended(ref)):
            return False
        self.steps.added(ref)
        return True

    def _as_they_stood(self, numbers: Places) -> Places:
        """The order of the old index, so that the same vectors are the same bytes."""
        owner_at = self.basis.ownership.owner_at
        if not len(owner_at):
            return numbers
        ordered = np.sort(owner_at)
        last = 1 + int((ordered[1:] != ordered[:-1]).sum())
        place = np.full(max(numbers.max(initial=0), owner_at.max()) + 2, last)
        # An orphan's is the last of all, and nobody's that is asked for.
        place[owner_at] = np.arange(len(owner_at))
        return numbers[np.argsort(place[numbers], kind="stable")]

    def _numbers(self, kept: Kept, names: Sequence[str | None]) -> IdArray:
        """The number of each vector that stays, then of the added ones; ``names`` are of all."""
        old = self.index.ids
        ids = old[kept.positions] if old is not None and len(kept.positions) else EMPTY
        added = [name for name in names[len(ids) :] if name is not None]
        if not added:
            return ids
        entries = {} if self._absent else self.basis.ownership.entries
        return np.concatenate([ids, numbers_for(added, entries, ids)])

    def _vectors(self, kept: Kept, renewed: Places, added: Places) -> Vectors:
        """What stays of the old vectors, with ``renewed`` ones in place, then those ``added``."""
        old = self.index.vectors
        if old is None or not len(kept.positions):
            old = np.zeros((0, self.dim), dtype=np.float32)
        if not len(renewed) and not len(added) and len(kept.positions) == len(old):
            return old
        fresh = self.embedded.vectors(np.concatenate([kept.owners[renewed], added]))
        behind = np.arange(len(old), len(old) + len(fresh))
        order = np.concatenate([kept.positions, behind[len(renewed) :]])
        order[renewed] = behind[: len(renewed)]
        return chosen(old, fresh, order)

    # The files

    def _must_write(self, rebuild: str | None, kept: Kept, vectors: Vectors, n: int) -> bool:
        if rebuild is not None:
            # A store without any vector needs no index.
            worth = n > 0 or self.index.status is not PartStatus.MISSING
            if worth:
                self.steps.index_built(rebuild, n)
            return worth
        if self._absent:
            return False
        if not self.index.has_ids and not self.inventory.layout.positional:
            self.steps.index_written("it carried no ids")
            return True
        changed = vectors is not self.index.vectors or len(kept.positions) != self.index.ntotal
        if changed:
            self.steps.index_written(f"{n} vectors")
        return changed

    def _note(self, kind: str, owner: EntityRef | None, position: int, because: str) -> None:
        self.steps.of_vector(kind, owner, self._id_at(position), because)
