"""Surviving copies: where the bytes of a hurt or missing entity may still stand.

A source yields copies and knows nothing of ranks; ``best`` knows nothing of sources. A further
kind of source (snapshots) is one more function in ``SOURCES``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path

from synthstore.checks.standing import standing
from synthstore.errors import SynthstoreError
from synthstore.files.jsonio import Style, dump, parse, salvage, style_of
from synthstore.files.walk import list_folder, read_file
from synthstore.layout.base import OWN_FOLDER, Layout, Place
from synthstore.layout.names import stem
from synthstore.model.catalog import Row
from synthstore.model.embedding import FloatVector
from synthstore.model.facts import EntityFile, FileStatus, Stat
from synthstore.model.ids import EntityRef, Kind
from synthstore.repair.beside import files_beside
from synthstore.scan.inventory import Inventory
from synthstore.scan.shard import Caps, facts_of

QUARANTINE = f"{OWN_FOLDER}/quarantine"
NO_STAT = Stat(0, 0, 0o600, 0, 0, 1, 0)


@dataclass(frozen=True, slots=True)
class Copy:
    """One surviving copy of an entity."""

    ref: EntityRef
    content: bytes
    source: str
    """For people: where it was found."""
    file: EntityFile
    """What the copy holds; its path is where it was found."""
    vector: FloatVector | None
    last_resort: bool = False
    """Quarantine: something was wrong with it once."""
    embedded: bool = False
    """Whether an assembly holds it, as it was when it was taken in."""


class Rank(IntEnum):
    """How good a copy is; lower is better."""

    SAME_BYTES = 0
    SAME_TIME = 1
    SALVAGE = 2
    OLDER = 3
    QUARANTINED = 4


def rank(copy: Copy, row: Row | None, row_us: int | None) -> Rank:
    """Rank a copy against what the catalog says of its entity.

    ``row_us`` is the row's ``updated_at`` as an instant; None where the layout's rows carry none,
    and then a copy counts as older, since nothing says that it is not.
    """
    if row is not None and row.content_hash is not None and row.content_hash == copy.file.sha256:
        return Rank.SAME_BYTES
    if copy.last_resort:
        return Rank.QUARANTINED
    record = copy.file.record
    known = record.updated_us if record is not None else None
    if known is not None and row_us is not None and known >= row_us:
        return Rank.SAME_TIME
    return Rank.OLDER


def best(copies: Iterable[Copy], row: Row | None, row_us: int | None) -> tuple[Copy, Rank] | None:
    """The best copy: by rank, then the newest, then a file's before one embedded elsewhere."""
    ranked = [(rank(copy, row, row_us), copy) for copy in copies]
    if not ranked:
        return None
    found, copy = min(
        ranked, key=lambda pair: (pair[0], -_age_key(pair[1]), pair[1].embedded, pair[1].source)
    )
    return copy, found


def _age_key(copy: Copy) -> int:
    record = copy.file.record
    return (record.updated_us or 0) if record is not None else 0


Source = Callable[[Path, Inventory, frozenset[EntityRef]], Iterator[Copy]]


def lying_beside(root: Path, inventory: Inventory, needs: frozenset[EntityRef]) -> Iterator[Copy]:
    """Whatever lies beside the store's own files, under any name: what counts is what it holds."""
    layout = inventory.layout
    stems = {stem(layout.path_for(ref)) for ref in needs}
    for path in files_beside(root, inventory, stems):
        copies = (_from_file(root, layout, kind, path, path) for kind in _kinds_of(path))
        yield from (copy for copy in copies if copy is not None and copy.ref in needs)


def unknown_at(root: Path, inventory: Inventory, path: str) -> EntityRef | None:
    """The whole entity that a file beside the store's own holds, if no file and no row has it."""
    copies = (_from_file(root, inventory.layout, kind, path, path) for kind in _kinds_of(path))
    found = next((copy.ref for copy in copies if copy is not None), None)
    return None if found in standing(inventory).known else found


def _kinds_of(path: str) -> tuple[Kind, ...]:
    """Both kinds, that which the path speaks for first."""
    return ("assembly", "memory") if "assemblies" in path.split("/") else ("memory", "assembly")


def other_claimants(
    root: Path, inventory: Inventory, needs: frozenset[EntityRef]
) -> Iterator[Copy]:
    """Files under another name that bear the id of an entity which another file stands for."""
    for path, ref in standing(inventory).losers.items():
        if ref in needs:
            copy = _from_file(root, inventory.layout, ref.kind, path, path)
            if copy is not None and copy.ref == ref:
                yield copy


def misplaced(root: Path, inventory: Inventory, needs: frozenset[EntityRef]) -> Iterator[Copy]:
    """Files in the folder of the other kind, where they make no whole entity."""
    for file in inventory.files:
        if file.status is FileStatus.INCOMPLETE:
            kind: Kind = "assembly" if file.kind == "memory" else "memory"
            copy = _from_file(root, inventory.layout, kind, file.path, file.path)
            if copy is not None and copy.ref in needs:
                yield copy


def embedded_copies(
    root: Path, inventory: Inventory, needs: frozenset[EntityRef]
) -> Iterator[Copy]:
    """Full copies of memories that assemblies hold, torn assemblies too."""
    wanted = {ref.id for ref in needs if ref.kind == "memory"}
    for file in inventory.files:
        held = file.record.embedded if file.record is not None else ()
        torn = file.kind == "assembly" and file.status is FileStatus.TORN
        if torn or not wanted.isdisjoint(held):
            yield from _members(root, inventory.layout, file, wanted)


def _members(root: Path, layout: Layout, file: EntityFile, wanted: set[str]) -> Iterator[Copy]:
    raw = _read(root, file.path, file.kind)
    if raw is None:
        return
    document, style = _document(file, raw)
    for member in layout.members_embedded(document):
        content = dump(dict(member), style)
        facts, vector = facts_of(layout, "memory", file.path, content, NO_STAT)
        if facts.ref is not None and facts.ref.id in wanted:
            source = f"copy embedded in {file.path}"
            yield Copy(facts.ref, content, source, facts, vector, embedded=True)


def _document(file: EntityFile, raw: bytes) -> tuple[dict[str, object], Style]:
    if file.status is FileStatus.TORN:
        return dict(salvage(raw)), Style()
    value = parse(raw).value
    return (value, style_of(raw, value)) if isinstance(value, dict) else ({}, Style())


def quarantined(root: Path, inventory: Inventory, needs: frozenset[EntityRef]) -> Iterator[Copy]:
    """Files that an earlier run put aside."""
    layout = inventory.layout
    for run in list_folder(root, QUARANTINE):
        for folder in ("", *layout.entity_folders):
            where = f"{run.path}/{folder}".rstrip("/")
            for entry in list_folder(root, where):
                path = entry.path.removeprefix(f"{run.path}/")
                kind = _kind_at(layout, path) if entry.kind == "file" else None
                copy = _from_file(root, layout, kind, entry.path, path) if kind else None
                if copy is not None and copy.ref in needs:
                    yield replace(copy, last_resort=True)


def _kind_at(layout: Layout, path: str) -> Kind | None:
    place = layout.place(path)
    if place is Place.MEMORY:
        return "memory"
    return "assembly" if place is Place.ASSEMBLY else None


def _from_file(root: Path, layout: Layout, kind: Kind, where: str, name: str) -> Copy | None:
    raw = _read(root, where, kind)
    if raw is None:
        return None
    facts, vector = facts_of(layout, kind, where, raw, NO_STAT)
    if facts.status is not FileStatus.WHOLE or facts.ref is None:
        return None
    return Copy(facts.ref, raw, where if where == name else f"quarantine, {where}", facts, vector)


def _read(root: Path, path: str, kind: Kind) -> bytes | None:
    """Bytes of a possible source; one that cannot be read is no source."""
    try:
        return read_file(root, path, Caps().of(kind))[0]
    except (OSError, SynthstoreError):
        return None


SOURCES: tuple[Source, ...] = (
    other_claimants,
    lying_beside,
    misplaced,
    embedded_copies,
    quarantined,
)


def surviving(
    root: Path,
    inventory: Inventory,
    needs: frozenset[EntityRef],
    traces: Collection[EntityRef] = (),
    elsewhere: Sequence[Source] = (),
) -> Mapping[EntityRef, tuple[Copy, ...]]:
    """Every copy of the entities in ``needs``, from all sources.

    Those ``elsewhere`` are asked for ``traces``, too: of what no row names any more the operator
    has to say where to look.
    """
    found: dict[EntityRef, list[Copy]] = {}
    for sources, wanted in ((SOURCES, needs), (elsewhere, needs.union(traces))):
        for source in sources if wanted else ():
            for copy in source(root, inventory, wanted):
                found.setdefault(copy.ref, []).append(copy)
    return {ref: tuple(copies) for ref, copies in found.items()}
