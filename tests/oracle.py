"""Whether a store is in step with itself, judged without the product."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthstore.testing import flat_bytes
from synthstore.testing.spelling import Doc, Name, Vector
from synthstore.testing.stores import INDEX, MAPPING

PARTS = ("memory_index.json", "id_to_index.json", "id_to_index_mapping.json", "faiss_index")


@dataclass(frozen=True, slots=True)
class Entity:
    """One whole entity file."""

    path: str
    id: str
    is_memory: bool
    doc: Doc
    raw: bytes

    @property
    def vector_id(self) -> str:
        """The name of its vector."""
        return self.id if self.is_memory else f"asm:{self.id}"

    @property
    def vector(self) -> Vector | None:
        """Its embedding if that is finite and not zero."""
        value = self.doc.get("embedding" if self.is_memory else "composite_embedding")
        if not isinstance(value, list) or not value:
            return None
        vector = np.array(value, dtype=np.float64).astype(np.float32)
        return vector if np.isfinite(vector).all() and vector.any() else None


def entities(root: Path, layout: Name) -> dict[str, Entity]:
    """Every entity file that parses and bears an id, by path."""
    found = {}
    for path, (raw, doc) in _parsed(root, layout).items():
        entity_id = id_of(doc)
        if entity_id is not None:
            found[path] = Entity(path, entity_id, not path.startswith("assemblies/"), doc, raw)
    return found


def documents(root: Path, layout: Name) -> dict[str, Doc]:
    """Every entity file that parses to an object, whatever that says, by path."""
    return {path: doc for path, (_, doc) in _parsed(root, layout).items()}


def spare_documents(root: Path) -> list[Doc]:
    """Every file that parses to an object, whatever its name."""
    found = (_object(path) for path in sorted(root.rglob("*")))
    return [doc for _, doc in filter(None, found)]


def _parsed(root: Path, layout: Name) -> dict[str, tuple[bytes, Doc]]:
    found = {}
    for folder in ("" if layout == "core-3" else "memories", "assemblies"):
        for path in sorted((root / folder).glob("*.json")):
            whole = None if path.name.startswith(PARTS) else _object(path)
            if whole is not None:
                found[path.relative_to(root).as_posix()] = whole
    return found


def _object(path: Path) -> tuple[bytes, Doc] | None:
    if path.is_symlink() or not path.is_file():
        return None
    try:
        raw = path.read_bytes()
        doc = json.loads(raw)
    except (OSError, ValueError, RecursionError):
        return None
    return (raw, doc) if isinstance(doc, dict) else None


def id_of(doc: Doc) -> str | None:
    """The id that a document bears, whatever its layout calls it."""
    for key in ("memory_id", "id", "assembly_id"):
        if isinstance(doc.get(key), str):
            return str(doc[key])
    return None


def problems(root: Path, layout: Name) -> list[str]:
    """What is out of step, a line each; empty for a store in good order."""
    whole = entities(root, layout)
    return [*_catalog_problems(root, layout, whole), *_vector_problems(root, layout, whole)]


def _catalog_problems(root: Path, layout: Name, whole: Mapping[str, Entity]) -> Iterator[str]:
    document = json.loads((root / "memory_index.json").read_bytes())
    rows: Doc = document
    if layout == "native":
        rows = {**document["memories"], **document["assemblies"]}
        counts = document["metadata"]
        if counts["memory_count"] != len(document["memories"]):
            yield "memory_count is wrong"
        if counts["assembly_count"] != len(document["assemblies"]):
            yield "assembly_count is wrong"
    named = {row["filepath" if layout == "native" else "path"]: key for key, row in rows.items()}
    if len(named) != len(rows):
        yield "two rows name one file"
    for path in named.keys() ^ whole.keys():
        yield f"{path}: only {'listed' if path in named else 'a file'}"
    for path in named.keys() & whole.keys():
        if named[path] != whole[path].id:
            yield f"{path}: listed as {named[path]}"
        if not _hash_fits(rows[named[path]].get("content_hash"), whole[path]):
            yield f"{path}: content_hash does not fit"


def _hash_fits(claimed: str | None, entity: Entity) -> bool:
    texts = (entity.raw, str(entity.doc.get("content", "")).encode("utf-8", "replace"))
    digests = ["sha256:" + hashlib.sha256(text).hexdigest() for text in texts]
    return claimed is None or claimed.lower() in digests


def _vector_problems(root: Path, layout: Name, whole: Mapping[str, Entity]) -> Iterator[str]:
    flat = flat_bytes.parse((root / INDEX.get(layout, "faiss_index.bin")).read_bytes())
    named = MAPPING.get(layout, "faiss_index.bin.mapping.json")
    mapping: dict[str, int] = json.loads((root / named).read_bytes())
    wanted = _vectors(whole)
    if len(set(flat.ids.tolist())) != len(flat.ids):
        yield "a number stands twice in the index"
    if sorted(mapping.values()) != sorted(flat.ids.tolist()):
        yield "mapping and index hold other numbers"
    for name in mapping.keys() ^ wanted.keys():
        yield f"{name}: only {'mapped' if name in mapping else 'an embedding'}"
    held = dict(zip(flat.ids.tolist(), flat.vectors, strict=True))
    for name in mapping.keys() & wanted.keys():
        if not np.array_equal(held.get(mapping[name], np.zeros(0)), wanted[name]):
            yield f"{name}: its vector is not its embedding"


def _vectors(whole: Mapping[str, Entity]) -> dict[str, Vector]:
    """Valid embeddings of the majority's dimension, by vector name."""
    found = {e.vector_id: e.vector for e in whole.values()}
    valid = {name: vector for name, vector in found.items() if vector is not None}
    sizes = Counter(len(vector) for vector in valid.values()).most_common(1)
    return {name: vector for name, vector in valid.items() if len(vector) == sizes[0][0]}
