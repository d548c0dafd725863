"""``python -m tests.benchmarks``: ours, the bare loop and the peers in turn, in one run.

Prints a table of ratios, since absolute times drift with the machine, and writes JSON on demand.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np
import orjson

from synthstore import __version__
from synthstore.files.buffers import AVAILABLE
from synthstore.scan.pool import usable_cores
from tests.benchmarks import backup, building, commands, metering, persistence
from tests.benchmarks.commands import Store
from tests.benchmarks.table import Row, told


@dataclass(frozen=True, slots=True)
class Size:
    """How much a run does."""

    memories: int
    grown: int
    """Memories of the larger of two stores of 64 dimensions, the other having a fourth."""
    rounds: int
    saves: int


SIZES = {
    "small": Size(2_000, 8_000, rounds=1, saves=50),
    "full": Size(20_000, 100_000, rounds=5, saves=200),
    "million": Size(20_000, 1_000_000, rounds=1, saves=200),
}


def rows(size: Size, scratch: Path, parts: frozenset[str]) -> Iterator[Row]:
    """Everything that is wanted, as it is measured."""
    if parts & {"commands", "backup"}:
        store = Store(building.build(scratch / "store", size.memories, 768), size.memories, 768)
    if "commands" in parts:
        yield from commands.against_bare(store, scratch, size.rounds)
        yield from commands.workers(store, size.rounds)
        yield from commands.start_up(size.rounds)
    if "backup" in parts:
        peers = scratch / "peers"
        peers.mkdir()
        yield from backup.rows(backup.measure(store.root, peers, size.rounds))
        peak = metering.run(backup.once(store.root, scratch), memory=True).peak
        allowed = 300 + size.memories / 1000
        yield Row("  peak memory of backup, against what is allowed", peak, allowed, 1, "MB")
    if "growth" in parts:
        counts = (size.grown // 4, size.grown)
        pair = [Store(building.build(scratch / f"{n}", n, 64), n, 64) for n in counts]
        yield from commands.growth(pair[0], pair[1], scratch, min(size.rounds, 2))
    if "library" in parts:
        lines = asyncio.run(persistence.measure(scratch / "library", size.memories, size.saves))
        yield from (Row(line.what, line.ours, line.bare, line.bound) for line in lines)


PARTS = ("commands", "backup", "growth", "library")


def machine() -> dict[str, object]:
    """What the figures are of."""
    libraries = {"faiss": faiss.__version__, "numpy": np.__version__, "orjson": orjson.__version__}
    return {
        "synthstore": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": usable_cores(),
        "pysimdjson": AVAILABLE,
        **libraries,
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--only", action="append", choices=PARTS, help="leave the others out")
    parser.add_argument("--folder", type=Path, help="where to put the stores; gigabytes")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    metering.adopt_orphans()
    found = []
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="benchmark-") as folder:
        (Path(folder) / "library").mkdir()
        for row in rows(SIZES[given.size], Path(folder), frozenset(given.only or PARTS)):
            found.append(row)
            sys.stderr.write(f"{row.what}\n")
    about = machine()
    sys.stdout.write(", ".join(f"{key} {value}" for key, value in about.items()) + "\n")
    sys.stdout.write("\n".join(told(found)) + "\n")
    if given.json:
        document = {"machine": about, "rows": [row.document() for row in found]}
        given.json.write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main()
