"""The Memory Core's ancestors: recognised, so that they can be refused by name."""

from __future__ import annotations

from synthstore.layout.evidence import MISSING, UUID_NAME, Evidence

TYPED = "lucidia (typed)"
"""Rows with ``significance`` and ``access_count``, a folder for each type of memory."""

_TYPES = frozenset(
    {"episodic", "semantic", "procedural", "working", "personal", "important", "emotional"}
    | {"general", "conversation", "insight", "experience", "reflection", "dream", "factual"}
)


def by_catalog(evidence: Evidence) -> str | None:
    """The Lucidia layout that the catalog is of; None for a younger one, or for no catalog."""
    rows = evidence.some_rows
    if any("filepath" in row for row in rows):
        return None
    if any({"significance", "access_count"} <= row.keys() for row in rows):
        return TYPED
    catalog = evidence.catalog or {}
    if evidence.section is None or "metadata" in catalog or "assemblies" in catalog:
        return None
    marked = "count" in catalog or "last_updated" in catalog
    return "lucidia-1" if marked or any("path" in row for row in rows) else None


def by_files(evidence: Evidence) -> str | None:
    """The Lucidia layout that names of files and folders speak for, or a torn catalog."""
    root = evidence.names("")
    uuids = sum(1 for name in root if UUID_NAME.fullmatch(name))
    if 2 * uuids > len(root) and not evidence.names("memories"):
        return "lucidia-0" if evidence.catalog_problem == MISSING else "lucidia-1"
    typed = len(evidence.folders & _TYPES) > 1
    return TYPED if typed or evidence.catalog_keys.get("significance") else None
