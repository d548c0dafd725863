"""The design's own layout: ``memories/``, ``assemblies/``, ``vector_index/``, a nested catalog."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import ClassVar

from synthstore.layout.base import CATALOG_NAME, CatalogShapeError, Layout, Place
from synthstore.layout.fields import (
    Fields,
    count,
    digest,
    sorted_out,
    text,
)
from synthstore.layout.names import (
    SUFFIX,
    ids_between,
    is_entity_name,
    is_leftover,
    is_plain_name,
    is_side,
    stem,
)
from synthstore.layout.native_columns import NativeRows
from synthstore.layout.native_rows import ROW_READERS, read_rows
from synthstore.layout.rows import disagreeing, in_old_order, repeats
from synthstore.model.catalog import Catalog, InSections, RawRow, Row
from synthstore.model.facts import EntityFile, Record
from synthstore.model.ids import EntityRef, Kind
from synthstore.model.times import instant_us

VERSION = "2.3.0"
"""What new catalogs say of their format."""

MAJOR = 2
"""The newest major version that is understood here."""

_FOLDERS: Mapping[Kind, str] = {"memory": "memories", "assembly": "assemblies"}
_PLACES: Mapping[str, Place] = {"memories": Place.MEMORY, "assemblies": Place.ASSEMBLY}
_SECTIONS: Mapping[Kind, str] = _FOLDERS
_COUNTS: Mapping[Kind, str] = {"memory": "memory_count", "assembly": "assembly_count"}
_ID_KEYS: Mapping[Kind, str] = {"memory": "memory_id", "assembly": "assembly_id"}
_HOLDS: Mapping[Kind, str] = {"memory": "content", "assembly": "memory_ids"}
_TYPES: Mapping[Kind, type] = {"memory": str, "assembly": list}
"""What an entity must have besides its id, and of which type that is."""


class Native(Layout):
    """Layout ``native``."""

    name = "native"
    faiss_path = "vector_index/memory_vectors.faiss"
    mapping_paths = ("vector_index/mapping.json",)
    entity_folders = ("memories", "assemblies")
    part_folders = ("", "vector_index")
    factory = "IDMap2,Flat"
    metric = "ip"
    has_content_hash = True
    repeated: ClassVar[Mapping[str, str]] = {
        "created_at": "record.created_at",
        "updated_at": "record.updated_at",
        "score": "record.score",
        "content_hash": "sha256",
    }
    plain_kinds: ClassVar[Mapping[str, Kind]] = {"memories": "memory", "assemblies": "assembly"}
    long_section = "memories"
    marks: ClassVar[frozenset[str]] = frozenset({"metadata", "assemblies"})
    """Keys beside that section which no other layout has."""
    backup_patterns = ("backups/index/*.json", ".synthstore/index_backups/*.json")

    _parts: ClassVar[frozenset[str]] = frozenset(
        {CATALOG_NAME, faiss_path, *mapping_paths, *entity_folders, "vector_index"}
    )

    def place(self, path: str, *, is_dir: bool = False) -> Place:
        """Tell what the store-relative POSIX ``path`` is, by its name alone."""
        folder, _, name = path.rpartition("/")
        if folder in _PLACES and is_plain_name(name):
            return _PLACES[folder]
        if path in self._parts:
            return Place.PART
        if is_side(path):
            return Place.SIDE
        if not is_dir and is_leftover(name):
            return Place.LEFTOVER
        if folder in _PLACES and is_entity_name(name):
            return _PLACES[folder]
        return Place.FOREIGN if path.startswith(("memories/", "assemblies/")) else Place.ELSEWHERE

    def path_for(self, ref: EntityRef) -> str:
        """Where this layout puts an entity's file."""
        return f"{_FOLDERS[ref.kind]}/{ref.id}{SUFFIX}"

    def all_named(self, paths: Sequence[str], kinds: Sequence[Kind], ids: Sequence[str]) -> bool:
        """Whether each path's name is that of its entity."""
        end = 0
        for kind, group in groupby(kinds):
            start, end = end, end + len(list(group))
            mine, theirs = paths[start:end], ids[start:end]
            if ids_between(mine, f"{_FOLDERS[kind]}/", SUFFIX) != theirs:
                return all(map(self.names, paths, ids))
        return True

    def id_from_path(self, path: str) -> str:
        """The id that a file's name stands for."""
        return stem(path)

    def id_key(self, kind: Kind) -> str:
        """The key of an entity document that holds its id."""
        return _ID_KEYS[kind]

    def read_record(self, kind: Kind, document: Mapping[str, object]) -> Record:
        """Bring a parsed entity document to the common vocabulary; never raises for bad fields."""
        fields = Fields(document)
        created_at, created_us = fields.time("created_at")
        updated_at, updated_us = fields.time("updated_at")
        if created_us is not None and updated_us is not None and updated_us < created_us:
            fields.problems.append("updated_at is before created_at")
        is_memory = kind == "memory"
        return Record(
            kind,
            text(document.get(_ID_KEYS[kind])),
            created_at,
            updated_at,
            created_us,
            updated_us,
            score=fields.score("quickrecal_score") if is_memory else None,
            missing=_missing(kind, document),
            members=() if is_memory else fields.texts("memory_ids"),
            merged_from=() if is_memory else fields.texts("merged_from"),
            model=fields.model(),
            content_sha256=_content_sha256(document) if is_memory else None,
            out_of_range=tuple(fields.problems),
        )

    def identify(
        self, kind: Kind, document: Mapping[str, object]
    ) -> tuple[str | None, tuple[str, ...]]:
        """The id of an entity document, and what it lacks; no other field is looked at."""
        return text(document.get(_ID_KEYS[kind])), _missing(kind, document)

    def members_embedded(
        self,
        document: Mapping[str, object],  # noqa: ARG002 - nothing to look for
    ) -> Sequence[Mapping[str, object]]:
        """Nothing: native assemblies only name their members."""
        return ()

    def read_catalog(self, document: Mapping[str, object]) -> Catalog:
        """Read the parsed catalog; malformed rows come back with ``problems``.

        Raises CatalogShapeError where ``memories`` is no object.
        """
        if not isinstance(document.get("memories"), dict):
            raise CatalogShapeError("its key memories is missing or no object")
        rows = read_rows("memory", _section(document, "memory"))
        rows += read_rows("assembly", _section(document, "assembly"))
        problems = _count_problems(document, len(_section(document, "memory")))
        return Catalog(tuple(rows), document, _version(document), tuple(problems))

    def read_parts(
        self, parts: Iterable[Mapping[str, object]], rest: Callable[[], Mapping[str, object]]
    ) -> Catalog | None:
        """As ``read_catalog``, for a document whose ``long_section`` comes in ``parts``."""
        rows = NativeRows()
        if not (all(map(rows.take, parts)) and rows.is_sound()):
            return None
        document = rest()
        problems = _count_problems(document, len(rows))
        rows.others = read_rows("assembly", _section(document, "assembly"))
        return Catalog(rows, document, _version(document), tuple(problems), self.long_section)

    def row_for(
        self,
        file: EntityFile,
        old: Row | None,
        rows: Sequence[Row],  # noqa: ARG002 - there is one spelling only
    ) -> dict[str, object]:
        """The row that a whole ``file`` deserves.

        A hash of the content text, which other writers put there, stays as long as it fits. A row
        that is right but for having no hash at all stays as it is.
        """
        raw = dict(old.raw) if old is not None else {}
        bad = sorted_out(raw, ROW_READERS)[1]
        row = {key: value for key, value in raw.items() if key not in bad}
        claims = _claims(file)
        row.update((key, claims[key]) for key in disagreeing(row, claims))
        if file.sha256 is not None and _hash_is_due(file, row, changed=row != raw):
            row["content_hash"] = f"sha256:{file.sha256}"
        return in_old_order(row, raw)

    def row_problems(self, row: Row, file: EntityFile) -> tuple[str, ...]:
        """Names of the row's fields that disagree with the whole ``file``, content_hash excluded.

        What the file does not say, or not readably, contradicts nothing.
        """
        return disagreeing(row.raw, _claims(file))

    def agrees(self, row: Row, file: EntityFile) -> bool:
        """Whether the row has no problems with the whole ``file``."""
        return repeats(row, file) or not self.row_problems(row, file)

    def write_catalog(
        self, old: Catalog | None, rows: Mapping[EntityRef, Mapping[str, object]]
    ) -> dict[str, object]:
        """The catalog document for ``rows``, in their order; what else stood in ``old`` is kept.

        A document without a section for assemblies gets one only when there are some.
        """
        document: dict[str, object] = dict(old.document) if old is not None else {}
        for kind, section in _SECTIONS.items():
            listed = _listed(rows, kind)
            if listed or section in document or kind == "memory" or old is None:
                document[section] = listed
        document["metadata"] = _metadata(document)
        return document


def _listed(rows: Mapping[EntityRef, RawRow], kind: Kind) -> Mapping[str, RawRow]:
    """The rows of a section; those of a long one are made by whoever goes through them."""
    if not isinstance(rows, InSections):
        return {ref.id: row for ref, row in rows.items() if ref.kind == kind}
    section = rows.section(kind)
    return section if kind == "memory" else dict(section.items())


def _missing(kind: Kind, document: Mapping[str, object]) -> tuple[str, ...]:
    key, holds = _ID_KEYS[kind], _HOLDS[kind]
    missing = () if isinstance(document.get(key), str) else (key,)
    return missing if isinstance(document.get(holds), _TYPES[kind]) else (*missing, holds)


def _content_sha256(document: Mapping[str, object]) -> str | None:
    content = text(document.get("content"))
    if content is None:
        return None
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def _section(document: Mapping[str, object], kind: Kind) -> Mapping[str, object]:
    found = document.get(_SECTIONS[kind])
    return found if isinstance(found, Mapping) else {}


def _claims(file: EntityFile) -> dict[str, object]:
    """What a whole file says of itself that its row repeats, in the order of a new row."""
    record = file.record
    if record is None:
        return {"filepath": file.path}
    claims: dict[str, object] = {
        "filepath": file.path,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "quickrecal_score": record.score,
        "member_count": len(record.members) if file.kind == "assembly" else None,
    }
    return {key: value for key, value in claims.items() if value is not None}


def _hash_is_due(file: EntityFile, row: Mapping[str, object], *, changed: bool) -> bool:
    listed = digest(row.get("content_hash"))
    if listed is None:
        return changed or file.kind == "memory"
    legacy = file.record.content_sha256 if file.record is not None else None
    return listed not in (file.sha256, legacy)


def _version(document: Mapping[str, object]) -> str | None:
    metadata = document.get("metadata")
    found = metadata.get("version") if isinstance(metadata, dict) else None
    return None if found is None or isinstance(found, bool | list | dict) else str(found)


def major(version: str) -> int | None:
    """The major number of a version string; None where it begins with no number."""
    digits = version.strip().lstrip("vV").partition(".")[0]
    return int(digits[:9]) if digits.isascii() and digits.isdigit() else None


def _count_problems(document: Mapping[str, object], memories: int) -> list[str]:
    metadata = document.get("metadata")
    problems = []
    if not isinstance(document.get("assemblies", {}), dict):
        problems.append("assemblies is no object")
    if not isinstance(metadata, dict):
        return [*problems, f"metadata is {'missing' if metadata is None else 'no object'}"]
    for kind, key in _COUNTS.items():
        listed = memories if kind == "memory" else len(_section(document, kind))
        if metadata.get(key) is None:
            problems.append(f"{key} is missing, {listed} are listed")
        elif (said := count(metadata[key])) != listed:
            what = "is mistyped" if said is None else f"says {said}"
            problems.append(f"{key} {what}, {listed} are listed")
    return problems


def _metadata(document: Mapping[str, object]) -> dict[str, object]:
    found = document.get("metadata")
    metadata: dict[str, object] = dict(found) if isinstance(found, dict) else {}
    if metadata.get("version") is None:
        metadata["version"] = VERSION
    if metadata.get("last_updated") is None and (newest := _newest(document)) is not None:
        metadata["last_updated"] = newest
    for kind, key in _COUNTS.items():
        metadata[key] = len(_section(document, kind))
    return metadata


def _newest(document: Mapping[str, object]) -> object:
    """The newest ``updated_at`` of all rows, as it is spelt there."""
    rows = (row for kind in _SECTIONS for _, row in _section(document, kind).items())
    times = (row.get("updated_at") for row in rows if isinstance(row, dict))
    dated = ((instant_us(time), time) for time in times)
    return max(
        ((us, time) for us, time in dated if us is not None),
        key=lambda pair: pair[0],
        default=(None, None),
    )[1]
