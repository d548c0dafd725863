"""Under which keys each layout writes the fields of an entity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from synthstore.layout.base import Layout
from synthstore.model.ids import Kind

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a layout spells one kind of entity."""

    keys: Mapping[str, str]
    """Attribute → key, in the order of a new document."""
    fresh: Mapping[str, object] = field(default_factory=dict)
    """What else a new document has."""
    closed: bool = False
    """Whether its readers drop a document with a key that they do not know."""


_CORE_MEMORY = Spelling(
    {
        "memory_id": "id",
        "content": "content",
        "embedding": "embedding",
        "created_at": "timestamp",
        "quickrecal_score": "quickrecal_score",
        "metadata": "metadata",
        "access_count": "access_count",
        "updated_at": "last_access_time",
    },
    {"quickrecal_updated": None, "hyperbolic_embedding": None},
    closed=True,
)
CORE_ASSEMBLY = Spelling(
    {
        "assembly_id": "id",
        "name": "name",
        "description": "description",
        "memory_ids": "memories",
        "composite_embedding": "composite_embedding",
        "created_at": "creation_time",
        "updated_at": "last_access_time",
        "tags": "tags",
    },
    {
        "keywords": [],
        "hyperbolic_embedding": None,
        "last_activation": None,
        "activation_count": 0,
        "activation_level": 0.0,
        "assembly_schema_version": "1.8",
        "vector_index_updated_at": None,
        "topics": [],
        "is_active": True,
        "merged_from": [],
    },
)
_NATIVE_MEMORY = Spelling(
    {
        name: name
        for name in (
            "memory_id", "content", "embedding", "created_at", "updated_at", "quickrecal_score",
            "metadata", "access_count",
        )
    }
)  # fmt: skip
_NATIVE_ASSEMBLY = Spelling(
    {
        name: name
        for name in (
            "assembly_id", "name", "description", "memory_ids", "composite_embedding",
            "created_at", "updated_at", "tags",
        )
    }
)  # fmt: skip


def spelling(layout: Layout, kind: Kind) -> Spelling:
    """How ``layout`` spells ``kind``."""
    if layout.name == "native":
        return _NATIVE_MEMORY if kind == "memory" else _NATIVE_ASSEMBLY
    return _CORE_MEMORY if kind == "memory" else CORE_ASSEMBLY


def embeds_members(layout: Layout, kind: Kind) -> bool:
    """Whether documents of ``kind`` hold copies of other entities."""
    return kind == "assembly" and layout.name != "native"
