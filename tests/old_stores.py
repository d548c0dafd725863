"""Healthy stores of the layouts that no Memory Core of today writes, made without the product."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Literal

import numpy as np

from synthstore.testing import spelling, stores
from synthstore.testing.flat_bytes import Flat, Vectors
from synthstore.testing.spelling import Doc

Old = Literal["core-2", "lucidia-1", "lucidia-0"]
DIM = 384
"""Of all that the ancestors wrote."""
_MEMBERS = 3


def build(layout: Old, root: Path, *, memories: int = 8) -> dict[str, Doc]:
    """Write a store under ``root``; its memory documents by id."""
    root.mkdir(parents=True)
    vectors = stores.unit_vectors(memories, DIM, seed=5)
    if layout == "core-2":
        return _core_2(root, vectors)
    docs = dict(_ancestor(n, vector) for n, vector in enumerate(vectors))
    for name, doc in docs.items():
        stores.write(root / f"{name}.json", json.dumps(doc, indent=2).encode())
    if layout == "lucidia-1":
        _list_nested(root, docs)
    return docs


def printed(vector: spelling.Vector) -> str:
    """As numpy prints an array into text."""
    return str(np.array2string(vector, threshold=10_000))


def _ancestor(index: int, vector: spelling.Vector) -> tuple[str, Doc]:
    """Every second one in the older spelling: text, significance, milliseconds, a printed array."""
    name = str(uuid.UUID(int=0x1234_0000_0000_4000_8000_0000_0000_0000 + index))
    moment = spelling.instant(index)
    if index % 2:
        return name, {
            "id": name,
            "text": f"note {index}",
            "embedding": printed(vector),
            "timestamp": round(moment.timestamp() * 1000),
            "significance": 0.25,
            "metadata": {"n": index},
        }
    return name, {
        "id": name,
        "content": f"note {index}",
        "embedding": spelling.numbers(vector),
        "timestamp": moment.timestamp(),
        "quickrecal_score": 0.5,
        "metadata": {"n": index},
        "emotion": {"joy": 0.5},
    }


def _list_nested(root: Path, docs: dict[str, Doc]) -> None:
    rows = {
        name: {
            "path": f"{name}.json",
            "timestamp": doc["timestamp"],
            "quickrecal_score": doc.get("quickrecal_score", doc.get("significance")),
        }
        for name, doc in docs.items()
    }
    stray, row = rows.popitem()
    document = {"memories": rows, "last_updated": 1.0, "count": len(rows), stray: row}
    stores.write(root / "memory_index.json", json.dumps(document).encode())


def _core_2(root: Path, vectors: Vectors) -> dict[str, Doc]:
    docs = {}
    for n, vector in enumerate(vectors):
        doc = spelling.memory("core-3", f"mem_{n:012x}", 2 * n + 1, vector)
        docs[doc["id"]] = doc
        stores.write(root / f"{doc['id']}.json", json.dumps(doc).encode())
    members = list(docs.values())[:_MEMBERS]
    group = spelling.assembly("core-3", "asm_00000000000a", 0, members)
    group["memories"] = [member["id"] for member in members]
    stores.write(root / "assemblies" / "asm_00000000000a.json", json.dumps(group).encode())
    paths = {name: f"{name}.json" for name in docs} | {
        group["id"]: f"assemblies/{group['id']}.json"
    }
    rows = {
        name: spelling.row("core-3", docs.get(name, group), path, b"")
        for name, path in paths.items()
    }
    stores.write(root / "memory_index.json", json.dumps(rows, indent=2).encode())
    composite = np.array(group["composite_embedding"], dtype=np.float32)
    matrix = np.vstack([vectors, composite[None, :]])
    names = [*docs, f"asm:{group['id']}"]
    flat = Flat("", l2=False, ids=np.arange(len(names), dtype=np.int64), vectors=matrix)
    stores.write(root / "faiss_index.bin", flat.dump())
    mapping = {name: n for n, name in enumerate(names)}
    stores.write(root / "id_to_index_mapping.json", json.dumps(mapping).encode())
    return docs
