"""Entities' files in another layout's spelling, each proven to be worth what it was made of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from synthstore.errors import OperationError
from synthstore.files.jsonio import dump, parse
from synthstore.files.spelling import nearest_style
from synthstore.files.walk import read_file
from synthstore.layout.base import Layout
from synthstore.layout.conversion import conforms, to_native
from synthstore.layout.core import Core
from synthstore.layout.core_conversion import to_core
from synthstore.migrate.choosing import Moving
from synthstore.model.columns import RUN, FileRun
from synthstore.model.facts import EntityFile
from synthstore.model.ids import EntityRef
from synthstore.store.entity import facts_of

_COPIES = 256
"""Members of which a copy is remembered: those of one assembly lie near each other."""
_ROOM = 1024
_DIGITS = 24
_NESTED = frozenset({dict, list})

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ways:
    """From where and what, to what."""

    root: Path
    source: Layout
    target: Layout

    def as_it_is(self, ref: EntityRef, document: Mapping[str, object]) -> bool:
        """Whether a document of the source is one of the target too."""
        cores = isinstance(self.source, Core) and isinstance(self.target, Core)
        return cores and conforms(ref.kind, document)

    def rewrites(self, ref: EntityRef, file: EntityFile) -> bool:
        """Whether the file cannot be taken over byte for byte."""
        if not isinstance(self.source, Core) or not isinstance(self.target, Core):
            return True
        return not self.as_it_is(ref, document_in(read_file(self.root, file.path)[0]))


def document_in(raw: bytes) -> Document:
    """The object that a whole file holds."""
    value: Document = parse(raw).value  # type: ignore[assignment]
    return value


class KeptFacts(Mapping[EntityRef, EntityFile]):
    """Facts of entities' files, kept as columns: a million as objects take gigabytes."""

    def __init__(self) -> None:
        self._place_of: dict[EntityRef, int] = {}
        self._runs: list[FileRun] = []
        self._last: list[EntityFile] = []

    def keep(self, ref: EntityRef, file: EntityFile) -> None:
        """Add those of one entity, or put them in the place of what was kept of it."""
        self._place_of[ref] = len(self._runs) * RUN + len(self._last)
        self._last.append(file)
        if len(self._last) == RUN:
            self._runs.append(FileRun.of(self._last))
            self._last = []

    def __getitem__(self, ref: EntityRef) -> EntityFile:
        """Those of one entity."""
        run, at = divmod(self._place_of[ref], RUN)
        return self._runs[run].file(at) if run < len(self._runs) else self._last[at]

    def __iter__(self) -> Iterator[EntityRef]:
        """The entities, in the order in which they came."""
        return iter(self._place_of)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._place_of)


class Renderer(Mapping[str, Document]):
    """Makes the files of the new layout; as a mapping, copies of memories for assemblies.

    Nothing but the facts of what it made is kept, so that a store of any size can pass.
    """

    def __init__(self, ways: Ways, moving: Mapping[EntityRef, Moving]) -> None:
        self.ways, self.moving = ways, moving
        self.facts = KeptFacts()
        """Of each new file, once it was made."""
        self._copies: dict[EntityRef, Document] = {}

    def __getitem__(self, memory_id: str) -> Document:
        ref = EntityRef("memory", memory_id)
        if ref not in self.moving:
            raise KeyError(memory_id)
        if ref not in self._copies:
            while len(self._copies) >= _COPIES:
                del self._copies[next(iter(self._copies))]
            self._copies[ref] = self._document(ref)
        return self._copies[ref]

    def __contains__(self, memory_id: object) -> bool:
        return ("memory", memory_id) in self.moving

    def __iter__(self) -> Iterator[str]:
        return (ref.id for ref in self.moving if ref.kind == "memory")

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def render(self, ref: EntityRef) -> bytes:
        """The bytes of an entity's new file.

        Raises OperationError where the source is no longer what was scanned, or where the way back
        would not give the same entity.
        """
        one = self.moving[ref]
        raw = self._read(one)
        document = document_in(raw)
        if not self.ways.as_it_is(ref, document):
            new = self._converted(ref, document)
            raw = dump(new, nearest_style(raw))
            self._prove(ref, document, document_in(raw))
        self.facts.keep(ref, facts_of(self.ways.target, ref.kind, one.path, raw, one.file.stat)[0])
        return raw

    def _read(self, one: Moving) -> bytes:
        raw = read_file(self.ways.root, one.file.path)[0]
        if hashlib.sha256(raw).hexdigest() != one.file.sha256:
            raise moved(self.ways.root / one.file.path)
        return raw

    def _document(self, ref: EntityRef) -> Document:
        document = document_in(self._read(self.moving[ref]))
        return document if self.ways.as_it_is(ref, document) else self._converted(ref, document)

    def _converted(self, ref: EntityRef, document: Document) -> Document:
        native = to_native(self.ways.source, ref.kind, document, self)
        return native if self.ways.target.name == "native" else to_core(ref.kind, native, self)

    def _prove(self, ref: EntityRef, old: Document, new: Document) -> None:
        before = to_native(self.ways.source, ref.kind, old, self)
        after = to_native(self.ways.target, ref.kind, new, self)
        differing = sorted(
            key
            for key in before.keys() | after.keys()
            if not same(before.get(key, ...), after.get(key, ...))
        )
        if differing:
            raise OperationError(
                f"{ref.kind} {ref.id} would not come back as it is: {', '.join(differing)}",
                hint="nothing was changed; migrate without --layout copies the store as it is",
            )

    def size_of(self, ref: EntityRef) -> int:
        """About how large the entity's new file will be, in bytes; rather too much."""
        file = self.moving[ref].file
        size = file.stat.size + _ROOM + _DIGITS * (file.dim if "lucidia" in self._source else 0)
        if ref.kind == "memory" or self.ways.target.name == "native" or file.record is None:
            return size
        members = (self.moving.get(EntityRef("memory", m)) for m in file.record.members)
        copies = sum(one.file.stat.size + _ROOM for one in members if one is not None)
        # An assembly that holds its copies already gets no others.
        return size + (0 if file.record.embedded else copies)

    @property
    def _source(self) -> str:
        return self.ways.source.name


def same(one: object, other: object) -> bool:
    """Whether two parsed values are one: to Python 1, 1.0 and True are equal, and NaN is not."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if not isinstance(one, list) or not isinstance(other, list):
        return one == other or (one != one and other != other)  # noqa: PLR0124 - only NaN differs
    kinds = [*map(type, one)]
    if kinds != [*map(type, other)]:
        return False
    # Of an embedding's numbers no single one is worth a call.
    flat = one == other if _NESTED.isdisjoint(kinds) else False
    return flat or all(map(same, one, other))


def moved(path: Path) -> OperationError:
    """What to raise where the source changes while it is copied."""
    return OperationError(
        f"{path} changed while it was migrated",
        hint="stop the Memory Core that writes to it, then run the same command again",
    )


@dataclass(frozen=True, slots=True, eq=False)
class Rendered:
    """The content of an entity's new file, made when it is written."""

    renderer: Renderer = field(repr=False)
    ref: EntityRef

    @property
    def size(self) -> int:
        """About how many bytes it writes."""
        return self.renderer.size_of(self.ref)

    def __call__(self, out: BinaryIO) -> None:
        """Write the whole file to ``out``."""
        out.write(self.renderer.render(self.ref))
