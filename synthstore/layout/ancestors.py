"""How the Memory Core's ancestors are told from it, and from each other."""

from __future__ import annotations

from synthstore.layout.evidence import MISSING, Evidence, Sample
from synthstore.layout.names import UUID_NAME
from synthstore.layout.native import Native

TYPED = "lucidia (typed)"
"""Rows with ``significance`` and ``access_count``, a folder for each type of memory."""

_TYPES = frozenset(
    {"episodic", "semantic", "procedural", "working", "personal", "important", "emotional"}
    | {"general", "conversation", "insight", "experience", "reflection", "dream", "factual"}
)
_TEXTS = frozenset({"content", "text"})
_YOUNGER = frozenset(
    {"access_count", "last_access_time", "quickrecal_updated", "hyperbolic_embedding"}
)
"""Keys that a Memory Core gives its files from the first on."""


def is_typed(evidence: Evidence) -> bool:
    """Whether the typed layout was here, by the rows, else by a torn catalog or the folders."""
    if evidence.catalog is not None:
        rows = [] if _is_young(evidence) else evidence.some_rows
        return any({"significance", "access_count"} <= row.keys() for row in rows)
    torn = evidence.catalog_keys
    marked = torn.get("significance") and not torn.get("memories")
    return bool(marked) or len(evidence.folders & _TYPES) > 1


def by_catalog(evidence: Evidence) -> bool:
    """Whether the catalog is ``lucidia-1``'s: in a section, its rows with a ``path``."""
    if evidence.catalog is None:
        torn = evidence.catalog_keys
        return bool(torn.get("memories") and torn.get("path") and not torn.get("filepath"))
    if evidence.section is None or _is_young(evidence):
        return False
    marked = "count" in evidence.catalog or "last_updated" in evidence.catalog
    return marked or any("path" in row for row in evidence.some_rows)


def _is_young(evidence: Evidence) -> bool:
    """Whether the catalog has what only the design's own layout knows."""
    catalog = evidence.catalog or {}
    nested = evidence.section is not None and not Native.marks.isdisjoint(catalog)
    return nested or any("filepath" in row for row in evidence.some_rows)


def wrote(sample: Sample) -> bool:
    """Whether an ancestor wrote a file: named by UUID, in the root, with no younger key."""
    keys = sample.keys
    spelt = not _TEXTS.isdisjoint(keys) and _YOUNGER.isdisjoint(keys)
    return UUID_NAME.fullmatch(sample.path) is not None and "id" in keys and spelt


def named(evidence: Evidence) -> int:
    """How many files in the root are named by UUID."""
    return sum(1 for name in evidence.names("") if UUID_NAME.fullmatch(name))


def era(evidence: Evidence) -> str:
    """Which of the two ancestors."""
    return "lucidia-0" if evidence.catalog_problem == MISSING else "lucidia-1"
