"""From the state that should be to the changes that lead there; no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from synthstore.files.durable import hash_content
from synthstore.files.pieces import Original, Pieces, dump_in_pieces
from synthstore.layout.base import Layout
from synthstore.model.columns import column_of
from synthstore.model.facts import IndexFacts, Stat
from synthstore.repair.state import Target
from synthstore.scan.inventory import Inventory
from synthstore.store.index_building import IndexContent, rebuild_content
from synthstore.store.mapping import style_in
from synthstore.store.mapping_file import MappingContent, mapping_file
from synthstore.store.runs import CATALOG, ENTITY, INDEX, MAPPING, REMOVAL, Change, FilesChanged

PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class IndexWish:
    """How the index is to be built, where the operator says more than "as it was"."""

    factory: str | None = None
    metric: str | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """What stands now, as far as a plan has to know it."""

    inventory: Inventory
    catalog: Callable[[], Original]
    """Tells how the catalog is spelt, once that matters: to prove it is as long as to write it."""
    digests: Mapping[str, str]
    """As Basis has it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The changes, in the order in which they are made."""

    changes: tuple[Change, ...]


def plan(root: Path, ground: Ground, target: Target, wish: IndexWish | None = None) -> Plan:
    """Plan the difference between what stands and ``target``."""
    planner = _Planner(root, ground, target, wish or IndexWish())
    return Plan(tuple(planner.changes()))


class Found(Protocol):
    """A file as the scan found it."""

    @property
    def sha256(self) -> str | None:
        """Of its bytes; None where there is no file."""

    @property
    def stat(self) -> Stat | None:
        """Its mode and owner, to be kept."""


class _Planner:
    def __init__(self, root: Path, ground: Ground, target: Target, wish: IndexWish) -> None:
        self.root, self.ground, self.target, self.wish = root, ground, target, wish
        self.inventory: Inventory = ground.inventory
        self.layout: Layout = ground.inventory.layout
        self.typical = typical_access(ground.inventory)

    def changes(self) -> Iterator[Change]:
        yield from self._entity_files()
        yield from self._index()
        yield from self._mappings()
        yield from self._catalog()
        yield from self._removals()

    def _entity_files(self) -> Iterator[Change]:
        for path, content in sorted(self.target.entities.contents.items()):
            old = self.inventory.by_path.get(path)
            quarantine = path in self.target.entities.displaced
            yield from self._write(path, content, old, ENTITY, quarantine=quarantine)

    def _index(self) -> Iterator[Change]:
        index, facts = self.target.index, self.inventory.index
        if index.write_index:
            content = rebuild_content(
                self.root,
                facts,
                factory=self.wish.factory or self._with_ids(facts),
                metric=self.wish.metric or facts.metric or self.layout.metric,
                ids=index.ids,
                vectors=index.vectors,
                default_factory=self.layout.factory,
            )
            yield from self._write(facts.path, content, facts, INDEX)

    def _with_ids(self, facts: IndexFacts) -> str | None:
        """The type that lets an index without ids carry some, unless that is the layout's way."""
        if facts.has_ids or self.layout.positional or not facts.description:
            return None
        flat = facts.description == "Flat"
        return self.layout.factory if flat else f"IDMap2,{facts.description}"

    def _mappings(self) -> Iterator[Change]:
        found = {mapping.path: mapping for mapping in self.inventory.mappings}
        for path in self.target.index.mappings:
            old = found.get(path)
            entries, default = self.target.index.entries, style_in(self.layout)
            content = mapping_file(entries, old, default=default)
            yield from self._write(path, content, old, MAPPING)

    def _catalog(self) -> Iterator[Change]:
        document, facts = self.target.catalog.document, self.inventory.catalog
        if document is not None:
            original, section = self.ground.catalog(), self.layout.long_section
            content = dump_in_pieces(document, original, section)
            try:
                yield from self._write(facts.path, content, facts, CATALOG)
            except FilesChanged:
                # What was to be copied is not there any more; whether that matters, staging sees.
                content = dump_in_pieces(document, Original(original.style), section)
                yield from self._write(facts.path, content, facts, CATALOG)

    def _removals(self) -> Iterator[Change]:
        for path, quarantine in sorted(self.target.entities.removed.items()):
            old = self.inventory.by_path.get(path)
            sha = old.sha256 if old is not None else self.ground.digests[path]
            yield Change(path, sha, None, REMOVAL, quarantine=quarantine)

    def _write(
        self,
        path: str,
        content: bytes | Pieces | IndexContent | MappingContent,
        old: Found | None,
        order: int,
        *,
        quarantine: bool = False,
    ) -> Iterator[Change]:
        """One write, unless the very bytes stand there already."""
        sha = old.sha256 if old is not None else None
        if sha is not None and sha == hash_content(content):
            return
        size = len(content) if isinstance(content, bytes) else content.size
        access = (old.stat if old is not None else None) or self.typical
        yield Change(
            path,
            sha,
            content,
            order,
            mode=access.mode,
            uid=access.uid,
            gid=access.gid,
            quarantine=quarantine,
            size=size,
        )


def typical_access(inventory: Inventory) -> Stat:
    """Mode and owner for a file where none stood: those of most of the store's files."""
    columns = (column_of(inventory.files, f"stat.{name}") for name in ("mode", "uid", "gid"))
    found = Counter(zip(*columns, strict=True))
    parts = (inventory.catalog.stat, inventory.index.stat)
    found = found or Counter((s.mode, s.uid, s.gid) for s in parts if s is not None)
    if not found:
        return Stat(0, 0, PRIVATE, -1, -1, 1, 0)
    (mode, uid, gid), _ = found.most_common(1)[0]
    return Stat(0, 0, mode, uid, gid, 1, 0)
