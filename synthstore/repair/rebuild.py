"""rebuild-index: the catalog and the vectors from the entity files alone, always in full."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from synthstore.checks.finding import Severity
from synthstore.checks.report import RepairReport
from synthstore.progress import Progress
from synthstore.repair.operation import Confirm, Job, mend_store
from synthstore.repair.plan import IndexWish
from synthstore.repair.wishes import Wishes
from synthstore.store.backups import DEFAULT_COPIES, Copies
from synthstore.store.evidence import recognise
from synthstore.store.opening import Clock, find_root
from synthstore.verify import LookOptions

Part = Literal["memory-index", "vectors"]

PARTS: dict[Part | None, frozenset[str]] = {
    None: frozenset({"catalog", "index"}),
    "memory-index": frozenset({"catalog"}),
    "vectors": frozenset({"index"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildOptions:
    """What to rebuild, and as what."""

    only: Part | None = None
    factory: str | None = None
    """A FAISS factory string; None keeps the type of an index that can be read."""
    metric: str | None = None
    """``ip`` or ``l2``; None keeps the metric of an index that can be read."""
    allow_shrink: bool = False
    dry_run: bool = False
    lock_wait: float = 0.0
    jobs: int | None = None
    cluster: str | None = None
    """The address of a Dask scheduler."""
    layout: str | None = None
    copies: Copies = DEFAULT_COPIES
    """The index backups that are taken before the catalog is replaced."""


async def rebuild_index(
    store: Path, options: RebuildOptions, *, confirm: Confirm, progress: Progress | None = None
) -> RepairReport:
    """Rebuild the chosen parts; raises as ``repair`` does, UsageError for a factory that fails."""
    clock = Clock()
    root = find_root(store)
    layout = await asyncio.to_thread(recognise, root, options.layout)
    job = Job(
        command="rebuild-index",
        store=store,
        root=root,
        layout=layout,
        look=LookOptions(
            fail_on=Severity.ERROR,
            jobs=options.jobs,
            cluster=options.cluster,
            layout=options.layout,
        ),
        wishes=Wishes(allow_shrink=options.allow_shrink),
        wish=IndexWish(options.factory, options.metric),
        clock=clock,
        dry_run=options.dry_run,
        rebuild=PARTS[options.only],
        copies=options.copies,
    )
    return await mend_store(job, options.lock_wait, confirm, progress)
