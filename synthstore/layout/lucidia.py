"""What the Memory Core's ancestors wrote: ``<uuid>.json`` in the root, and no vectors.

Their files spell one thing in several ways: ``content`` or ``text``, ``quickrecal_score`` or
``significance``, seconds or milliseconds, an embedding as a list or as numpy prints it. All are
read; none is spelt anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import ClassVar

from synthstore.errors import UsageError
from synthstore.layout.base import CATALOG_NAME, CatalogShapeError, Layout, Place
from synthstore.layout.fields import Fields, Reader, count, number, scalar, sorted_out, text
from synthstore.layout.names import SUFFIX, UUID_NAME, is_entity_name, is_leftover, is_side, stem
from synthstore.layout.printed import numbers_of
from synthstore.layout.rows import TheseRows, disagreeing, in_old_order
from synthstore.model.catalog import Catalog, Row
from synthstore.model.facts import EntityFile, Record
from synthstore.model.ids import EntityRef, Kind
from synthstore.model.times import in_seconds, instant_us, seconds

_SECTION = "memories"
_COUNT = "count"
_NEWEST = "last_updated"
_SCORES = ("quickrecal_score", "significance")
"""The younger name first."""
_MODELS = "models"
"""A folder of the ancestors' own: what they thought of themselves and the world."""

_ROW_READERS: Mapping[str, Reader] = {
    "path": text,
    "timestamp": scalar,
    **dict.fromkeys(_SCORES, number),
    "deleted_at": text,
}


class Lucidia(Layout):
    """What both ancestors share."""

    faiss_path = ""
    mapping_paths = ()
    entity_folders = ("",)
    part_folders = ()
    factory = ""
    metric = ""
    has_content_hash = False
    for_library = False

    _parts: ClassVar[frozenset[str]] = frozenset({CATALOG_NAME})

    def place(self, path: str, *, is_dir: bool = False) -> Place:
        """Tell what the store-relative POSIX ``path`` is, by its name alone."""
        if path in self._parts:
            return Place.PART
        top, _, below = path.partition("/")
        if is_side(path) or (top == _MODELS and (below or is_dir)):
            return Place.SIDE
        if not is_dir and is_leftover(path.rpartition("/")[2]):
            return Place.LEFTOVER
        return Place.MEMORY if not below and is_entity_name(top) else Place.FOREIGN

    def path_for(self, ref: EntityRef) -> str:
        """Where this layout puts a memory's file; raises UsageError for an assembly."""
        if ref.kind == "assembly":
            raise UsageError(
                f"layout {self.name} keeps no assemblies",
                hint="bring the store into another layout: synthstore migrate",
            )
        return ref.id + SUFFIX

    def id_from_path(self, path: str) -> str:
        """The id that a file's name stands for."""
        return stem(path)

    def names_an_entity(self, path: str) -> bool:
        """Whether the name of ``path`` alone says so: the root may hold anybody's JSON."""
        return UUID_NAME.fullmatch(path) is not None

    def plain(self, kind: Kind, document: Mapping[str, object]) -> Mapping[str, object]:  # noqa: ARG002
        """The document in the younger spelling: ``content``, a score, seconds, a list."""
        names = {}
        if "content" not in document:
            names["text"] = "content"
        if _SCORES[0] not in document:
            names[_SCORES[1]] = _SCORES[0]
        return {names.get(key, key): _plain(key, value) for key, value in document.items()}

    def read_record(self, kind: Kind, document: Mapping[str, object]) -> Record:
        """Bring a parsed entity document to the common vocabulary; never raises for bad fields.

        An ancestor's memory knows one time only, that of its making.
        """
        fields = Fields(self.plain(kind, document))
        created_us = fields.time("timestamp")[1]
        required = {
            "id": isinstance(document.get("id"), str),
            "content": any(isinstance(document.get(key), str) for key in ("content", "text")),
        }
        return Record(
            kind,
            text(document.get("id")),
            scalar(document.get("timestamp")),
            created_us=created_us,
            updated_us=created_us,
            score=fields.score(_SCORES[0]),
            missing=tuple(key for key, found in required.items() if not found),
            model=fields.model(),
            out_of_range=tuple(fields.problems),
        )

    def members_embedded(
        self,
        document: Mapping[str, object],  # noqa: ARG002 - nothing to look for
    ) -> Sequence[Mapping[str, object]]:
        """Nothing: there are no assemblies."""
        return ()


class Lucidia1(Lucidia):
    """Layout ``lucidia-1``: rows in a section ``memories``, and strays beside it."""

    name = "lucidia-1"
    backup_patterns = (
        ".synthstore/index_backups/*.json",
        "backups/memory_index.json",
        "backups/*/memory_index.json",
        "memory_index.json.bak",
        "memory_index.json.bak.*",
        "memory_index.bak",
    )

    def read_catalog(self, document: Mapping[str, object]) -> Catalog:
        """Read the parsed catalog; malformed rows come back with ``problems``.

        Beside the section, only what names a memory's file is a row. Raises CatalogShapeError
        where ``memories`` is no object.
        """
        section = document.get(_SECTION)
        if not isinstance(section, dict):
            raise CatalogShapeError("its key memories is missing or no object")
        rows = [_row(*item) for item in (*section.items(), *self._strays(document))]
        return Catalog(tuple(rows), document, count_problems=_count_problems(document, section))

    def _strays(self, document: Mapping[str, object]) -> Iterator[tuple[str, dict[str, object]]]:
        section = document.get(_SECTION)
        listed = section if isinstance(section, dict) else {}
        for key, value in document.items():
            if key not in listed and key != _SECTION and isinstance(value, dict):
                path = value.get("path")
                if isinstance(path, str) and self.place(path) is Place.MEMORY:
                    yield key, value

    def row_for(self, file: EntityFile, old: Row | None, rows: Sequence[Row]) -> dict[str, object]:
        """The row that a whole ``file`` deserves; a new one names the score as most ``rows`` do."""
        raw = dict(old.raw) if old is not None else {}
        bad = sorted_out(raw, _ROW_READERS)[1]
        row = {key: value for key, value in raw.items() if key not in bad}
        claims = _claims(file, raw or dict.fromkeys((_score_key(TheseRows(rows)),)))
        row.update((key, claims[key]) for key in disagreeing(row, claims, any_unit=True))
        return in_old_order(row, raw)

    def row_problems(self, row: Row, file: EntityFile) -> tuple[str, ...]:
        """Names of the row's fields that disagree with the whole ``file``."""
        return disagreeing(row.raw, _claims(file, row.raw), any_unit=True)

    def write_catalog(
        self, old: Catalog | None, rows: Mapping[EntityRef, Mapping[str, object]]
    ) -> dict[str, object]:
        """The catalog document for ``rows``, in their order; strays stay outside the section.

        What else stood in ``old`` is kept. A catalog without a count is not given one.
        """
        document = dict(old.document) if old is not None else {}
        strays = {key for key, _ in self._strays(document)} if old is not None else set()
        listed = {ref.id: row for ref, row in rows.items()}
        document[_SECTION] = {key: row for key, row in listed.items() if key not in strays}
        for key in strays:
            if key in listed:
                document[key] = listed[key]
            else:
                del document[key]
        newest = _newest(rows)
        if document.get(_NEWEST) is None and newest is not None:
            document[_NEWEST] = newest
        if _COUNT in document or old is None:
            document[_COUNT] = len(listed) - len(strays & listed.keys())
        return document


class Lucidia0(Lucidia):
    """Layout ``lucidia-0``: files and nothing else."""

    name = "lucidia-0"
    catalog_path = ""
    backup_patterns = ()

    def read_catalog(self, document: Mapping[str, object]) -> Catalog:
        """Raises CatalogShapeError: no document is a catalog of this layout."""
        raise CatalogShapeError(f"layout {self.name} has no catalog, this is one of {document!r}")

    def row_for(
        self,
        file: EntityFile,
        old: Row | None,  # noqa: ARG002 - there are no rows
        rows: Sequence[Row],  # noqa: ARG002
    ) -> dict[str, object]:
        """Nothing but the path, which the name of the file says already."""
        return {"path": file.path}

    def row_problems(self, row: Row, file: EntityFile) -> tuple[str, ...]:  # noqa: ARG002
        """None: no row is ever read."""
        return ()

    def write_catalog(
        self,
        old: Catalog | None,  # noqa: ARG002 - there is none, and none is made
        rows: Mapping[EntityRef, Mapping[str, object]],  # noqa: ARG002
    ) -> dict[str, object]:
        """Nothing to write."""
        return {}


def _plain(key: str, value: object) -> object:
    if key == "embedding" and isinstance(value, str):
        numbers = numbers_of(value)
        return value if numbers is None else numbers
    return in_seconds(value) if key == "timestamp" and isinstance(value, int | float) else value


def _row(entity_id: str, raw: object) -> Row:
    if not isinstance(raw, dict):
        return Row("memory", entity_id, None, {}, problems=("is no object",))
    found, malformed = sorted_out(raw, _ROW_READERS)
    problems = tuple(f"{key} is mistyped" for key in malformed)
    if raw.get("path") is None:
        problems += ("path is missing",)
    return Row(
        "memory",
        entity_id,
        found.get("path"),
        raw,
        score=next((found[key] for key in _SCORES if key in found), None),
        deleted_at=found.get("deleted_at"),
        problems=problems,
    )


def _claims(file: EntityFile, raw: Mapping[str, object]) -> dict[str, object]:
    """What a whole file says of itself that its row repeats, in the order of a new row."""
    record = file.record
    if record is None:
        return {"path": file.path}
    score = next((key for key in _SCORES if key in raw), _SCORES[0])
    claims = {"path": file.path, "timestamp": record.created_at, score: record.score}
    return {key: value for key, value in claims.items() if value is not None}


# A rebuild asks once for each of its rows; going through all the others each time is quadratic.
@lru_cache(maxsize=1)
def _score_key(these: TheseRows) -> str:
    """What most rows call the score."""
    seen = Counter(key for row in these.rows for key in _SCORES if key in row.raw)
    return max(_SCORES, key=lambda key: (seen[key], key == _SCORES[0]))


def _count_problems(
    document: Mapping[str, object], section: Mapping[str, object]
) -> tuple[str, ...]:
    if _COUNT not in document or count(document[_COUNT]) == len(section):
        return ()
    said = count(document[_COUNT])
    what = "is mistyped" if said is None else f"says {said}"
    return (f"{_COUNT} {what}, {len(section)} are listed",)


def _newest(rows: Mapping[EntityRef, Mapping[str, object]]) -> float | None:
    """The newest time of all rows, in seconds."""
    times = (instant_us(in_seconds(scalar(row.get("timestamp")))) for row in rows.values())
    newest = max((us for us in times if us is not None), default=None)
    return None if newest is None else seconds(newest)
