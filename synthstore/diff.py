"""What differs between two stores or snapshots: entities by value, whatever their layouts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from synthstore.backup.choosing import choose
from synthstore.backup.listing import kind_at, layout_of
from synthstore.errors import SynthstoreError
from synthstore.files.jsonio import ParseFailure, parse
from synthstore.files.walk import read_file
from synthstore.layout.base import Layout
from synthstore.model.ids import EntityRef, Kind
from synthstore.progress import Progress
from synthstore.repository.vault import Repository
from synthstore.scan.listing import list_store
from synthstore.shell import path_word
from synthstore.store.evidence import recognise
from synthstore.store.opening import find_root

How = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One entity that is not the same on both sides."""

    kind: Kind
    id: str
    how: How
    fields: tuple[str, ...] = ()
    """Of a changed one: what differs, by the names of B's layout; ``bytes`` where one side cannot
    be parsed."""


@dataclass(frozen=True, slots=True)
class DiffReport:
    """All that differs."""

    a: str
    b: str
    same: int
    differences: tuple[Difference, ...]
    unread: Mapping[str, str] = field(default_factory=dict)
    """Files that could not be read, and why."""

    @property
    def exit_code(self) -> int:
        """3 where something could not be read, else 0: to differ is no failure."""
        return 3 if self.unread else 0


@dataclass(slots=True)
class Side:
    """One side of a comparison."""

    shown: str
    layout: Layout
    found: dict[EntityRef, str] = field(default_factory=dict)
    """sha256 of each entity's file."""
    paths: dict[EntityRef, str] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    root: Path | None = None
    repository: Repository | None = None

    def document(self, ref: EntityRef) -> dict[str, object] | None:
        """The parsed document of an entity; None where it is none."""
        try:
            return _document(self.raw(ref))
        except (SynthstoreError, OSError) as error:
            self.unread[self.paths[ref]] = str(error)
            return None

    def raw(self, ref: EntityRef) -> bytes:
        """The bytes of an entity's file."""
        if self.repository is not None:
            return self.repository.read(bytes.fromhex(self.found[ref]))
        return read_file(self.root or Path(), self.paths[ref])[0]


def store_side(store: Path, progress: Progress) -> Side:
    """A living store; raises NotAStoreError."""
    root = find_root(store)
    layout = recognise(root)
    side = Side(str(store), layout, root=root)
    candidates = list_store(root, layout).candidates
    progress.start("reading", len(candidates))
    for candidate in candidates:
        progress.advance(1)
        try:
            raw = read_file(root, candidate.path)[0]
        except (SynthstoreError, OSError) as error:
            side.unread[candidate.path] = str(error)
            continue
        document = _document(raw)
        record = layout.read_record(candidate.kind, document) if document is not None else None
        name = (record.id if record else None) or layout.id_from_path(candidate.path)
        ref = EntityRef(candidate.kind, name)
        side.found[ref] = hashlib.sha256(raw).hexdigest()
        side.paths[ref] = candidate.path
    return side


def snapshot_side(repository: Repository, wanted: str, name: str | None = None) -> Side:
    """A snapshot; raises UsageError, LostObjectError."""
    where = path_word(repository.place.where)
    snapshots = repository.snapshots()
    snapshot = choose(repository, snapshots, wanted, name, "", ask=lambda one: f"{where}@{one}")
    layout = layout_of(snapshot)
    side = Side(f"{repository.place.where}@{snapshot.id}", layout, repository=repository)
    for row in repository.tree(snapshot).files:
        kind = kind_at(layout, row.path)
        if kind is not None:
            ref = EntityRef(kind, row.id or layout.id_from_path(row.path))
            side.found[ref] = row.sha256
            side.paths[ref] = row.path
    return side


def compare(a: Side, b: Side) -> DiffReport:
    """What it takes to get from ``a`` to ``b``."""
    differences = tuple(_differences(a, b))
    common = a.found.keys() & b.found.keys()
    same = len(common) - sum(one.how == "changed" for one in differences)
    return DiffReport(a.shown, b.shown, same, differences, {**a.unread, **b.unread})


def _differences(a: Side, b: Side) -> Iterator[Difference]:
    for ref in sorted({*a.found, *b.found}):
        if ref not in b.found:
            yield Difference(ref.kind, ref.id, "removed")
        elif ref not in a.found:
            yield Difference(ref.kind, ref.id, "added")
        elif a.found[ref] != b.found[ref]:
            fields = tuple(_changed(a, b, ref))
            if fields:
                yield Difference(ref.kind, ref.id, "changed", fields)


def _changed(a: Side, b: Side, ref: EntityRef) -> Iterable[str]:
    one, other = a.document(ref), b.document(ref)
    if one is None or other is None:
        return ("bytes",)
    if a.layout.name == b.layout.name:
        # Bytes may differ where no value does: another spelling of the same document.
        keys = dict.fromkeys((*one, *other))
        return [key for key in keys if one.get(key) != other.get(key)]
    first, second = _common(a.layout, ref.kind, one), _common(b.layout, ref.kind, other)
    return [key for key, value in second.items() if value != first[key]]


def _common(layout: Layout, kind: Kind, document: Mapping[str, object]) -> dict[str, object]:
    """What every layout says of an entity, in one vocabulary."""
    record, document = layout.read_record(kind, document), layout.plain(kind, document)
    return {
        "content": document.get("content", document.get("name")),
        "description": document.get("description"),
        "embedding": document.get(layout.embedding_key(kind)),
        "created_at": record.created_us,
        "updated_at": record.updated_us,
        "quickrecal_score": record.score,
        "members": sorted(record.members),
        "tags": document.get("tags"),
    }


def _document(raw: bytes) -> dict[str, object] | None:
    try:
        value = parse(raw).value
    except ParseFailure:
        return None
    return value if isinstance(value, dict) else None
