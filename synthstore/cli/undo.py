"""``synthstore undo``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthstore.cli import options
from synthstore.cli.command import Common
from synthstore.cli.manual import Manual
from synthstore.cli.prompt import require_terminal
from synthstore.cli.writing import warn_of_core
from synthstore.errors import InterruptedByUserError, PartialError, UsageError

if TYPE_CHECKING:
    from synthstore.repair.undoing import UndoReport

MANUAL = Manual(
    examples=(
        ("synthstore undo /data/store", "take the newest run back"),
        ("synthstore undo /data/store --list", "show the recorded runs"),
    ),
    exits=(0, 2, 3, 4, 10, 11, 12, 130),
    meanings={3: "files that changed, or whose copy is damaged, were left; else done"},
    panel="Companions",
    writes=True,
)


async def undo(
    common: Common,
    *,
    store: options.RequiredStore,
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN", show_default=False, help="The run's id; else the newest."),
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="Show the recorded runs, newest first.")
    ] = False,
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Let old runs and the quarantine go; they cannot be undone."),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            rich_help_panel=options.SAFETY,
            help="Undo files too that have changed since the run; leave those whose kept copy is"
            " damaged.",
        ),
    ] = False,
    dry_run: options.DryRun = False,
    yes: options.Yes = False,
) -> int:
    """Take back what a command did to a store, byte for byte.

    Every command that writes to a store records a run; undoing one is a run of its own. Refuses
    where a file has changed since, or its kept copy is damaged, unless --force is given.
    """
    check(run=run, list_=list_, prune=prune, force=force)
    root = Path(store)
    if list_:
        return await _list(common, root)
    if not (yes or dry_run):
        require_terminal("undo")
    await warn_of_core(common, root, None)
    if prune:
        return await _prune(common, root, dry_run=dry_run, asks=not yes)
    return await _undo(common, root, run, force=force, dry_run=dry_run, asks=not yes)


def check(*, run: str | None, list_: bool, prune: bool, force: bool) -> None:
    """Refuse combinations that mean nothing, before anything is opened."""
    if list_ and prune:
        raise UsageError("--list and --prune exclude each other")
    if (list_ or prune) and (run is not None or force):
        raise UsageError("--list and --prune take no RUN and no --force")


async def _list(common: Common, root: Path) -> int:
    from synthstore.render.documents import runs_document  # noqa: PLC0415
    from synthstore.render.undoing import runs_blocks  # noqa: PLC0415
    from synthstore.repair.undoing import runs  # noqa: PLC0415

    found = tuple(reversed(await runs(root)))
    if common.screen.json:
        common.screen.document(runs_document(str(root), found))
    else:
        common.screen.results(runs_blocks(str(root), found))
    return 0


async def _prune(common: Common, root: Path, *, dry_run: bool, asks: bool) -> int:
    from synthstore.render.documents import prune_document  # noqa: PLC0415
    from synthstore.render.undoing import prune_blocks  # noqa: PLC0415
    from synthstore.repair.undoing import prune  # noqa: PLC0415

    if asks and not dry_run:
        plan = await prune(root, lock_wait=common.lock_wait, dry_run=True)
        common.screen.errors(prune_blocks(plan, dry_run=True))
        if not common.ask("let them go?"):
            raise InterruptedByUserError("declined; nothing was changed")
    report = await prune(root, lock_wait=common.lock_wait, dry_run=dry_run)
    common.call.done(0, dry_run=dry_run)
    if common.screen.json:
        common.screen.document(prune_document(report, dry_run=dry_run))
    elif not common.screen.quiet:
        common.screen.results(prune_blocks(report, dry_run=dry_run))
    return 0


async def _undo(
    common: Common, root: Path, run: str | None, *, force: bool, dry_run: bool, asks: bool
) -> int:
    from synthstore.render.documents import undo_document  # noqa: PLC0415
    from synthstore.render.undoing import (  # noqa: PLC0415
        dry_undo_blocks,
        recovered_blocks,
        undo_blocks,
    )
    from synthstore.repair.undoing import undo  # noqa: PLC0415

    screen = common.screen

    def confirm(plan: UndoReport) -> bool:
        if not asks:
            return True
        screen.errors(undo_blocks(common.shown(plan), verbose=screen.verbose > 0, planned=True))
        return common.ask("undo?")

    report = await undo(
        root,
        run,
        force=force,
        dry_run=dry_run,
        lock_wait=common.lock_wait,
        confirm=confirm,
        progress=common.progress,
    )
    code = PartialError.exit_code if report.conflicts or report.damaged else 0
    common.call.done(code, dry_run=dry_run)
    common.progress.clear()
    shown = common.shown(report)
    if screen.json:
        screen.document(undo_document(shown))
    elif dry_run:
        again = common.again if run is not None else f"{common.again} {report.undone}"
        screen.results(dry_undo_blocks(shown, again, verbose=screen.verbose > 0))
    elif not screen.quiet:
        screen.results(undo_blocks(shown, verbose=screen.verbose > 0, planned=False))
    elif report.recovered_runs:
        # More was done than was asked for.
        screen.errors(recovered_blocks(shown))
    return code
