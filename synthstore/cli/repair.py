"""``synthstore repair``."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from synthstore.cli import options, vault
from synthstore.cli.command import Common
from synthstore.cli.manual import Manual
from synthstore.cli.prompt import require_terminal
from synthstore.cli.writing import confirmer, index_backups, show_outcome, warn_of_core
from synthstore.errors import UsageError

MANUAL = Manual(
    examples=(
        ("synthstore repair /data/store --dry-run", "show the plan, change nothing"),
        ("synthstore repair /data/store", "show the plan, ask, apply, verify again"),
        ("synthstore repair /data/store --safe", "for cron: only what can lose nothing"),
    ),
    exits=(0, 1, 2, 3, 4, 10, 11, 12, 130),
    meanings={
        0: "nothing is left at or above --fail-on",
        1: "findings at or above --fail-on are left",
    },
    writes=True,
)


async def repair(
    common: Common,
    *,
    store: options.Store = None,
    repo: vault.Repos = None,
    name: vault.KinName = None,
    layout: options.LayoutOption = None,
    metrics_file: options.MetricsFile = None,
    select: options.Select = None,
    ignore: options.Ignore = None,
    ids: options.Ids = None,
    fail_on: options.Fail = "error",
    dry_run: options.DryRun = False,
    yes: options.Yes = False,
    safe: Annotated[
        bool,
        typer.Option(
            "--safe",
            rich_help_panel=options.SAFETY,
            help="Do, without asking, only what can lose nothing.",
        ),
    ] = False,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            "--accept",
            metavar="CODES",
            rich_help_panel=options.SAFETY,
            help="Take files as they are, such as M004, with --id or --all.",
        ),
    ] = None,
    accept_all: Annotated[
        bool,
        typer.Option(
            "--all", rich_help_panel=options.SAFETY, help="Accept for all entities, not by --id."
        ),
    ] = False,
    allow_shrink: options.AllowShrink = False,
) -> int:
    """Bring a store back in order, and verify it again.

    Scans in full, plans, shows the plan, asks, applies, verifies. Heals from any surviving copy
    and invents nothing. Every byte that it displaces is kept, and given back by synthstore undo.
    """
    from synthstore.checks.catalogue import CATALOGUE  # noqa: PLC0415
    from synthstore.cli.metering import metered  # noqa: PLC0415
    from synthstore.repair.operation import RepairOptions  # noqa: PLC0415
    from synthstore.repair.operation import repair as repair_store  # noqa: PLC0415
    from synthstore.repair.snapshots import snapshots_of  # noqa: PLC0415

    check(accept=accept, accept_all=accept_all, ids=ids, safe=safe)
    asks = not (yes or safe or dry_run)
    if asks:
        require_terminal("repair")
    root = common.store(store, os.environ)
    confirm = confirmer(common, asks=asks, silent=metrics_file == "-")
    newest = vault.newest(repo, name, despite_losses=True)
    with metered(common, metrics_file, "repair", [root]) as meter:
        wanted = RepairOptions(
            dry_run=dry_run,
            safe=safe,
            select=options.codes(select, "--select", CATALOGUE),
            ignore=options.codes(ignore, "--ignore", CATALOGUE),
            ids=frozenset(ids or ()),
            accept=options.codes(accept, "--accept", CATALOGUE),
            accept_all=accept_all,
            allow_shrink=allow_shrink,
            fail_on=options.threshold(fail_on),
            lock_wait=common.lock_wait,
            jobs=common.jobs,
            severities=options.severities(common.config, CATALOGUE),
            layout=layout,
            copies=index_backups(common),
            sources=() if newest is None else (snapshots_of(newest),),
            against=newest,
        )
        await warn_of_core(common, root, layout)
        report = await repair_store(root, wanted, confirm=confirm, progress=common.progress)
        meter.add(root, report)
        common.call.done(report.exit_code, dry_run=dry_run)
    return show_outcome(common, report, silent=metrics_file == "-")


def check(*, accept: list[str] | None, accept_all: bool, ids: list[str] | None, safe: bool) -> None:
    """Refuse combinations that mean nothing, before anything is opened."""
    if accept and not (ids or accept_all):
        raise UsageError("--accept needs --id ID, or --all to accept for every entity")
    if accept_all and not accept:
        raise UsageError("--all goes with --accept")
    if accept_all and ids:
        raise UsageError("--all and --id exclude each other")
    if accept and safe:
        raise UsageError("--accept and --safe exclude each other")
