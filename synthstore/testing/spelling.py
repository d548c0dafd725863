"""How each layout spells a store's documents: what the design says and real Memory Cores wrote.

Independent of the product, so that it can judge it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Doc = dict[str, Any]
Name = Literal["native", "core-4", "core-3"]
NAMES: tuple[Name, ...] = ("native", "core-4", "core-3")
Vector = npt.NDArray[np.float32]

EPOCH = datetime(2025, 3, 15, 14, 32, 1, 123456, tzinfo=UTC)


def numbers(vector: Vector) -> list[float]:
    """The float64 repr of each float32: how every Memory Core prints an embedding."""
    return [float(x) for x in vector]


def numeric(vector_id: str) -> int:
    """The FAISS id that md5 gives a vector's name."""
    digest = hashlib.md5(vector_id.encode(), usedforsecurity=False).hexdigest()
    return int(digest, 16) % (2**63 - 1)


def instant(index: int, *, minutes: int = 0) -> datetime:
    """A moment for the entity number ``index``; never the present."""
    return EPOCH + timedelta(hours=index, minutes=minutes, microseconds=index * 7)


def native_time(moment: datetime) -> str:
    """Naive microseconds, as the design spells times."""
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds")


def core_time(moment: datetime) -> str:
    """With an offset, as Memory Cores spell times since March 2025."""
    return moment.isoformat(timespec="microseconds")


def _native_memory(entity_id: str, index: int, vector: Vector) -> Doc:
    return {
        "memory_id": entity_id,
        "content": f"note {index}: the harbour at noon, café and «quay»",
        "embedding": numbers(vector),
        "created_at": native_time(instant(index)),
        "updated_at": native_time(instant(index, minutes=13)),
        "quickrecal_score": round(0.3 + index % 35 / 50, 2),
        "metadata": {"source": "lab", "n": index},
        "access_count": index % 3,
    }


def _core_memory(entity_id: str, index: int, vector: Vector, *, floats: bool) -> Doc:
    moment = instant(index)
    time: Any = moment.timestamp() if floats else core_time(moment)
    doc: Doc = {
        "id": entity_id,
        "content": f"note {index}: the harbour at noon",
        "embedding": numbers(vector),
        "timestamp": time,
        "quickrecal_score": round(0.3 + index % 35 / 50, 2),
        "quickrecal_updated": None,
        "metadata": {"source": "lab", "n": index},
        "access_count": index % 3,
        "last_access_time": time,
        "hyperbolic_embedding": numbers(vector * np.float32(0.5)),
    }
    if floats:
        del doc["quickrecal_updated"]
    return doc


def memory(layout: Name, entity_id: str, index: int, vector: Vector) -> Doc:
    """A memory document, keys in the layout's order; core-3 has both of its eras."""
    if layout == "native":
        return _native_memory(entity_id, index, vector)
    return _core_memory(entity_id, index, vector, floats=layout == "core-3" and index % 2 == 1)


def assembly(layout: Name, entity_id: str, index: int, members: Sequence[Doc]) -> Doc:
    """An assembly document whose composite is its members' mean, made a unit vector."""
    mean = np.mean([np.array(m["embedding"], dtype=np.float64) for m in members], axis=0)
    composite = (mean / np.linalg.norm(mean)).astype(np.float32)
    if layout == "native":
        return {
            "assembly_id": entity_id,
            "name": f"theme {index}",
            "description": "",
            "memory_ids": [m["memory_id"] for m in members],
            "composite_embedding": numbers(composite),
            "created_at": native_time(instant(index, minutes=30)),
            "updated_at": native_time(instant(index, minutes=45)),
            "tags": ["lab"],
        }
    time = core_time(instant(index, minutes=30))
    return {
        "id": entity_id,
        "assembly_id": entity_id,
        "name": f"Assembly around theme {index}",
        "description": "",
        "keywords": ["note", "theme"],
        "memories": list(members),
        "composite_embedding": numbers(composite),
        "hyperbolic_embedding": numbers(composite * np.float32(0.5)),
        "creation_time": time,
        "last_access_time": time,
        "last_activation": time,
        "last_activated": 0.0,
        "activation_count": 0,
        "activation_level": 0.0,
        "assembly_schema_version": "1.8",
        "vector_index_updated_at": None,
        "tags": [],
        "topics": [],
        "is_active": True,
        "merged_from": [],
    }


def entity_text(layout: Name, doc: Doc) -> bytes:
    """The bytes of an entity file or catalog: two spaces, no newline at the end."""
    return json.dumps(doc, indent=2, ensure_ascii=layout != "native").encode()


def mapping_text(layout: Name, entries: dict[str, int]) -> bytes:
    """The bytes of a mapping file: newer Memory Cores write it on one line."""
    return json.dumps(entries, indent=None if layout == "core-4" else 2).encode()


def row(layout: Name, doc: Doc, path: str, raw: bytes) -> Doc:
    """The catalog row that a document deserves."""
    is_memory = "content" in doc
    if layout == "native":
        times = {"created_at": doc.get("created_at"), "updated_at": doc.get("updated_at")}
        digest = "sha256:" + hashlib.sha256(raw).hexdigest()
        if is_memory:
            score = doc.get("quickrecal_score")
            return {"filepath": path, **times, "quickrecal_score": score, "content_hash": digest}
        count = len(doc.get("memory_ids", ()))
        return {"filepath": path, **times, "member_count": count, "content_hash": digest}
    kind = "memory" if is_memory else "assembly"
    saved = doc.get("timestamp", EPOCH.timestamp())
    if layout == "core-4":
        # Rows of this era bear the moment of saving, which no file knows.
        return {"path": path, "type": kind, "timestamp": core_time(instant(77))}
    if is_memory:
        score = doc.get("quickrecal_score")
        return {"path": path, "timestamp": saved, "quickrecal": score, "type": kind}
    return {"path": path, "timestamp": saved, "type": kind}
