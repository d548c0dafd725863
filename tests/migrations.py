"""Migrations as the tests call them, and what must be true of a store that one has made."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from synthstore.layout.documents import read_entity
from synthstore.migrate.operation import MigrateOptions, migrate
from synthstore.migrate.report import MigrateReport
from synthstore.model.entities import Entity
from synthstore.model.ids import EntityRef
from synthstore.store.evidence import recognise
from synthstore.testing import flat_bytes
from synthstore.testing.spelling import Doc, Name
from tests import oracle

TEN = frozenset(
    {
        "id", "content", "embedding", "timestamp", "quickrecal_score", "quickrecal_updated",
        "metadata", "access_count", "last_access_time", "hyperbolic_embedding",
    }
)  # fmt: skip
"""The keys of a memory that the newest Memory Core reads."""


def bring(
    store: Path, target: Path | None, layout: str | None = None, *, dry_run: bool = False
) -> MigrateReport:
    """Migrate, and say yes; without a target in place."""
    options = MigrateOptions(target=target, layout=layout, dry_run=dry_run, jobs=1)
    return asyncio.run(migrate(store, options, confirm=lambda _: True))


def entities(root: Path) -> dict[EntityRef, Entity]:
    """Every entity of a store as the library sees it, whatever the layout."""
    layout = recognise(root)
    found = {}
    for one in oracle.entities(root, _family(layout.name)).values():
        ref = EntityRef("memory" if one.is_memory else "assembly", one.id)
        found[ref] = read_entity(layout, ref, one.doc)
    return found


def _family(layout: str) -> Name:
    return layout if layout in ("native", "core-4") else "core-3"  # type: ignore[return-value]


def unreadable(root: Path) -> Iterator[str]:
    """What the newest Memory Core would trip over, a line each."""
    memories = {}
    for path in sorted((root / "memories").glob("*.json")):
        if path.stem.endswith(".tmp"):
            continue
        doc = json.loads(path.read_bytes())
        memories[doc["id"]] = doc
        yield from _foreign_keys(path.name, doc)
        if path.name != doc["id"].replace(":", "-") + ".json":
            yield f"{path.name} is named for another id than {doc['id']}"
    for path in sorted((root / "assemblies").glob("*.json")):
        for member in json.loads(path.read_bytes())["memories"]:
            yield from _foreign_keys(f"a member in {path.name}", member)
            if memories.get(member["id"], member) != member:
                yield f"{path.name}: its copy of {member['id']} is not the memory"
    for name, row in json.loads((root / "memory_index.json").read_bytes()).items():
        if not (root / row["path"]).is_file():
            yield f"the row {name} names a file that is not there"
    yield from _not_nearest(root, memories)


def _foreign_keys(where: str, doc: Doc) -> Iterator[str]:
    if doc.keys() != TEN:
        yield f"{where}: {sorted(doc.keys() ^ TEN)}"
    times = (doc.get(key) for key in ("timestamp", "last_access_time", "quickrecal_updated"))
    if not all(time is None or isinstance(time, str) for time in times):
        yield f"{where}: a time is no text"


def _not_nearest(root: Path, memories: dict[str, Doc]) -> Iterator[str]:
    flat = flat_bytes.parse((root / "faiss_index.bin").read_bytes())
    names = ("faiss_index.bin.mapping.json", "id_to_index.json")
    mapping, other = (json.loads((root / name).read_bytes()) for name in names)
    if mapping != other or sorted(mapping.values()) != sorted(flat.ids.tolist()):
        yield "mappings and index hold other numbers"
    for name, doc in memories.items():
        vector = np.array(doc["embedding"] or [], dtype=np.float32)
        if not vector.any():
            continue
        far = ((flat.vectors - vector) ** 2).sum(axis=1) if flat.l2 else -(flat.vectors @ vector)
        # Some memories say the same thing: then one is as near as the other.
        if far[flat.ids == mapping[name]] > far.min():
            yield f"{name} is not its own nearest neighbour"
