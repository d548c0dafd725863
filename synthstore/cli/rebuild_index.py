"""``synthstore rebuild-index``."""

from __future__ import annotations

import os
from typing import Annotated, Literal

import typer

from synthstore.cli import options
from synthstore.cli.command import Common
from synthstore.cli.manual import Manual
from synthstore.cli.writing import confirmer, index_backups, show_outcome, warn_of_core

MANUAL = Manual(
    examples=(
        ("synthstore rebuild-index /data/store", "catalog and vectors anew, from the files"),
        ("synthstore rebuild-index /data/store --only vectors -n", "show what would change"),
    ),
    exits=(0, 1, 2, 3, 4, 10, 11, 12, 130),
    meanings={1: "done, but findings are left"},
    writes=True,
)


async def rebuild_index(
    common: Common,
    *,
    store: options.Store = None,
    only: Annotated[
        Literal["memory-index", "vectors"] | None,
        typer.Option("--only", help="Only the catalog, or only the vectors and their mapping."),
    ] = None,
    factory: Annotated[
        str | None,
        typer.Option(
            "--factory", metavar="TYPE", help='Index type, such as "IDMap2,Flat"; else kept.'
        ),
    ] = None,
    metric: Annotated[
        Literal["ip", "l2"] | None,
        typer.Option("--metric", help="Inner product or squared distance; else kept."),
    ] = None,
    layout: options.LayoutOption = None,
    executor: options.Executor = None,
    dry_run: options.DryRun = False,
    _yes: options.Yes = False,
    allow_shrink: options.AllowShrink = False,
) -> int:
    """Build catalog and vectors anew from the entity files alone.

    Built aside, read back, compared, swapped; an existing readable index keeps its type and
    metric unless told otherwise. Never asks; synthstore undo takes it back.
    """
    from synthstore.scan.workers import expect  # noqa: PLC0415

    root = common.store(store, os.environ)
    if executor is None:
        expect([root], common.jobs)
    from synthstore.repair.rebuild import RebuildOptions  # noqa: PLC0415
    from synthstore.repair.rebuild import rebuild_index as rebuild_store  # noqa: PLC0415

    wanted = RebuildOptions(
        only=only,
        factory=factory,
        metric=metric,
        allow_shrink=allow_shrink,
        dry_run=dry_run,
        lock_wait=common.lock_wait,
        jobs=common.jobs,
        cluster=options.cluster(executor),
        layout=layout,
        copies=index_backups(common),
    )
    await warn_of_core(common, root, layout)
    confirm = confirmer(common, asks=False)
    report = await rebuild_store(root, wanted, confirm=confirm, progress=common.progress)
    common.call.done(report.exit_code, dry_run=dry_run)
    return show_outcome(common, report)
