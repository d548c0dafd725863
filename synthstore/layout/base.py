"""What every layout answers; nobody else joins a store's path strings or spells its keys."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import ClassVar

from synthstore.model.catalog import Catalog, Row
from synthstore.model.facts import EntityFile, Record
from synthstore.model.ids import EntityRef, Kind

CATALOG_NAME = "memory_index.json"
OWN_FOLDER = ".synthstore"


class Place(StrEnum):
    """What a path inside a store is."""

    MEMORY = "memory"
    ASSEMBLY = "assembly"
    PART = "part"
    """Catalog, index or mapping, and the layout's own folders."""
    LEFTOVER = "leftover"
    """Named like a temporary file of ours or of a Memory Core."""
    SIDE = "side"
    """Known and left alone: logs, stats, backups, our own folder."""
    FOREIGN = "foreign"
    """Where entities live, and no part of the layout."""
    ELSEWHERE = "elsewhere"
    """Not where entities live; nobody's business."""


KIND_OF_PLACE: Mapping[Place, Kind] = {Place.MEMORY: "memory", Place.ASSEMBLY: "assembly"}
"""Places where entities are, and which."""


class CatalogShapeError(ValueError):
    """A parsed catalog is no catalog of the layout (C002); the text says why."""


class Layout(ABC):
    """One way to lay out a store. Stateless but for what detection told it (number style)."""

    name: ClassVar[str]
    catalog_path: ClassVar[str] = CATALOG_NAME
    """Empty where the layout has no catalog."""
    faiss_path: ClassVar[str]
    """Empty where the layout has no vectors."""
    mapping_paths: ClassVar[tuple[str, ...]]
    """Every mapping name of this layout; the first is always written, the others if they exist."""
    entity_folders: ClassVar[tuple[str, ...]]
    """Folders to list for entity files, ``""`` for the root; never recursive."""
    part_folders: ClassVar[tuple[str, ...]]
    """Folders that hold catalog, index, mapping or their leftovers, besides entity_folders."""
    factory: ClassVar[str]
    """Index type where there is none to keep: ``IDMap2,Flat`` or ``IDMap,Flat``."""
    metric: ClassVar[str]
    """``ip`` or ``l2``, where there is no index to keep the metric of."""
    has_content_hash: ClassVar[bool]
    backup_patterns: ClassVar[tuple[str, ...]]
    """Where copies of the catalog may stand: paths with ``*`` in folder or name."""
    positional: ClassVar[bool] = False
    """Whether a bare index with positional ids is this layout's own way (core-2)."""
    long_section: ClassVar[str] = ""
    """The key of the object in the catalog that ``read_parts`` takes apart; empty where none is."""
    repeated: ClassVar[Mapping[str, str]] = {}
    """Fields of a memory's row, and the fields of its file as ``column_of`` names them: a row that
    names the file's path, and in which each of them is equal, agrees with it. Empty where that
    takes a closer look."""
    plain_kinds: ClassVar[Mapping[str, Kind]] = {}
    """Folders in which ``place`` makes each file of a plain name an entity of one kind."""
    for_library: ClassVar[bool] = True
    """Whether a library may hold such a store open: it adds vectors by id, one at a time."""

    @abstractmethod
    def place(self, path: str, *, is_dir: bool = False) -> Place:
        """Tell what the store-relative POSIX ``path`` is, by its name alone.

        What is named as an entity file is told to be one even if it is a directory (S004).
        """

    @abstractmethod
    def path_for(self, ref: EntityRef) -> str:
        """Where this layout puts an entity's file."""

    def home(self, ref: EntityRef) -> str | None:
        """The same, if that is a place of such an entity: some ids make another name of it."""
        path = self.path_for(ref)
        return path if KIND_OF_PLACE.get(self.place(path)) == ref.kind else None

    @abstractmethod
    def id_from_path(self, path: str) -> str:
        """The id that a file's name stands for (file-safe names are turned back)."""

    def names(self, path: str, entity_id: str) -> bool:
        """Whether the name of ``path`` is the one that ``entity_id`` gets here."""
        return self.id_from_path(path) == entity_id

    def all_named(self, paths: Sequence[str], kinds: Sequence[Kind], ids: Sequence[str]) -> bool:  # noqa: ARG002 - for layouts where it matters
        """Whether each path's name is that of its entity."""
        return all(map(self.names, paths, ids))

    def embedding_key(self, kind: Kind) -> str:
        """The key of an entity document that holds its embedding."""
        return "embedding" if kind == "memory" else "composite_embedding"

    def id_key(self, kind: Kind) -> str:  # noqa: ARG002 - for layouts where it matters
        """The key of an entity document that holds its id."""
        return "id"

    def names_an_entity(self, path: str) -> bool:
        """Whether the name of ``path`` alone says that an entity is in it."""
        return bool(path)

    def plain(self, kind: Kind, document: Mapping[str, object]) -> Mapping[str, object]:  # noqa: ARG002
        """The document in the one spelling of this layout that others can read.

        The same values under the same keys as ``id_key``, ``embedding_key`` and
        ``layout.documents`` name; only ancestors spell one thing in several ways.
        """
        return document

    @abstractmethod
    def read_record(self, kind: Kind, document: Mapping[str, object]) -> Record:
        """Bring a parsed entity document to the common vocabulary; never raises for bad fields."""

    def identify(
        self, kind: Kind, document: Mapping[str, object]
    ) -> tuple[str | None, tuple[str, ...]]:
        """The id of an entity document, and what it lacks: as ``read_record`` tells them."""
        record = self.read_record(kind, document)
        return record.id, record.missing

    @abstractmethod
    def members_embedded(self, document: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
        """Full copies of memories inside an assembly document, as memory documents."""

    @abstractmethod
    def read_catalog(self, document: Mapping[str, object]) -> Catalog:
        """Read the parsed catalog; malformed rows come back with ``problems``.

        Raises CatalogShapeError where the document is no catalog of this layout.
        """

    def read_parts(
        self,
        parts: Iterable[Mapping[str, object]],  # noqa: ARG002 - for layouts that read so
        rest: Callable[[], Mapping[str, object]],  # noqa: ARG002
    ) -> Catalog | None:
        """As ``read_catalog``, for a document whose ``long_section`` comes in ``parts``.

        That is empty in the ``rest``, which is asked for behind them. None where not all of its
        rows fit into columns.
        """
        return None

    @abstractmethod
    def row_for(self, file: EntityFile, old: Row | None, rows: Sequence[Row]) -> dict[str, object]:
        """The row that a whole ``file`` deserves.

        Keeps every key, value and order of ``old.raw`` that is still right. ``rows`` are the
        catalog's other rows, for the spelling of times where a layout has several: pass the same
        tuple for every row, then it is gone through once. Depends on no clock.
        """

    @abstractmethod
    def row_problems(self, row: Row, file: EntityFile) -> tuple[str, ...]:
        """Names of the row's fields that disagree with the whole ``file`` (C007).

        content_hash is not one of them; times are compared as instants.
        """

    def agrees(self, row: Row, file: EntityFile) -> bool:
        """Whether the row has no problems with the whole ``file``."""
        return not self.row_problems(row, file)

    @abstractmethod
    def write_catalog(
        self, old: Catalog | None, rows: Mapping[EntityRef, Mapping[str, object]]
    ) -> dict[str, object]:
        """The catalog document for ``rows``, in their order.

        What else stood in ``old`` is kept, and counts are right. No clock is asked:
        ``last_updated`` becomes the newest row time, and only where ``old`` gives none.
        """
