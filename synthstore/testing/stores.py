"""Healthy stores in three layouts, written without the product's help, and handles to hurt them."""

from __future__ import annotations

import hashlib
import json
import os
import random
import stat
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthstore.testing import flat_bytes, spelling
from synthstore.testing.flat_bytes import Flat
from synthstore.testing.spelling import Doc, Name, Vector

FILE_MODE = 0o640
"""Not what umask gives, so that a mode that got lost is seen."""
FOLDER_MODE = 0o750
MEMBERS = 4
"""Members of each assembly: the first one has memories 0 to 3, the second 4 to 7, ..."""

INDEX = {"native": "vector_index/memory_vectors.faiss"}
MAPPING = {"native": "vector_index/mapping.json"}


@dataclass(frozen=True, slots=True)
class Built:
    """A store as it was built; the methods look at the disk as it is now."""

    root: Path
    layout: Name
    memories: tuple[str, ...]
    assemblies: tuple[str, ...]
    paths: Mapping[str, str]
    """Store-relative path of each entity's file, by id."""
    docs: Mapping[str, Doc]
    """Every document as it was written, by id."""

    @property
    def native(self) -> bool:
        """Whether this is the design's own layout."""
        return self.layout == "native"

    @property
    def catalog(self) -> Path:
        """memory_index.json."""
        return self.root / "memory_index.json"

    @property
    def index(self) -> Path:
        """The FAISS file."""
        return self.root / INDEX.get(self.layout, "faiss_index.bin")

    @property
    def mapping(self) -> Path:
        """The mapping file that is always written."""
        return self.root / MAPPING.get(self.layout, "faiss_index.bin.mapping.json")

    @property
    def parts(self) -> frozenset[str]:
        """Paths of the catalog, the index and every mapping file, as this layout names them."""
        more = {"id_to_index.json", "id_to_index_mapping.json"} if not self.native else set()
        own = (self.catalog, self.index, self.mapping)
        return frozenset({p.relative_to(self.root).as_posix() for p in own} | more)

    def file(self, entity_id: str) -> Path:
        """Where the entity's file was put."""
        return self.root / self.paths[entity_id]

    def is_memory(self, entity_id: str) -> bool:
        """Whether the id is one of the memories that were built."""
        return entity_id in self.memories

    def vector_id(self, entity_id: str) -> str:
        """The name of the entity's vector."""
        return entity_id if self.is_memory(entity_id) else "asm:" + entity_id

    def embedding_key(self, entity_id: str) -> str:
        """The field that holds the entity's embedding."""
        return "embedding" if self.is_memory(entity_id) else "composite_embedding"

    def embedding(self, entity_id: str) -> Vector:
        """The embedding that the entity was built with, float32 of shape (dim,)."""
        doc = self.docs[entity_id]
        return np.array(doc[self.embedding_key(entity_id)], dtype=np.float32)

    def raw(self, entity_id: str) -> bytes:
        """The bytes of the entity's file; OSError where that is none: a FIFO would block us."""
        path = self.file(entity_id)
        if not stat.S_ISREG(path.lstat().st_mode):
            raise OSError(f"{path} is no regular file")
        return path.read_bytes()

    def read(self, entity_id: str) -> Doc:
        """The entity's document as it is now."""
        doc: Doc = json.loads(self.raw(entity_id))
        return doc

    def edit(self, entity_id: str, change: Callable[[Doc], object], *, listed: bool = True) -> None:
        """Change a document; its row follows, unless ``listed`` is false."""
        doc = self.read(entity_id)
        change(doc)
        self.overwrite(entity_id, spelling.entity_text(self.layout, doc))
        if listed:
            self.relist(entity_id)

    def overwrite(self, entity_id: str, raw: bytes) -> None:
        """Put other bytes where they were, mode and mtime kept: what bit rot does."""
        path = self.file(entity_id)
        before = path.stat()
        path.write_bytes(raw)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def relist(self, entity_id: str) -> None:
        """Bring the entity's row in line with its file; a file that does not parse: its hash."""
        raw = self.raw(entity_id)
        try:
            doc = json.loads(raw)
        except (ValueError, RecursionError):
            doc = None
        if isinstance(doc, dict) and ("content" in doc) == self.is_memory(entity_id):
            row = spelling.row(self.layout, doc, self.paths[entity_id], raw)
        else:
            row = dict(self.row(entity_id))
            if "content_hash" in row:
                row["content_hash"] = "sha256:" + hashlib.sha256(raw).hexdigest()
        self.edit_rows(lambda rows: rows.update({entity_id: row}), entity_id)

    def row(self, entity_id: str) -> Doc:
        """The entity's row as it is now."""
        row: Doc = self._rows(json.loads(self.catalog.read_bytes()), entity_id)[entity_id]
        return row

    def edit_rows(self, change: Callable[[Doc], object], entity_id: str = "") -> None:
        """Change the rows (natively of the entity's kind, memories by default); counts follow."""

        def rows_and_counts(document: Doc) -> None:
            change(self._rows(document, entity_id))
            if self.native:
                document["metadata"]["memory_count"] = len(document["memories"])
                document["metadata"]["assembly_count"] = len(document["assemblies"])

        self.edit_catalog(rows_and_counts)

    def edit_catalog(self, change: Callable[[Doc], object]) -> None:
        """Change the catalog document as a whole."""
        document = json.loads(self.catalog.read_bytes())
        change(document)
        self.catalog.write_bytes(spelling.entity_text(self.layout, document))

    def _rows(self, document: Doc, entity_id: str) -> Doc:
        if not self.native:
            return document
        rows: Doc = document["assemblies" if entity_id in self.assemblies else "memories"]
        return rows

    def vectors(self) -> Flat:
        """The index as it is now."""
        return flat_bytes.parse(self.index.read_bytes())

    def put_vectors(self, flat: Flat) -> None:
        """Write the index anew."""
        self.index.write_bytes(flat.dump())

    def position(self, entity_id: str) -> int:
        """Which row of the index holds the entity's vector."""
        number = self.entries()[self.vector_id(entity_id)]
        return int(np.flatnonzero(self.vectors().ids == number)[0])

    def entries(self) -> dict[str, int]:
        """The mapping as it is now."""
        entries: dict[str, int] = json.loads(self.mapping.read_bytes())
        return entries

    def edit_mapping(self, change: Callable[[dict[str, int]], object]) -> None:
        """Change the mapping file."""
        entries = self.entries()
        change(entries)
        self.mapping.write_bytes(spelling.mapping_text(self.layout, entries))

    def add_memory(self, entity_id: str, *, path: str | None = None, listed: bool = True) -> str:
        """Write one healthy memory more, with row and vector; returns its path."""
        count = len(json.loads(self.mapping.read_bytes()))
        vector = unit_vectors(1, self.vectors().dim, seed=1000 + count)[0]
        doc = spelling.memory(self.layout, entity_id, count, vector)
        where = path or entity_path(self.layout, entity_id, is_memory=True)
        raw = spelling.entity_text(self.layout, doc)
        write(self.root / where, raw)
        if listed:
            row = spelling.row(self.layout, doc, where, raw)
            self.edit_rows(lambda rows: rows.update({entity_id: row}))
            self.put_vectors(self.vectors().plus(spelling.numeric(entity_id), vector))
            self.edit_mapping(lambda m: m.update({entity_id: spelling.numeric(entity_id)}))
        return where


def unit_vectors(count: int, dim: int, seed: int) -> flat_bytes.Vectors:
    """Random directions, float32 of shape (count, dim), the same for the same seed."""
    raw = np.random.default_rng(seed).normal(size=(count, dim))
    unit: flat_bytes.Vectors = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    return unit


def write(path: Path, raw: bytes, *, mode: int = FILE_MODE) -> None:
    """Write a file of the store, folders included, with a mode of its own and an old mtime."""
    if not path.parent.exists():
        path.parent.mkdir(parents=True)
        path.parent.chmod(FOLDER_MODE)
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise OSError(f"{path} is no regular file")
    path.write_bytes(raw)
    path.chmod(mode)
    moment = int(spelling.EPOCH.timestamp())
    os.utime(path, (moment, moment))


def entity_path(layout: Name, entity_id: str, *, is_memory: bool) -> str:
    """Where the layout puts an entity's file."""
    if layout == "native":
        return f"{'memories' if is_memory else 'assemblies'}/{entity_id}.json"
    name = entity_id.replace(":", "-") + ".json"
    if not is_memory:
        return f"assemblies/{name}"
    return f"memories/{name}" if layout == "core-4" else name


def _ids(layout: Name, memories: int, assemblies: int, seed: int) -> tuple[list[str], list[str]]:
    dice = random.Random(seed)
    if layout == "native":
        uuids = [str(uuid.UUID(int=dice.getrandbits(128), version=4)) for _ in range(memories)]
        return uuids, [f"assembly_{n:03}" for n in range(1, assemblies + 1)]
    mems = [f"mem_{dice.getrandbits(48):012x}" for _ in range(memories)]
    return mems, [f"asm:{dice.getrandbits(48):012x}" for _ in range(assemblies)]


def _documents(layout: Name, ids: tuple[list[str], list[str]], dim: int, seed: int) -> list[Doc]:
    mems, asms = ids
    vectors = unit_vectors(len(mems), dim, seed)
    docs = [spelling.memory(layout, m, n, vectors[n]) for n, m in enumerate(mems)]
    for n, name in enumerate(asms):
        members = [docs[(MEMBERS * n + k) % len(mems)] for k in range(MEMBERS)]
        docs.append(spelling.assembly(layout, name, n, members))
    return docs


def build(
    layout: Name,
    root: Path,
    *,
    memories: int = 12,
    assemblies: int = 2,
    dim: int = 16,
    seed: int = 1,
    vectors: bool = True,
) -> Built:
    """Write a healthy store under ``root``; without ``vectors`` it has no index and no mapping."""
    ids = _ids(layout, memories, assemblies, seed)
    docs = dict(zip(ids[0] + ids[1], _documents(layout, ids, dim, seed), strict=True))
    paths = {i: entity_path(layout, i, is_memory=i in ids[0]) for i in docs}
    built = Built(root, layout, tuple(ids[0]), tuple(ids[1]), paths, docs)
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(FOLDER_MODE)
    for entity_id, doc in docs.items():
        write(built.file(entity_id), spelling.entity_text(layout, doc))
    write(built.catalog, spelling.entity_text(layout, _catalog(built)))
    if vectors:
        _write_vectors(built)
    return built


def _catalog(built: Built) -> Doc:
    rows = {
        i: spelling.row(built.layout, doc, built.paths[i], built.file(i).read_bytes())
        for i, doc in built.docs.items()
    }
    if not built.native:
        return rows
    return {
        "memories": {i: rows[i] for i in built.memories},
        "assemblies": {i: rows[i] for i in built.assemblies},
        "metadata": {
            "version": "2.3.0",
            "last_updated": spelling.native_time(spelling.instant(77)),
            "memory_count": len(built.memories),
            "assembly_count": len(built.assemblies),
        },
    }


def _write_vectors(built: Built) -> None:
    names = {i: built.vector_id(i) for i in built.docs}
    matrix = np.array([built.embedding(i) for i in names], dtype=np.float32)
    ids = np.array([spelling.numeric(name) for name in names.values()], dtype=np.int64)
    shell: flat_bytes.Shell = "IxM2" if built.native else "IxMp"
    write(built.index, Flat(shell, built.layout == "core-4", ids, matrix).dump())
    entries = {name: spelling.numeric(name) for name in names.values()}
    write(built.mapping, spelling.mapping_text(built.layout, entries))
