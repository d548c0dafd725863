"""``synthstore migrate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from synthstore.cli import options
from synthstore.cli.command import Common
from synthstore.cli.manual import Manual
from synthstore.cli.prompt import require_terminal
from synthstore.cli.writing import warn_of_core
from synthstore.errors import UsageError

if TYPE_CHECKING:
    from synthstore.migrate.report import MigrateReport

MANUAL = Manual(
    examples=(
        ("synthstore migrate /data/store /mnt/new/store", "copy a store to a new place, proven"),
        (
            "synthstore migrate /data/store /data/native --layout native",
            "a Memory Core's store in the design's own layout",
        ),
        (
            "synthstore migrate /data/store --in-place --layout core-4",
            "bring an older store to what the newest Memory Core loads",
        ),
    ),
    exits=(0, 2, 3, 4, 10, 11, 12, 130),
    writes=True,
)

RESUMED = "the source was only read, and the same command goes on from there"
"""What Ctrl-C leaves of a copy."""


async def migrate(
    common: Common,
    *,
    store: options.RequiredStore,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TARGET", show_default=False, help="A new directory, not inside the store."
        ),
    ] = None,
    layout: Annotated[
        Literal["native", "core-4"] | None,
        typer.Option("--layout", help="Convert into this layout; else it stays what it is."),
    ] = None,
    in_place: Annotated[
        bool,
        typer.Option("--in-place", help="Convert the store itself; synthstore undo takes it back."),
    ] = False,
    dry_run: options.DryRun = False,
    yes: options.Yes = False,
) -> int:
    """Bring a store to a new place, into another layout, or both.

    The new store is made beside the target, verified, and held against the source, every id and
    every number, before it is put in its place; the source is never changed, unless it is to be
    converted --in-place. A migration that was cut off is resumed by the same command.
    """
    from synthstore.migrate.operation import MigrateOptions  # noqa: PLC0415
    from synthstore.migrate.operation import migrate as bring  # noqa: PLC0415

    check(target=target, layout=layout, in_place=in_place)
    asks = in_place and not (yes or dry_run)
    if asks:
        require_terminal("migrate --in-place")
    await warn_of_core(common, Path(store), None)
    if not in_place:
        common.call.writes, common.call.unchanged = None, RESUMED
    wanted = MigrateOptions(
        target=None if target is None else Path(target),
        layout=layout,
        dry_run=dry_run,
        lock_wait=common.lock_wait,
        jobs=common.jobs,
    )

    def confirm(plan: MigrateReport) -> bool:
        from synthstore.render.migrations import migrate_blocks  # noqa: PLC0415

        if not asks:
            return True
        verbose = common.screen.verbose > 0
        common.screen.errors(migrate_blocks(common.shown(plan), verbose=verbose, planned=True))
        return common.ask("convert?")

    report = await bring(Path(store), wanted, confirm=confirm, progress=common.progress)
    common.call.done(report.exit_code, dry_run=dry_run)
    return _show(common, report)


def check(*, target: str | None, layout: str | None, in_place: bool) -> None:
    """Refuse combinations that mean nothing, before anything is opened."""
    if in_place and target is not None:
        raise UsageError("TARGET and --in-place exclude each other")
    if in_place and layout is None:
        raise UsageError("--in-place needs --layout native or --layout core-4")
    if not in_place and target is None:
        raise UsageError(
            "migrate needs a TARGET", hint="name a new directory, or give --in-place --layout"
        )


def _show(common: Common, report: MigrateReport) -> int:
    from dataclasses import replace  # noqa: PLC0415

    from synthstore.render.migrations import migrate_blocks, migrate_document  # noqa: PLC0415

    if report.dry_run:
        report = replace(report, next=common.again)
    screen, shown = common.screen, common.shown(report)
    common.progress.clear()
    if screen.json:
        screen.document(migrate_document(shown))
    elif not screen.quiet or report.exit_code:
        verbose = screen.verbose > 0
        screen.results(migrate_blocks(shown, verbose=verbose, planned=report.dry_run))
    return report.exit_code
