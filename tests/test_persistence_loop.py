"""The event loop is never held up for longer than 10 ms, whatever the library does beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from synthstore import MemoryPersistence, StoreConfig
from synthstore.testing import spelling
from synthstore.testing.flat_bytes import Flat
from synthstore.testing.stores import unit_vectors
from tests.loop_watch import DIM, LIMIT, Acts, longest_gap
from tests.persistence_stores import ROOT

ROWS = 20_000


@pytest.fixture(scope="module")
def large_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 20,000 rows and vectors; its memories are not looked into."""
    root = tmp_path_factory.mktemp("large") / "store"
    (root / "memories").mkdir(parents=True)
    (root / "vector_index").mkdir()
    names = [f"memory-{n:05}" for n in range(ROWS)]
    # Were the folder empty, it would be taken for that of a volume which is not mounted.
    (root / "memories" / f"{names[0]}.json").write_text("{}")
    row = {
        "created_at": "2025-03-15T14:32:01.123456",
        "updated_at": "2025-03-15T14:45:22.654321",
        "quickrecal_score": 0.85,
        "content_hash": "sha256:" + "a" * 64,
    }
    catalog = {
        "memories": {name: {"filepath": f"memories/{name}.json", **row} for name in names},
        "assemblies": {},
        "metadata": {"version": "2.3.0", "memory_count": ROWS, "assembly_count": 0},
    }
    (root / "memory_index.json").write_text(json.dumps(catalog, indent=2))
    ids = np.array([spelling.numeric(name) for name in names], dtype=np.int64)
    vectors = unit_vectors(ROWS, DIM, seed=1)
    (root / "vector_index" / "memory_vectors.faiss").write_bytes(
        Flat("IxM2", False, ids, vectors).dump()
    )
    mapping = dict(zip(names, ids.tolist(), strict=True))
    (root / "vector_index" / "mapping.json").write_text(json.dumps(mapping))
    return root


class Audit:
    """What the loop's own thread opens, renames, removes or starts, while it is on."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        self._thread = threading.get_ident()
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[object, ...]) -> None:
        if self.on and threading.get_ident() == self._thread and event.startswith(_BLOCKING):
            self.seen.append(f"{event} {args[:1]}")


_BLOCKING = ("open", "os.", "subprocess.", "import", "shutil.", "time.sleep")


async def test_the_watch_sees_what_blocks() -> None:
    async def block() -> None:
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass

    assert await longest_gap(block) > 0.04


def test_nothing_blocks_the_loop(large_store: Path) -> None:
    plain = {name: text for name, text in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.loop_watch", str(large_store)],
        cwd=ROOT,
        env=plain,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    gaps = json.loads(done.stdout)
    assert set(gaps) == {"save", "batch", "load", "stream", "search", "delete", "flush"}
    assert max(gaps.values()) <= LIMIT * 1000, gaps


async def test_the_loop_itself_touches_no_file(large_store: Path) -> None:
    audit = Audit()
    async with MemoryPersistence(StoreConfig(storage_path=large_store, auto_repair=False)) as p:
        acts = Acts(p)
        for act in acts.all:
            await act()
        audit.on = True
        for act in (*acts.all, p.flush):
            await act()
        audit.on = False
    assert audit.seen == []
