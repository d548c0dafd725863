"""The vectors and mappings as they should be, from the entities that stand. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
import numpy.typing as npt

from synthstore.checks.comparing import compare, is_normalised
from synthstore.checks.finding import Subject
from synthstore.checks.ownership import SEQUENTIAL_BELOW
from synthstore.checks.report import Action
from synthstore.model.chosen import ChosenRows, Order, Vectors
from synthstore.model.embedding import EmbeddingState, FloatMatrix, FloatVector, IdArray
from synthstore.model.facts import IndexFacts, PartStatus
from synthstore.model.ids import EntityRef, in_order, numeric_id, vector_id
from synthstore.repair.embedded import Embedded
from synthstore.repair.mapping import entries_of, stale_mappings
from synthstore.repair.numbering import numbers_for
from synthstore.repair.state import Basis, Entities, IndexTarget

INDEX = "index"
REBUILD = "rebuild"
EMPTY = np.zeros(0, dtype=np.int64)
NOWHERE = np.zeros(0, dtype=np.intp)
NO_VECTORS = np.zeros((0, 0), dtype=np.float32)


def aim_index(basis: Basis, entities: Entities) -> IndexTarget:
    """One vector and one mapping entry for each entity with a valid embedding."""
    return _Indexer(basis, entities).aim()


@dataclass(frozen=True, slots=True)
class Kept:
    """What stays of the old index: positions, and the entity that owns each."""

    positions: npt.NDArray[np.intp]
    owners: tuple[EntityRef | None, ...]


class _Indexer:
    def __init__(self, basis: Basis, entities: Entities) -> None:
        self.basis, self.entities = basis, entities
        self.inventory, self.wishes = basis.inventory, basis.wishes
        self.index: IndexFacts = basis.inventory.index
        self.dim = self._dimension()
        self.embedded = Embedded(basis.inventory, entities, self.dim)
        self.normalised = is_normalised(basis.inventory)
        self.actions: list[Action] = []
        self.gone = 0
        self.sole = 0
        self.heirs = basis.heirs(entities)
        self.frozen = frozenset(basis.frozen_paths.values())
        self.returning = self._returning()

    def _returning(self) -> dict[int, EntityRef]:
        """Entities that come back, by the number under which their old vector may still stand."""
        ownership, entries = self.basis.ownership, self.basis.ownership.entries
        names = {
            vector_id(ref): ref
            for ref, file in self.entities.files.others.items()
            if file.path in self.entities.contents and ownership.position(ref) is None
        }
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
        old, vectors = self._numbers(kept, added), self._vectors(kept, renewed, added)
        ids = np.arange(len(old), dtype=np.int64) if self._positional else old
        entries = entries_of([*kept.owners, *added], old, ids, self.basis.ownership.entries)
        write = self._must_write(rebuild, kept, vectors, len(ids))
        blind = self._absent and rebuild is None
        mappings = () if blind else stale_mappings(self.basis, entries, index_written=write)
        for path in mappings:
            why = f"{len(entries)} entries, in step with the index"
            self._act("write-mapping", Subject("mapping", path), why, path)
        return IndexTarget(
            ids, vectors, entries, write, mappings, self.gone, self.sole, self.actions
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
        stays = set(kept.positions.tolist())
        for position, owner in enumerate(self.basis.ownership.each()):
            lives = owner in self.entities.files or owner in self.entities.held
            if position in stays or not self._finite(position):
                continue
            if owner is None or not lives:
                self.gone += 1
                continue
            vectors = self.index.vectors
            empty = vectors is None or not vectors[position].any()
            self.sole += not self.embedded.has(owner) and not empty

    # What stays

    def _keep(self) -> Kept:
        if self._absent:
            return Kept(NOWHERE, ())
        positions, owners = [], []
        duplicates = self._worse_duplicates()
        for position, known in enumerate(self.basis.ownership.each()):
            owner = known or self.returning.pop(self._id_at(position), None)
            if position in duplicates:
                self._note("remove-vector", owner, position, "its id stands twice in the index")
            elif self._goes(position, owner):
                self.gone += 1
            else:
                positions.append(position)
                owners.append(owner)
        return Kept(np.array(positions, dtype=np.intp), tuple(owners))

    def _keep_held(self) -> Kept:
        """A new index still carries the vectors of entities whose file proves nothing."""
        if self._absent or self.index.dim != self.dim:
            return Kept(NOWHERE, ())
        held = {
            owner: position
            for position, owner in enumerate(self.basis.ownership.each())
            if owner in self.entities.held
        }
        return Kept(np.array(list(held.values()), dtype=np.intp), tuple(held))

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
        if self._embedding(owner) is not None or not self.wishes.wants("V011", owner.id):
            return False
        self._note(
            "remove-vector", owner, position, "NaN or infinity, and no embedding to renew it"
        )
        return True

    def _unowned(self, position: int) -> None:
        self._note("remove-vector", None, position, "no entity owns it")
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

    def _renewed(self, kept: Kept) -> dict[int, FloatVector]:
        """What takes the place of vectors that differ, by row of ``kept``."""
        old = self.index.vectors
        stale = {} if old is None or not len(kept.positions) else self._stale(kept, old)
        for row in stale:
            why = "it differs from the embedding in the file"
            self._note("replace-vector", kept.owners[row], int(kept.positions[row]), why)
        return stale

    def _stale(self, kept: Kept, old: FloatMatrix) -> dict[int, FloatVector]:
        """Rows of ``kept`` to replace, and with what."""
        if self._foreign(kept):
            return {}
        differing = {position for _, position in compare(self.inventory).stale}
        fresh: dict[int, FloatVector] = {}
        for row, owner in enumerate(kept.owners):
            position = int(kept.positions[row])
            if owner is None or not (position in differing or self._unsure(owner, position)):
                continue
            embedding = self._embedding(owner)
            if embedding is None or not self._may_renew(owner, position):
                continue
            wanted = self._scaled(embedding)
            if wanted.tobytes() != old[position].tobytes():
                fresh[row] = wanted
        return fresh

    def _unsure(self, owner: EntityRef, position: int) -> bool:
        """Whether the checks did not compare this vector with what its entity holds now."""
        twice = owner in self.basis.ownership.several
        return twice or self._mended(owner) or not self._finite(position)

    def _may_renew(self, owner: EntityRef, position: int) -> bool:
        code = "V005" if self._finite(position) else "V011"
        return self.wishes.wants(code, owner.id) or self._mended(owner)

    def _mended(self, ref: EntityRef) -> bool:
        """Whether the entity's file, row or standing is new, so that its vector must follow."""
        files = self.entities.files
        own = files.others.get(ref)
        rewritten = own is not None and own.path in self.entities.contents
        return rewritten or ref in self.heirs or (ref in self.frozen and ref in files)

    def _embedding(self, ref: EntityRef) -> FloatVector | None:
        """The embedding that the entity's vector should hold, if it may have one."""
        file = self.entities.files.get(ref)
        if file is None or file.embedding is not EmbeddingState.VALID or file.dim != self.dim:
            return None
        healed = self.entities.vectors.get(file.path)
        return healed if healed is not None else self.inventory.vector_of(file.path)

    def _scaled(self, embedding: FloatVector) -> FloatVector:
        if not self.normalised:
            return embedding
        return np.asarray(embedding / np.linalg.norm(embedding), dtype=np.float32)

    # What is added

    def _missing(self, kept: Kept, rebuild: str | None) -> list[EntityRef]:
        if (self._absent and rebuild is None) or self._foreign(kept):
            return []
        have = set(kept.owners)
        missing = []
        # A new index keeps the order of the old one, so that the same vectors are the same bytes.
        place = {ref: n for n, ref in enumerate(self.basis.ownership.each()) if rebuild}
        last = len(place)
        own = filter(self.embedded.has, self.entities.files.others)
        refs = in_order(ref for ref in chain(self.embedded.usual.refs(), own) if ref not in have)
        if place:
            refs.sort(key=lambda ref: place.get(ref, last))
        for ref in refs:
            if rebuild or self.wishes.wants("V003", ref.id) or self._mended(ref):
                missing.append(ref)
                if rebuild is None:
                    self._act("add-vector", Subject(ref.kind, ref.id), "it had none")
        return missing

    def _numbers(self, kept: Kept, added: list[EntityRef]) -> IdArray:
        """The number of each vector that stays, then of those ``added``."""
        old = self.index.ids
        ids = old[kept.positions] if old is not None and len(kept.positions) else EMPTY
        if not added:
            return ids
        entries = {} if self._absent else self.basis.ownership.entries
        return np.concatenate([ids, numbers_for(added, entries, ids)])

    def _vectors(
        self, kept: Kept, renewed: Mapping[int, FloatVector], added: list[EntityRef]
    ) -> Vectors:
        """What stays of the old vectors, with ``renewed`` ones in place, then those ``added``."""
        old = self.index.vectors
        if old is None or not len(kept.positions):
            old = np.zeros((0, self.dim), dtype=np.float32)
        if not renewed and not added and len(kept.positions) == len(old):
            return old
        fresh, rows = self._fresh(renewed, added)
        rows += len(old)
        order = np.concatenate([kept.positions, rows[len(renewed) :]])
        order[list(renewed)] = rows[: len(renewed)]
        return ChosenRows(old, fresh, order)

    def _fresh(
        self, renewed: Mapping[int, FloatVector], added: list[EntityRef]
    ) -> tuple[FloatMatrix, Order]:
        """A matrix that has the vectors ``renewed`` and those of the ``added``, and their rows."""
        table = self.inventory.tables.get(self.dim)
        if table is not None and not (renewed or self.normalised or self.entities.vectors):
            return table.matrix, self.embedded.rows_of(added, table)
        matrix = np.empty((len(renewed) + len(added), self.dim), dtype=np.float32)
        for row, vector in enumerate(renewed.values()):
            matrix[row] = vector
        for row, ref in enumerate(added, len(renewed)):
            embedding = self._embedding(ref)
            if embedding is not None:
                matrix[row] = self._scaled(embedding)
        return matrix, np.arange(len(matrix), dtype=np.intp)

    # The files

    def _must_write(self, rebuild: str | None, kept: Kept, vectors: Vectors, n: int) -> bool:
        if rebuild is not None:
            # A store without any vector needs no index.
            worth = n > 0 or self.index.status is not PartStatus.MISSING
            if worth:
                self._act("write-index", Subject(INDEX, self.index.path), _why(rebuild, n))
            return worth
        if self._absent:
            return False
        if not self.index.has_ids and not self.inventory.layout.positional:
            self._act("write-index", Subject(INDEX, self.index.path), "it carried no ids")
            return True
        changed = vectors is not self.index.vectors or len(kept.positions) != self.index.ntotal
        if changed:
            why = f"{n} vectors"
            self._act("write-index", Subject(INDEX, self.index.path), why)
        return changed

    # Words

    def _note(self, kind: str, owner: EntityRef | None, position: int, because: str) -> None:
        number = self._id_at(position)
        subject = Subject(owner.kind, owner.id) if owner else Subject("vector", str(number))
        self._act(kind, subject, because)

    def _act(self, kind: str, subject: Subject, because: str, path: str | None = None) -> None:
        self.actions.append(Action(kind, subject, path or self.index.path, because=because))


def _why(code: str, n: int) -> str:
    reasons = {
        REBUILD: "made anew",
        "V001": "missing",
        "V002": "unreadable; the bad file is kept",
        "V009": "of another dimension than the embeddings",
    }
    return f"{reasons[code]}; built from {n} embeddings"
