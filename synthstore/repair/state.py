"""The values that a repair is worked out with, from what stands to what should."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from synthstore.checks.catalogue import twin
from synthstore.checks.finding import Subject
from synthstore.checks.frozen import frozen_paths
from synthstore.checks.ownership import Ownership
from synthstore.checks.parting import parted
from synthstore.checks.report import Action
from synthstore.checks.standing import Standing
from synthstore.model.catalog import Catalog, Row
from synthstore.model.chosen import Vectors
from synthstore.model.embedding import FloatVector, IdArray
from synthstore.model.facts import EntityFile
from synthstore.model.ids import EntityRef
from synthstore.repair.refusals import Refusal
from synthstore.repair.sources import Copy
from synthstore.repair.traces import traces
from synthstore.repair.whole_files import WholeFiles
from synthstore.repair.wishes import Wishes
from synthstore.scan.inventory import Inventory


@dataclass(frozen=True)
class Basis:
    """All that a target is computed from; nothing in it changes while that happens."""

    inventory: Inventory
    standing: Standing
    ownership: Ownership
    wishes: Wishes
    copies: Mapping[EntityRef, tuple[Copy, ...]] = field(default_factory=dict)
    raw: Mapping[str, bytes] = field(default_factory=dict)
    """Bytes of the files that may have to be salvaged or spliced."""
    digests: Mapping[str, str] = field(default_factory=dict)
    """sha256 of leftovers, which a scan does not read."""
    unknown: Mapping[str, EntityRef] = field(default_factory=dict)
    """Entities without file and row that a leftover holds whole, by its path."""
    rebuild: frozenset[str] = frozenset()
    """Parts to build anew from the entity files alone: ``catalog``, ``index``; empty: repair."""
    backup: Catalog | None = None
    """The newest good index backup, where the catalog is unreadable."""

    @property
    def frozen_paths(self) -> Mapping[str, EntityRef]:
        """Files that bit rot holds for (M004), and the entity whose row says so."""
        return frozen_paths(self.inventory)

    @property
    def closed(self) -> frozenset[str]:
        """Paths whose bytes are not to be had: nothing is known of them, and nothing changed."""
        return self.inventory.unseen

    @property
    def blind(self) -> bool:
        """Whether entities may be hidden: in a folder or in a catalog that cannot be read."""
        return self.inventory.blind

    @cached_property
    def traces(self) -> Mapping[EntityRef, int]:
        """Entities of which only a vector is left, and the number of each.

        None where some may be hidden, or where all is made from the files alone.
        """
        return {} if self.blind or self.rebuild else traces(self.inventory)

    @property
    def rows(self) -> Sequence[Row]:
        """The rows to start from: the catalog's own, else those of the backup."""
        catalog = self.catalog
        return catalog.rows if catalog is not None else ()

    @property
    def catalog(self) -> Catalog | None:
        """The catalog to start from."""
        return self.inventory.catalog.catalog or self.backup

    def heirs(self, entities: Entities) -> frozenset[EntityRef]:
        """Entities that take over the row of another, whose file turned out to be theirs."""
        if not entities.dropped:
            return frozenset()
        rows = parted(self.inventory).rows.values() if self.backup is None else self.rows
        named = (
            self.inventory.by_path.get(row.path or "")
            for row in rows
            if entities.dropped.get(row.ref) == twin("M005", row.kind)
        )
        return frozenset(file.ref for file in named if file is not None and file.ref is not None)

    def vector(self, ref: EntityRef) -> FloatVector | None:
        """The finite vector that the index holds for ``ref``, of the store's dimension."""
        return self.ownership.vector_of(self.inventory, ref)


@dataclass(slots=True)
class Entities:
    """The entity files as they should be."""

    files: WholeFiles
    """Whole files that are taken as the truth, by the entity they bear."""
    held: dict[EntityRef, EntityFile] = field(default_factory=dict)
    """Files left as they are, whose content proves nothing: frozen, hurt, not parsed."""
    astray: set[EntityRef] = field(default_factory=set)
    """Entities whose only file stands in the folder of the other kind, and is left there."""
    awaited: set[EntityRef] = field(default_factory=set)
    """Entities without a file, of which a copy survives that is not to be used now."""
    contents: dict[str, bytes] = field(default_factory=dict)
    """New bytes by path."""
    removed: dict[str, bool] = field(default_factory=dict)
    """Paths to remove; True: with a copy in quarantine."""
    displaced: set[str] = field(default_factory=set)
    """Paths of ``contents`` where another entity's file stood, which goes to quarantine."""
    vectors: dict[str, FloatVector] = field(default_factory=dict)
    """Embeddings of new bytes, by path."""
    dropped: dict[EntityRef, str] = field(default_factory=dict)
    """Entities that are no more, and the code for which."""
    actions: list[Action] = field(default_factory=list)

    def act(
        self, kind: str, ref: EntityRef, path: str | None, because: str, source: str | None = None
    ) -> None:
        """Note one action upon an entity."""
        subject = Subject(ref.kind, ref.id)
        self.actions.append(Action(kind, subject, path, source=source, because=because))

    def act_on_file(self, kind: str, path: str, because: str) -> None:
        """Note one action upon a file that is no entity's."""
        self.actions.append(Action(kind, Subject("file", path), path, because=because))


@dataclass(slots=True)
class CatalogTarget:
    """The catalog as it should be."""

    document: dict[str, object] | None
    """None: the file stays as it is."""
    gone: int = 0
    """Rows that stood and go."""
    actions: list[Action] = field(default_factory=list)


@dataclass(slots=True)
class IndexTarget:
    """The vectors and mappings as they should be."""

    ids: IdArray
    """int64, shape (n,)."""
    vectors: Vectors
    """float32, shape (n, dim)."""
    entries: Mapping[str, int]
    """Vector id → numeric id."""
    write_index: bool
    mappings: tuple[str, ...]
    """Mapping files to write."""
    gone: int = 0
    """Vectors that stood and go without a better one in their place."""
    sole_copies: int = 0
    """Of these, such as are a live entity's only embedding."""
    actions: list[Action] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Target:
    """The whole state that should be."""

    entities: Entities
    catalog: CatalogTarget
    index: IndexTarget
    refusal: Refusal | None = None

    @property
    def actions(self) -> tuple[Action, ...]:
        """All that would be done, in the order of the rooms."""
        return (*self.entities.actions, *self.catalog.actions, *self.index.actions)
