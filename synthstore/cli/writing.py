"""What the commands that write to a store have in common: warn, show the plan, ask."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from synthstore.cli.command import Common
from synthstore.render.screen import Line

if TYPE_CHECKING:
    from synthstore.checks.report import RepairReport
    from synthstore.store.backups import Copies

STOP = "stop the Memory Core first: it takes no lock, and would overwrite what is changed here"


async def warn_of_core(common: Common, store: Path, layout: str | None) -> None:
    """Where a Memory Core may be writing too, say so before anything is done.

    Raises NotAStoreError as the command itself would.
    """
    from asyncio import to_thread  # noqa: PLC0415

    from synthstore.store.evidence import recognise  # noqa: PLC0415
    from synthstore.store.history import unfinished_runs  # noqa: PLC0415
    from synthstore.store.journal import run_folders  # noqa: PLC0415
    from synthstore.store.opening import find_root  # noqa: PLC0415

    root = find_root(store)
    common.call.before = frozenset(folder.run for folder in run_folders(root))
    common.call.begun = frozenset(run.run for run in unfinished_runs(root))
    common.call.writes = store
    if not common.screen.quiet:
        _warn(common, (await to_thread(recognise, root, layout)).name)


def _warn(common: Common, layout: str) -> None:
    if layout != "native":
        common.screen.errors([Line(STOP, "warning")])


def index_backups(common: Common) -> Copies:
    """How many copies of the catalog the config file wants, and how far apart."""
    from synthstore.store.backups import Copies  # noqa: PLC0415

    store = common.config.store
    return Copies(store.index_backup_count, store.backup_interval)


def confirmer(
    common: Common, *, asks: bool, silent: bool = False
) -> Callable[[RepairReport], bool]:
    """A confirmation that shows the plan, and asks where it is to.

    ``silent`` where something else has stdout for itself.
    """

    def confirm(plan: RepairReport) -> bool:
        from synthstore.render.human import plan_blocks  # noqa: PLC0415

        common.progress.clear()
        if common.screen.quiet:
            _warn(common, plan.layout)  # nothing was said so far, for the store might be clean
        if asks or not common.screen.quiet:
            blocks = plan_blocks(common.shown(plan), verbose=common.screen.verbose > 0)
            # A result; but next to a JSON document nothing else may stand on stdout.
            aside = common.screen.json or silent
            # Who is not asked has agreed already, and need not read the plan to its end.
            with nullcontext() if asks else suppress(BrokenPipeError):
                (common.screen.errors if aside else common.screen.results)(blocks)
        return not asks or not plan.actions or common.ask("apply?")

    return confirm


def show_outcome(common: Common, report: RepairReport, *, silent: bool = False) -> int:
    """Print what a repair did, or in a dry run would do; gives the exit code.

    ``silent`` where something else has stdout for itself.
    """
    from synthstore.render.documents import report_document  # noqa: PLC0415
    from synthstore.render.human import dry_run_blocks, outcome_blocks  # noqa: PLC0415

    planned = report.dry_run and report.next is not None and report.actions
    report = replace(report, next=common.again if planned else common.onward(report.next))
    shown, screen = common.shown(report), common.screen
    common.progress.clear()
    if screen.json:
        screen.document(report_document(shown))
        return report.exit_code
    if silent:
        return report.exit_code
    blocks = dry_run_blocks if report.dry_run else outcome_blocks
    screen.results(blocks(shown, verbose=screen.verbose > 0, quiet=screen.quiet))
    return report.exit_code
