"""Memories to save, and looks at a store that ask nothing of the library."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synthstore import MemoryAssembly, MemoryEntry
from synthstore.testing.stores import unit_vectors

DIM = 16
ROOT = Path(__file__).parents[1]
"""Where programs must be started from that import the tests."""


def memory(n: int = 0, **fields: Any) -> MemoryEntry:
    """A memory with a unit embedding of its own."""
    vector = unit_vectors(1, DIM, seed=500 + n)[0]
    return MemoryEntry(f"note {n}", **{"memory_id": f"memory-{n}", "embedding": vector, **fields})


def memories(count: int, start: int = 0) -> list[MemoryEntry]:
    """Several of them."""
    return [memory(n) for n in range(start, start + count)]


def assembly(members: Sequence[MemoryEntry], name: str = "theme") -> MemoryAssembly:
    """An assembly whose composite is the mean of its members."""
    mean = np.mean([m.embedding for m in members if m.embedding is not None], axis=0)
    ids = [m.memory_id for m in members]
    return MemoryAssembly(name, ids, mean / np.linalg.norm(mean), assembly_id=f"group-{name}")


def catalog(root: Path) -> dict[str, Any]:
    """memory_index.json as it is."""
    document: dict[str, Any] = json.loads((root / "memory_index.json").read_bytes())
    return document


def rows(root: Path) -> Mapping[str, Any]:
    """The rows of memories in a native catalog."""
    found: Mapping[str, Any] = catalog(root)["memories"]
    return found


def log_lines(root: Path) -> list[dict[str, Any]]:
    """The change log's lines; none where there is no log."""
    path = root / ".synthstore" / "changes.log"
    raw = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in raw.splitlines()]


def quarantined(root: Path) -> list[Path]:
    """Files that lost a conflict."""
    return sorted((root / ".synthstore" / "quarantine").rglob("*.json"))


def run_count(root: Path, command: str) -> int:
    """How many runs of ``command`` the store remembers."""
    records = (root / ".synthstore" / "runs").glob("*/done")
    return sum(json.loads(record.read_bytes())["command"] == command for record in records)
