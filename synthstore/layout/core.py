"""What the Memory Core wrote: one layout whose eras mix, so that each row and file is judged alone.

The eras differ in where a new memory goes, in how new rows are spelt, and in the index that is
written where there is none to keep.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from synthstore.layout.base import CATALOG_NAME, Layout, Place
from synthstore.layout.core_rows import (
    ROW_READERS,
    Shape,
    agreed_shape,
    claims,
    read_row,
    refuse_nested,
    spelt_time,
)
from synthstore.layout.fields import Fields, sorted_out, text
from synthstore.layout.names import SUFFIX, is_entity_name, is_leftover, is_side, stem
from synthstore.layout.rows import disagreeing, in_old_order
from synthstore.model.catalog import Catalog, Row
from synthstore.model.facts import EntityFile, Record
from synthstore.model.ids import EntityRef, Kind

_MEMORY_PREFIX = "mem_"
_MEMORY_TIMES = ("last_access_time", "quickrecal_updated")
_ASSEMBLY_TIMES = ("last_access_time", "last_activation")
_MINTED_ASSEMBLY = "asm-"


def file_safe(entity_id: str) -> str:
    """The name that a Memory Core gives the file of ``entity_id``, without ``.json``."""
    return entity_id.replace(":", "-")


class Core(Layout):
    """What all eras share; ``Core4``, ``Core3`` and ``Core2`` say where they differ."""

    faiss_path = "faiss_index.bin"
    mapping_paths = ("faiss_index.bin.mapping.json", "id_to_index.json", "id_to_index_mapping.json")
    entity_folders = ("", "memories", "assemblies")
    part_folders = ()
    factory = "IDMap,Flat"
    has_content_hash = False
    backup_patterns = (
        ".synthstore/index_backups/*.json",
        "index_backup_*/memory_index.json",
        "backups/memory_index.json",
        "backups/*/memory_index.json",
        "memory_index.json.bak",
        "memory_index.json.bak.*",
        "memory_index.bak",
    )

    memory_folder: ClassVar[str]
    """Where new memories go, with the slash; empty for the root."""
    shapes: ClassVar[Mapping[Kind, Shape]]
    """How the first rows of a catalog are spelt."""

    _parts: ClassVar[frozenset[str]] = frozenset(
        {CATALOG_NAME, faiss_path, *mapping_paths, "memories", "assemblies"}
    )

    def place(self, path: str, *, is_dir: bool = False) -> Place:
        """Tell what the store-relative POSIX ``path`` is, by its name alone."""
        if path in self._parts:
            return Place.PART
        if is_side(path):
            return Place.SIDE
        folder, _, name = path.rpartition("/")
        if not is_dir and is_leftover(name):
            return Place.LEFTOVER
        if folder in self.entity_folders and is_entity_name(name):
            return Place.ASSEMBLY if folder == "assemblies" else Place.MEMORY
        return Place.FOREIGN

    def path_for(self, ref: EntityRef) -> str:
        """Where this layout puts an entity's file."""
        name = file_safe(ref.id) + SUFFIX
        if ref.kind == "assembly":
            return f"assemblies/{name}"
        # In the root, some names are taken: memory_index.json is no memory's.
        path = self.memory_folder + name
        return path if self.place(path) is Place.MEMORY else f"memories/{name}"

    def id_from_path(self, path: str) -> str:
        """The id that a file's name most likely stands for: ``asm-<hex>`` is ``asm:<hex>``.

        A colon and a dash look alike in names, so to compare use ``names``.
        """
        name = stem(path)
        if path.startswith("assemblies/") and name.startswith(_MINTED_ASSEMBLY):
            return name.replace("-", ":", 1)
        return name

    def names(self, path: str, entity_id: str) -> bool:
        """Whether the name of ``path`` is the one that ``entity_id`` gets here."""
        return file_safe(entity_id) == stem(path)

    def names_an_entity(self, path: str) -> bool:
        """Whether the name of ``path`` alone says so: the root may hold anybody's JSON."""
        return "/" in path or stem(path).startswith(_MEMORY_PREFIX)

    def read_record(self, kind: Kind, document: Mapping[str, object]) -> Record:
        """Bring a parsed entity document to the common vocabulary; never raises for bad fields.

        Core entities carry no ``updated_at``; ``updated_us`` is the newest of their times, so that
        copies can be ranked by it.
        """
        return _memory(document) if kind == "memory" else _assembly(document)

    def members_embedded(self, document: Mapping[str, object]) -> Sequence[Mapping[str, object]]:
        """Full copies of memories inside an assembly document, as memory documents."""
        items = _members(document)[1]
        return [item for item in items if isinstance(item, dict) and _embedded_id(item) is not None]

    def read_catalog(self, document: Mapping[str, object]) -> Catalog:
        """Read the parsed catalog; malformed rows come back with ``problems``.

        Raises CatalogShapeError for a nested document.
        """
        refuse_nested(document)
        return Catalog(tuple(read_row(*item) for item in document.items()), document)

    def row_for(self, file: EntityFile, old: Row | None, rows: Sequence[Row]) -> dict[str, object]:
        """The row that a whole ``file`` deserves.

        A new one is spelt as most of ``rows`` of its kind are.
        """
        shape = agreed_shape(rows, file.kind) or self.shapes[file.kind]
        if old is None or not old.raw:
            return shape.row(file)
        bad = sorted_out(old.raw, ROW_READERS)[1]
        row = {key: value for key, value in old.raw.items() if key not in bad}
        fitting = claims(file, old.raw)
        row.update((key, fitting[key]) for key in disagreeing(row, fitting))
        if "timestamp" in old.raw and "timestamp" not in row:
            row.update(spelt_time(file, iso=shape.iso))
        return in_old_order(row, old.raw)

    def row_problems(self, row: Row, file: EntityFile) -> tuple[str, ...]:
        """Names of the row's fields that disagree with the whole ``file``.

        Only rows with a ``quickrecal`` repeat the memory's own time; all other rows bear the
        moment when they were written, which no file knows.
        """
        return disagreeing(row.raw, claims(file, row.raw))

    def write_catalog(
        self,
        old: Catalog | None,  # noqa: ARG002 - a flat catalog holds nothing but its rows
        rows: Mapping[EntityRef, Mapping[str, object]],
    ) -> dict[str, object]:
        """The catalog document for ``rows``, in their order.

        A flat catalog has one row an id: of a memory and an assembly of one name, the first.
        """
        document: dict[str, object] = {}
        for ref, row in rows.items():
            document.setdefault(ref.id, dict(row))
        return document


class Core4(Core):
    """Layout ``core-4``: memories in a folder of their own; the newest Memory Core reads it."""

    name = "core-4"
    metric = "l2"
    memory_folder = "memories/"
    shapes: ClassVar[Mapping[Kind, Shape]] = {
        "memory": Shape(("path", "type", "timestamp"), iso=None),
        "assembly": Shape(("path", "type", "timestamp"), iso=None),
    }


class Core3(Core):
    """Layout ``core-3``: memories in the root, their score in the rows."""

    name = "core-3"
    metric = "ip"
    memory_folder = ""
    shapes: ClassVar[Mapping[Kind, Shape]] = {
        "memory": Shape(("path", "timestamp", "quickrecal", "type"), iso=None),
        "assembly": Shape(("path", "timestamp", "type"), iso=None),
    }


class Core2(Core3):
    """Layout ``core-2``: as ``core-3``, with a bare index whose ids are positions."""

    name = "core-2"
    factory = "Flat"
    mapping_paths = ("id_to_index_mapping.json", "faiss_index.bin.mapping.json", "id_to_index.json")
    positional = True
    for_library = False


def _memory(document: Mapping[str, object]) -> Record:
    fields = Fields(document)
    created_at, created_us = fields.time("timestamp")
    times = (created_us, *(fields.time(key)[1] for key in _MEMORY_TIMES))
    required = ("id", "content")
    return Record(
        "memory",
        text(document.get("id")),
        created_at,
        created_us=created_us,
        updated_us=max((us for us in times if us is not None), default=None),
        score=fields.score("quickrecal_score"),
        missing=tuple(key for key in required if not isinstance(document.get(key), str)),
        model=fields.model(),
        out_of_range=tuple(fields.problems),
    )


def _assembly(document: Mapping[str, object]) -> Record:
    fields = Fields(document)
    created_at, created_us = fields.time("creation_time")
    times = (created_us, *(fields.time(key)[1] for key in _ASSEMBLY_TIMES))
    merged_from = fields.texts("merged_from")
    key, items = _members(document)
    named = [(item, item if isinstance(item, str) else _id_of(item)) for item in items]
    if any(entity_id is None for _, entity_id in named):
        fields.problems.append(f"{key} holds what is neither a memory nor an id")
    entity_id = _assembly_id(document)
    return Record(
        "assembly",
        entity_id,
        created_at,
        created_us=created_us,
        updated_us=max((us for us in times if us is not None), default=None),
        missing=_missing(entity_id, key),
        members=tuple(entity_id for _, entity_id in named if entity_id is not None),
        embedded=tuple(found for item in items if (found := _embedded_id(item)) is not None),
        string_members=any(isinstance(item, str) for item in items),
        merged_from=merged_from,
        model=fields.model(),
        out_of_range=tuple(fields.problems),
    )


def _missing(entity_id: str | None, members_key: str | None) -> tuple[str, ...]:
    missing = () if entity_id is not None else ("id",)
    return missing if members_key is not None else (*missing, "memories")


def _assembly_id(document: Mapping[str, object]) -> str | None:
    found = text(document.get("id"))
    return found if found is not None else text(document.get("assembly_id"))


def _members(document: Mapping[str, object]) -> tuple[str | None, list[object]]:
    """The key that lists the members, None where no list does, and the list.

    ``memory_ids`` counts only where ``memories`` names none: it is the older of the two.
    """
    lists = [(k, v) for k in ("memories", "memory_ids") if isinstance(v := document.get(k), list)]
    return next((pair for pair in lists if pair[1]), lists[0] if lists else (None, []))


def _id_of(item: object) -> str | None:
    return text(item.get("id")) if isinstance(item, dict) else None


def _embedded_id(item: object) -> str | None:
    """The id of a member that is a full copy of its memory."""
    full = isinstance(item, dict) and isinstance(item.get("content"), str)
    return _id_of(item) if full else None
