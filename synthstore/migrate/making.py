"""Plans of a new store: a copy of the source, or its entities in another layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Self

from synthstore.backup.listing import CHANGES, Listed, list_tree
from synthstore.errors import OperationError
from synthstore.files.durable import copier
from synthstore.files.walk import look as stat_path
from synthstore.layout.base import OWN_FOLDER, Layout
from synthstore.migrate.aside import Aside, Outline, Parcel
from synthstore.migrate.choosing import Choice, choose
from synthstore.migrate.converting import Rendered, Renderer, Ways, moved
from synthstore.migrate.parts import Parts
from synthstore.migrate.report import Left
from synthstore.model.columns import column_of, each_of
from synthstore.model.facts import Stat
from synthstore.model.paths import folder_of
from synthstore.progress import Progress
from synthstore.repair.plan import typical_access
from synthstore.scan.listing import list_store
from synthstore.store.changes import has_pending
from synthstore.store.session import Session
from synthstore.verify import Look

Folder = tuple[str, int, int | None]
"""A folder's path, mode, and mtime in nanoseconds where it is to have one."""


@dataclass(frozen=True)
class Copying:
    """Every file of the source but what is synthstore's own, byte for byte."""

    root: Path
    layout: Layout
    """The source's own."""
    vectors: int
    """How many it will have."""
    scanned: Mapping[str, bytes]
    """The sha256 of each entity's file, as it was scanned."""
    listed: Listed

    @classmethod
    def of(cls, root: Path, seen: Look) -> Self:
        """The plan to copy the store at ``root``, which was ``seen``: that may be let go then."""
        inventory = seen.inventory
        digests = zip(
            column_of(inventory.files, "path"), each_of(inventory.files, "sha256"), strict=True
        )
        scanned = {path: bytes.fromhex(digest) for path, digest in digests if digest is not None}
        return cls(root, inventory.layout, inventory.index.ntotal, scanned, list_files(root))

    @property
    def left(self) -> tuple[Left, ...]:
        """Links and devices."""
        because = "a link or device, which is never followed"
        return tuple(Left("S004", "file", path, path, because) for path in self.listed.skipped)

    @property
    def others(self) -> tuple[str, ...]:
        """Nothing: a copy takes all along."""
        return ()

    @cached_property
    def outline(self) -> Outline:
        """Its files."""
        return Outline.of(self.parcels)

    @property
    def parcels(self) -> Iterator[Parcel]:
        """Its files, and the log of changes that no catalog has yet, each made anew."""
        for path in sorted(self.listed.files):
            stat = self.listed.files[path]
            yield Parcel(path, copier(self.root / path), stat.size, stat, keeps_time=True)

    @property
    def folders(self) -> Sequence[Folder]:
        """Its folders, the root first."""
        return [(folder.path, folder.mode, folder.mtime_ns) for folder in self.listed.folders]

    def fill(self, aside: Aside, progress: Progress) -> None:
        """Copy, and see that the source stood still meanwhile."""
        for parcel in self.parcels:
            digest = bytes.fromhex(aside.settle(parcel))
            if self.scanned.get(parcel.path, digest) != digest:
                raise moved(self.root / parcel.path)
            progress.advance(1)
        now = list_files(self.root).files
        for path in sorted(now.keys() | self.listed.files.keys()):
            if now.get(path) != self.listed.files.get(path):
                raise moved(self.root / path)


def list_files(root: Path) -> Listed:
    """All that a copy takes along; raises OperationError for a folder that cannot be listed."""
    listed = list_tree(root, {OWN_FOLDER})
    for message in listed.problems.values():
        raise OperationError(message, hint="make it readable, then run the same command again")
    log = stat_path(root, CHANGES)
    if log is not None and log.kind == "file":
        listed.files[CHANGES] = log.stat
    return listed


def settle_pending(aside: Aside) -> None:
    """Bring what a library had only logged into the catalog and index of the new store."""
    if has_pending(aside.path):
        Session.open(aside.path, command="migrate").close()
    aside.clear_own(CHANGES)


class Converting:
    """The source's entities in another layout."""

    def __init__(self, root: Path, seen: Look, layout: Layout) -> None:
        self.root, self.layout, self.inventory = root, layout, seen.inventory
        ways = Ways(root, self.inventory.layout, layout)
        self.choice: Choice = choose(self.inventory, layout, ways.rewrites)
        self.left = self.choice.left
        self.ways, self.renderer = ways, Renderer(ways, self.choice.moving)
        sound = not any(one.code.startswith("V") for one in seen.findings)
        self.parts = Parts(root, self.inventory, layout, self.choice.moving, sound)

    @property
    def vectors(self) -> int:
        """How many vectors it will have."""
        return len(self.parts.vectors.ids)

    @property
    def needed(self) -> bool:
        """Whether the new layout has anything elsewhere, in other words, or at all."""
        if self.layout.name != self.inventory.layout.name or self.parts.incomplete:
            return True
        rewrites = self.ways.rewrites
        moving = self.choice.moving.values()
        return any(one.path != one.file.path or rewrites(one.ref, one.file) for one in moving)

    @property
    def others(self) -> tuple[str, ...]:
        """What belongs to no entity, the store's own folders told by their names alone."""
        known = {file.path for file in self.inventory.files} | {one.path for one in self.left}
        known |= {self.inventory.catalog.path, self.inventory.index.path}
        known |= {mapping.path for mapping in self.inventory.mappings}
        strange = set(list_files(self.root).files) - known - {CHANGES}
        return tuple(sorted({self._told(path) for path in strange}))

    def _told(self, path: str) -> str:
        top, nested, _ = path.partition("/")
        return f"{top}/" if nested and top not in self.inventory.layout.entity_folders else path

    @cached_property
    def outline(self) -> Outline:
        """Its files, sizes estimated."""
        return Outline.of(self.parcels)

    @property
    def parcels(self) -> Iterator[Parcel]:
        """Its files: entities first, for the catalog tells of what they became.

        Those of entities are made anew each time.
        """
        yield from self._entities()
        yield from self._vectors
        yield self._catalog()

    @cached_property
    def _vectors(self) -> Sequence[Parcel]:
        return [*self._index(), *self._mappings()]

    def _entities(self) -> Iterator[Parcel]:
        for ref, one in self.choice.moving.items():
            content = Rendered(self.renderer, ref)
            yield Parcel(one.path, content, content.size, one.file.stat)

    def _index(self) -> Iterator[Parcel]:
        content = self.parts.index()
        if content is not None:
            attire = self.inventory.index.stat or self.typical
            yield Parcel(self.layout.faiss_path, content, self.parts.index_size, attire)

    def _mappings(self) -> Iterator[Parcel]:
        for path, content in self.parts.mappings().items():
            size = len(content) if isinstance(content, bytes) else content.size
            yield Parcel(path, content, size, self.typical)

    def _catalog(self) -> Parcel:
        attire = self.inventory.catalog.stat or self.typical
        return Parcel(
            self.layout.catalog_path,
            self._write_catalog,
            self.parts.catalog_size,
            attire,
        )

    def _write_catalog(self, out: BinaryIO) -> None:
        content = self.parts.catalog(self.renderer.facts)
        if isinstance(content, bytes):
            out.write(content)
        else:
            content(out)

    @property
    def typical(self) -> Stat:
        """Mode and owner of what the source has nothing like."""
        return typical_access(self.inventory)

    @property
    def folders(self) -> Sequence[Folder]:
        """Its folders, all with the mode of the source's own."""
        mode = self.root.stat().st_mode & 0o7777
        named = {folder_of(one.path) for one in self.choice.moving.values()}
        vectors = {folder_of(self.layout.faiss_path)} if self.vectors else set()
        every = {"", "memories", "assemblies"} | named | vectors
        return [(folder, mode, None) for folder in sorted(every)]

    def fill(self, aside: Aside, progress: Progress) -> None:
        """Convert, write, and see that the source stood still meanwhile."""
        for parcel in chain(self._entities(), self._vectors):
            aside.settle(parcel)
            progress.advance(1)
        self._let_vectors_go()
        aside.settle(self._catalog())
        progress.advance(1)
        listed = list_store(self.root, self.inventory.layout).candidates
        now = {one.path: one.stat for one in listed}
        for file in self.inventory.files:
            if now.pop(file.path, None) != file.stat:
                raise moved(self.root / file.path)
        for path in sorted(now):
            raise moved(self.root / path)

    def _let_vectors_go(self) -> None:
        """They are written, and the catalog's rows need the room."""
        del self._vectors
        index = replace(self.inventory.index, ids=None, vectors=None)
        self.inventory = replace(self.inventory, tables={}, index=index)
        self.parts = replace(self.parts, inventory=self.inventory)


Making = Copying | Converting
"""A new store to be made."""


def fill(making: Making, aside: Aside, progress: Progress) -> None:
    """Make the new store aside, from what an earlier try left on; it is proven and durable then."""
    paths = making.outline.paths
    progress.start("migrating", len(paths))
    with aside.making(paths, [folder for folder, *_ in making.folders if folder]):
        making.fill(aside, progress)
    aside.prove()
