"""Healthy stores: built for the table of damages, or filled with what was exported."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from synthstore.testing.spelling import NAMES
from synthstore.testing.stores import MEMBERS, build
from synthstore.transfer.importing import ImportOptions, import_rows
from synthstore.transfer.sources import FileSource


def made(root: Path, n: int, dim: int, seed: int, layout: str) -> Path:
    """A store of ``n`` memories at ``root``; raises ValueError for one that cannot be made."""
    name = next((name for name in NAMES if name == layout), None)
    if name is None or n < 1 or dim < 1:
        raise ValueError(f"no store of {n} memories, {dim} numbers each, in layout {layout!r}")
    build(name, root, memories=n, assemblies=min(2, n // MEMBERS), dim=dim, seed=seed)
    return root


def filled(root: Path, exported: Path) -> Path:
    """A native store of all rows of a file; raises ValueError where one is refused or cut."""
    options = ImportOptions(create=True, layout="native", jobs=1)
    source = FileSource(exported)
    # In a thread of its own, for a test may have a loop that runs.
    with ThreadPoolExecutor(1) as apart:
        report = apart.submit(lambda: asyncio.run(import_rows(root, source, options))).result()
    if report.refusals:
        first = report.refusals[0]
        raise ValueError(f"{exported}: row {first.row}: {first.reason}")
    return root
