"""Healthy inventories made in memory, and the verbs that hurt them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from synthstore.layout.base import Layout
from synthstore.layout.core import file_safe
from synthstore.model.embedding import FloatMatrix
from synthstore.model.facts import (
    CatalogFacts,
    EntityFile,
    IndexFacts,
    MappingFacts,
    PartStatus,
    Stat,
    Stray,
    StrayKind,
)
from synthstore.model.ids import Kind, numeric_id
from synthstore.scan.inventory import EmbeddingTable, Inventory
from synthstore.scan.shard import facts_of
from synthstore.testing import spelling
from synthstore.testing.spelling import Doc, Name
from synthstore.testing.stores import unit_vectors
from tests.layouts import CORE2, CORE3, CORE4, NATIVE

DIM = 8
MEMORIES = 7
NOW_NS = 1_800_000_000 * 10**9
HOUR_NS = 3_600 * 10**9
STAT = Stat(1000, NOW_NS, 0o640, 1000, 1000, 1, 1)

SHAPES: Mapping[str, tuple[Layout, Name]] = {
    "native": (NATIVE, "native"),
    "core-4": (CORE4, "core-4"),
    "core-3": (CORE3, "core-3"),
    "core-2": (CORE2, "core-3"),
}


@dataclass
class Shelf:
    """One store in memory; ``m0`` to ``m6``, ``a0`` and ``a1`` are labels of its entities.

    What is said of a part with ``catalog_is``, ``index_is`` and ``mapping_is`` replaces what was
    read; ``files_are`` does so for entity files by path.
    """

    layout: Layout
    name: Name
    ids: dict[str, str]
    files: dict[str, tuple[Kind, bytes]] = field(default_factory=dict)
    catalog: Doc = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    vectors: FloatMatrix = field(default_factory=lambda: np.zeros((0, DIM), np.float32))
    entries: dict[str, int] = field(default_factory=dict)
    second: dict[str, int] | None = None
    strays: list[Stray] = field(default_factory=list)
    files_are: dict[str, dict[str, Any]] = field(default_factory=dict)
    catalog_is: dict[str, Any] = field(default_factory=dict)
    index_is: dict[str, Any] = field(default_factory=dict)
    mapping_is: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)

    def path(self, label: str) -> str:
        """Where the entity's file belongs."""
        folder = "assemblies/" if label[0] == "a" else ""
        if not folder and self.name != "core-3":
            folder = "memories/"
        entity_id = self.ids[label]
        return f"{folder}{entity_id if self.name == 'native' else file_safe(entity_id)}.json"

    def vector_id(self, label: str) -> str:
        """The name of the entity's vector."""
        return ("asm:" if label[0] == "a" else "") + self.ids[label]

    def at(self, label: str) -> int:
        """The position of the entity's vector."""
        return self.numbers.index(self.entries[self.vector_id(label)])

    def doc(self, label: str) -> Doc:
        """The entity's document."""
        doc: Doc = json.loads(self.files[self.path(label)][1])
        return doc

    def rows(self, label: str) -> Doc:
        """The part of the catalog that holds the entity's row."""
        if self.name != "native":
            return self.catalog
        section: Doc = self.catalog["assemblies" if label[0] == "a" else "memories"]
        return section

    # Files

    def put(self, label: str, doc: Doc, *, listed: bool = True) -> None:
        """Write a document; the row follows unless told otherwise."""
        kind: Kind = "assembly" if label[0] == "a" else "memory"
        raw = spelling.entity_text(self.name, doc)
        self.files[self.path(label)] = kind, raw
        if listed:
            row = spelling.row(self.name, doc, self.path(label), raw)
            self.rows(label)[self.ids[label]] = row

    def edit(self, label: str, *, listed: bool = True, **fields: object) -> None:
        """Change fields of a document."""
        self.put(label, {**self.doc(label), **fields}, listed=listed)

    def move(self, label: str, path: str) -> None:
        """Rename the entity's file."""
        self.files[path] = self.files.pop(self.path(label))

    def copy(self, label: str, path: str, **fields: object) -> None:
        """Write a copy of the entity's file elsewhere."""
        kind, _ = self.files[self.path(label)]
        doc = {**self.doc(label), **fields}
        self.files[path] = kind, spelling.entity_text(self.name, doc)

    def file_is(self, label: str, **facts: object) -> None:
        """Say of a file what no bytes here can bring about."""
        self.files_are.setdefault(self.path(label), {}).update(facts)

    def embedding_key(self, label: str) -> str:
        """The field that holds the embedding."""
        return self.layout.embedding_key("assembly" if label[0] == "a" else "memory")

    def embed(self, label: str, value: object) -> None:
        """Set the embedding in the file; the row follows, the vector does not."""
        self.put(label, {**self.doc(label), self.embedding_key(label): value})

    def rot(self, label: str, **fields: object) -> None:
        """Change the file behind its row's back."""
        self.edit(label, listed=False, **fields)

    def add(self, label: str, entity_id: str) -> None:
        """One memory more: file, row, vector and mapping entry."""
        self.ids[label] = entity_id
        vector = unit_vectors(1, DIM, 100 + len(self.ids))[0]
        self.put(label, spelling.memory(self.name, entity_id, len(self.ids), vector))
        self.recount()
        number = numeric_id(entity_id)
        self.entries[entity_id] = number
        self.add_vector(number, vector)

    # Rows

    def set_row(self, label: str, **fields: object) -> None:
        """Change keys of a row."""
        self.rows(label)[self.ids[label]].update(fields)

    def set_path(self, label: str, path: object) -> None:
        """Let a row name another path."""
        self.set_row(label, **{"filepath" if self.name == "native" else "path": path})

    def drop_row(self, label: str) -> None:
        """Take a row away; the counts follow."""
        del self.rows(label)[self.ids[label]]
        self.recount()

    def recount(self) -> None:
        """Make the counts in the metadata right."""
        if self.name == "native":
            self.catalog["metadata"]["memory_count"] = len(self.catalog["memories"])
            self.catalog["metadata"]["assembly_count"] = len(self.catalog["assemblies"])

    # Vectors

    def drop_vector(self, label: str) -> None:
        """Take a vector from the index; the mapping keeps its name."""
        at = self.at(label)
        self.vectors = np.delete(self.vectors, at, axis=0)
        del self.numbers[at]

    def unmap(self, label: str) -> None:
        """Take a name from the mapping."""
        del self.entries[self.vector_id(label)]

    def add_vector(self, number: int, vector: FloatMatrix) -> None:
        """Append a vector."""
        self.numbers.append(number)
        self.vectors = np.concatenate([self.vectors, vector.reshape(1, -1)])

    def number_on(self) -> None:
        """Ids 0 to n-1, as a Memory Core's rebuild leaves them."""
        at = {number: place for place, number in enumerate(self.numbers)}
        self.entries = {name: at[number] for name, number in self.entries.items()}
        self.numbers = list(range(len(self.numbers)))

    def stray(self, kind: StrayKind, path: str, what: str, **facts: Any) -> None:
        """Put something else into the store."""
        age_ns = facts.pop("age_ns", 2 * HOUR_NS)
        stat = STAT._replace(mtime_ns=NOW_NS - age_ns)
        self.strays.append(Stray(kind, path, what, stat, **facts))

    # The inventory

    def inventory(self) -> Inventory:
        """Everything as a scan would have found it."""
        files, tables = self._read_files()
        folders = dict.fromkeys(self.layout.entity_folders, True)
        made = Inventory(
            layout=self.layout,
            files=files,
            strays=tuple(sorted(self.strays, key=lambda stray: stray.path)),
            catalog=self._catalog_facts(),
            index=self._index_facts(),
            mappings=self._mapping_facts(),
            tables=tables,
            folders=folders,
            now_ns=NOW_NS,
        )
        return replace(made, **self.more)

    def _read_files(self) -> tuple[tuple[EntityFile, ...], dict[int, EmbeddingTable]]:
        found: dict[str, EntityFile] = {}
        vectors: dict[int, dict[str, Any]] = {}
        for path, (kind, raw) in sorted(self.files.items()):
            file, vector = facts_of(self.layout, kind, path, raw, STAT)
            found[path] = file._replace(**self.files_are.get(path, {}))
            if vector is not None and file.embedding is found[path].embedding:
                vectors.setdefault(file.dim, {})[path] = vector
        tables = {
            dim: EmbeddingTable(tuple(group), np.stack(list(group.values())))
            for dim, group in vectors.items()
        }
        return tuple(found.values()), tables

    def _catalog_facts(self) -> CatalogFacts:
        catalog = self.layout.read_catalog(self.catalog)
        facts = CatalogFacts(PartStatus.OK, self.layout.catalog_path, catalog=catalog, stat=STAT)
        return replace(facts, **self.catalog_is)

    def _index_facts(self) -> IndexFacts:
        facts = IndexFacts(
            PartStatus.OK,
            self.layout.faiss_path,
            stat=STAT,
            description="IDMap2,Flat",
            metric="ip",
            dim=self.vectors.shape[1],
            ntotal=len(self.numbers),
            ids=np.array(self.numbers, dtype=np.int64),
            vectors=self.vectors,
        )
        return replace(facts, **self.index_is)

    def _mapping_facts(self) -> tuple[MappingFacts, ...]:
        first, *others = self.layout.mapping_paths
        facts = MappingFacts(PartStatus.OK, first, stat=STAT, entries=self.entries)
        found = [replace(facts, **self.mapping_is)]
        if self.second is not None:
            found.append(MappingFacts(PartStatus.OK, others[0], stat=STAT, entries=self.second))
        return tuple(found)


def healthy(shape: str = "native") -> Shelf:
    """Seven memories and two assemblies, of m0 to m3 and m2 to m5, all in step."""
    layout, name = SHAPES[shape]
    ids = {f"m{n}": f"mem_{n:012x}" for n in range(MEMORIES)}
    prefix = "assembly_" if name == "native" else "asm:"
    ids |= {f"a{n}": f"{prefix}{n:012x}" for n in range(2)}
    shelf = Shelf(layout, name, ids)
    if name == "native":
        shelf.catalog = {"memories": {}, "assemblies": {}, "metadata": {"version": "2.3.0"}}
    vectors = unit_vectors(MEMORIES, DIM, 7)
    docs = [spelling.memory(name, ids[f"m{n}"], n, vectors[n]) for n in range(MEMORIES)]
    for n, doc in enumerate(docs):
        shelf.put(f"m{n}", doc)
    for n in range(2):
        shelf.put(f"a{n}", spelling.assembly(name, ids[f"a{n}"], n, docs[2 * n : 2 * n + 4]))
    shelf.recount()
    # Not in the order of the files, so that nothing comes right by chance.
    for label in sorted(ids, key=numeric_id):
        number = numeric_id(shelf.vector_id(label))
        shelf.entries[shelf.vector_id(label)] = number
        embedding = shelf.doc(label)[shelf.embedding_key(label)]
        shelf.add_vector(number, np.array(embedding, dtype=np.float32))
    return shelf
