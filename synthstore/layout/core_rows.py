"""Rows of a Memory Core's flat catalog: read, held against their files, and spelt anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from synthstore.layout.base import CatalogShapeError
from synthstore.layout.fields import Reader, number, scalar, sorted_out, text
from synthstore.layout.rows import TheseRows
from synthstore.model.catalog import Row
from synthstore.model.facts import EntityFile
from synthstore.model.ids import ASSEMBLY_PREFIX, Kind
from synthstore.model.times import instant_us, iso_text, seconds


def _kind(value: object) -> Kind | None:
    if value == "memory":
        return "memory"
    return "assembly" if value == "assembly" else None


ROW_READERS: Mapping[str, Reader] = {
    "path": text,
    "type": _kind,
    "timestamp": scalar,
    "quickrecal": number,
    "deleted_at": text,
}

_SPELT = ("path", "type", "timestamp", "quickrecal")


@dataclass(frozen=True, slots=True)
class Shape:
    """How rows of one kind are spelt."""

    keys: tuple[str, ...]
    """In their order."""
    iso: bool | None
    """Times as ISO text or as float seconds; None: as the file spells its own.

    A row with a ``quickrecal`` repeats the memory's time as it is; others bear the time of saving.
    """

    def row(self, file: EntityFile) -> dict[str, object]:
        """A new row for a whole ``file``; what the file does not say is left out."""
        score = file.record.score if file.record is not None else None
        found: dict[str, object] = {"path": file.path, "type": file.kind}
        found.update(spelt_time(file, iso=self.iso))
        if score is not None:
            found["quickrecal"] = score
        return {key: found[key] for key in self.keys if key in found}


def spelt_time(file: EntityFile, *, iso: bool | None) -> dict[str, object]:
    """The file's own time as a ``timestamp``; empty where it has none that can be read."""
    record = file.record
    if record is None or record.created_us is None:
        return {}
    if iso is None or isinstance(record.created_at, str) is iso:
        return {"timestamp": record.created_at}
    spell = iso_text if iso else seconds
    return {"timestamp": spell(record.created_us)}


def refuse_nested(document: Mapping[str, object]) -> None:
    """Raise CatalogShapeError where ``document`` is a catalog in sections, as other layouts'."""
    section = document.get("memories")
    if isinstance(section, dict) and "path" not in section:
        raise CatalogShapeError("its rows stand in a section memories: no Memory Core's catalog")


def read_row(entity_id: str, raw: object) -> Row:
    """Read one row; its kind is that of its path, else what it says, else by its id."""
    if not isinstance(raw, dict):
        return Row(_kind_of(entity_id, {}), entity_id, None, {}, problems=("is no object",))
    found, malformed = sorted_out(raw, ROW_READERS)
    return Row(
        _kind_of(entity_id, raw)
        if "path" in found
        else found.get("type", _kind_of(entity_id, raw)),
        entity_id,
        found.get("path"),
        raw,
        score=found.get("quickrecal"),
        deleted_at=found.get("deleted_at"),
        problems=_problems(raw, malformed),
    )


def _kind_of(entity_id: str, raw: Mapping[str, object]) -> Kind:
    """What a row is a row of, by its path and its id."""
    path = raw.get("path")
    pathless = not isinstance(path, str) and entity_id.startswith(ASSEMBLY_PREFIX)
    return "assembly" if _in_assemblies(path) or pathless else "memory"


def _in_assemblies(path: object) -> bool:
    return isinstance(path, str) and path.startswith("assemblies/")


def _problems(raw: Mapping[str, object], malformed: tuple[str, ...]) -> tuple[str, ...]:
    problems = tuple(f"{key} is mistyped" for key in malformed)
    if raw.get("path") is None:
        problems += ("path is missing",)
    if raw.get("type") is None and not _in_assemblies(raw.get("path")):
        problems += ("type is missing",)
    if _kind(raw.get("type")) not in (None, _kind_of("", raw)) and isinstance(raw.get("path"), str):
        problems += ("type is not that of its path",)
    return problems


def claims(file: EntityFile, raw: Mapping[str, object]) -> dict[str, object]:
    """What a whole file says of itself that a row with the keys of ``raw`` repeats."""
    found: dict[str, object] = {"path": file.path}
    if raw.get("type") is not None or not _in_assemblies(file.path):
        found["type"] = file.kind
    record = file.record
    if record is None or "quickrecal" not in raw or file.kind != "memory":
        return found
    if record.created_us is not None:
        found["timestamp"] = record.created_at
    if record.score is not None:
        found["quickrecal"] = record.score
    return found


def agreed_shape(rows: Sequence[Row], kind: Kind) -> Shape | None:
    """How most of ``rows`` of ``kind`` are spelt; None where there is none to go by."""
    return _agreed_shapes(TheseRows(rows)).get(kind)


# A rebuild asks once for each of its rows; going through all the others each time is quadratic.
@lru_cache(maxsize=1)
def _agreed_shapes(key: TheseRows) -> Mapping[Kind, Shape]:
    seen: dict[Kind, tuple[Counter[tuple[str, ...]], Counter[bool]]] = {}
    for row in key.rows:
        if row.problems or instant_us(row.raw.get("timestamp")) is None:
            continue
        shapes, times = seen.setdefault(row.kind, (Counter(), Counter()))
        shapes[tuple(k for k in row.raw if k in _SPELT)] += 1
        times[isinstance(row.raw["timestamp"], str)] += 1
    return {kind: _shape(shapes, times) for kind, (shapes, times) in seen.items()}


def _shape(shapes: Counter[tuple[str, ...]], times: Counter[bool]) -> Shape:
    keys = shapes.most_common(1)[0][0]
    return Shape(keys, iso=None if "quickrecal" in keys else times[True] >= times[False])
