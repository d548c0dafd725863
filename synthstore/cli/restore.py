"""``synthstore restore``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from synthstore.cli import options, vault
from synthstore.cli.ahead import RESTORE_WORKERS
from synthstore.cli.command import Common
from synthstore.cli.glimpse import newest_files
from synthstore.cli.manual import Manual
from synthstore.cli.prompt import require_terminal
from synthstore.cli.writing import index_backups, warn_of_core

if TYPE_CHECKING:
    from synthstore.backup.restore import RestoreReport

MANUAL = Manual(
    examples=(
        ("synthstore restore /data/new --repo /backup/repo", "the newest snapshot, whole"),
        (
            "synthstore restore /data/store --repo REPO --snapshot 2025-03-18 --id ID",
            "one memory as it was then, into a living store",
        ),
    ),
    exits=(0, 1, 2, 3, 4, 10, 11, 12, 130),
    meanings={1: "done, but what was restored has findings"},
    panel="Companions",
    writes=True,
)


async def restore(
    common: Common,
    *,
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="A new directory, or an existing store.")
    ],
    repo: vault.Repo = None,
    name: vault.LikelyName = None,
    snapshot: Annotated[
        str,
        typer.Option(
            "--snapshot",
            metavar="latest|ID|TIME",
            help="Which one; a time means the newest at or before it.",
        ),
    ] = "latest",
    ids: Annotated[
        list[str] | None,
        typer.Option("--id", metavar="ID", help="Only this memory or assembly; more are fine."),
    ] = None,
    overwrite: Annotated[
        Literal["never", "if-newer", "always"],
        typer.Option("--overwrite", help="Over files that an existing store has."),
    ] = "never",
    layout: options.LayoutOption = None,
    dry_run: options.DryRun = False,
    yes: options.Yes = False,
) -> int:
    """Give back a snapshot, or some of its memories.

    Into a new directory: exactly the snapshot's files. Into an existing store: entity files only,
    their rows and vectors computed anew, as one run that synthstore undo takes back.
    """
    from synthstore.scan.workers import expect_files  # noqa: PLC0415

    if not dry_run:
        expect_files(newest_files(repo), common.jobs, RESTORE_WORKERS)
    from synthstore.backup.laying import is_new  # noqa: PLC0415
    from synthstore.backup.restore import RestoreOptions  # noqa: PLC0415
    from synthstore.backup.restore import restore as give_back  # noqa: PLC0415

    root, place = Path(target), vault.place(repo)
    new = is_new(root)
    asks = not (yes or dry_run or new)
    if asks:
        require_terminal("restore")
    if not new:
        await warn_of_core(common, root, layout)
    wanted = RestoreOptions(
        name=name,
        name_by_habit="name" not in common.call.spoken,
        snapshot=snapshot,
        ids=frozenset(ids or ()),
        overwrite=overwrite,
        dry_run=dry_run,
        lock_wait=common.lock_wait,
        jobs=common.jobs,
        layout=layout,
        copies=index_backups(common),
    )

    def confirm(plan: RestoreReport) -> bool:
        from synthstore.render.backups import restore_blocks, restore_warnings  # noqa: PLC0415

        common.progress.clear()
        common.screen.errors(restore_warnings(common.shown(plan)))
        if not asks:
            return True
        verbose = common.screen.verbose > 0
        common.screen.errors(restore_blocks(common.shown(plan), verbose=verbose, planned=True))
        return common.ask("restore?")

    report = await give_back(root, place, wanted, confirm=confirm, progress=common.progress)
    common.call.done(report.exit_code, dry_run=dry_run)
    return _show(common, report)


def _show(common: Common, report: RestoreReport) -> int:
    from synthstore.render.backups import restore_blocks, restore_warnings  # noqa: PLC0415

    common.progress.clear()
    if report.dry_run or report.into == "new directory":
        # Of what was done to a living store it was said before.
        common.screen.errors(restore_warnings(common.shown(report)))
    if common.screen.quiet and not common.screen.json and not report.exit_code:
        return report.exit_code
    from synthstore.render.backup_documents import restore_document  # noqa: PLC0415
    from synthstore.render.screen import Line  # noqa: PLC0415

    screen, shown = common.screen, common.shown(report)
    if screen.json:
        screen.document(restore_document(shown))
    else:
        verbose = screen.verbose > 0
        screen.results(restore_blocks(shown, verbose=verbose, planned=report.dry_run))
        if report.dry_run:
            screen.results([Line("dry run: nothing was changed"), Line(common.again, "command")])
    return report.exit_code
