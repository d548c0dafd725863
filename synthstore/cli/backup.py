"""``synthstore backup``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from synthstore.cli import options, vault
from synthstore.cli.command import Common
from synthstore.cli.glimpse import is_empty
from synthstore.cli.manual import Manual

if TYPE_CHECKING:
    from synthstore.backup.report import BackupReport
    from synthstore.verify import KnownKey

MANUAL = Manual(
    examples=(
        ("synthstore backup /data/store --repo /backup/repo", "add a snapshot"),
        (
            "synthstore backup /data/store --repo /backup/repo --keep-daily 7 --check -q",
            "for cron: and let old ones go, and look at the repository",
        ),
    ),
    exits=(0, 1, 2, 3, 4, 10, 11, 12, 130),
    meanings={
        0: "done, and complete",
        1: "--check found damage in the repository",
        3: "partial: a file could not be read or kept changing, or data had to stay",
        12: "refused: the snapshots of that name are another store's; see --name",
    },
)

_WORK = ("synthstore.backup.shipping", "synthstore.backup.judging", "synthstore.verify")
"""What the workers do: read the store, and take a quick look at it."""

KEPT = "the store was only read, and no half snapshot is in the repository"
"""What Ctrl-C leaves; what was stored by then the next backup goes on from."""


async def backup(
    common: Common,
    *,
    store: options.Store = None,
    repo: vault.Repo = None,
    name: vault.NewName = None,
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", metavar="TAG", help="A word to remember it by; more are fine."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Then look whether the repository is whole.")
    ] = False,
    known: Annotated[
        str | None,
        typer.Option(
            "--known", metavar="FILE", help="Findings of verify --write-known are no damage."
        ),
    ] = None,
    layout: options.LayoutOption = None,
    metrics_file: options.MetricsFile = None,
    dry_run: options.DryRun = False,
    keep_last: vault.KeepLast = None,
    keep_hourly: vault.KeepHourly = None,
    keep_daily: vault.KeepDaily = None,
    keep_weekly: vault.KeepWeekly = None,
    keep_monthly: vault.KeepMonthly = None,
    keep_yearly: vault.KeepYearly = None,
    keep_within: vault.KeepWithin = None,
) -> int:
    """Add a snapshot of a store to a repository.

    The repository is made where there is none. Reads only what changed since the last snapshot;
    the store is not written to, and may be in use.
    What is wrong with the store is said on stderr and changes nothing in the exit code.
    """
    root = common.store(store, os.environ)
    if not dry_run and is_empty(repo):
        from synthstore.scan.workers import expect  # noqa: PLC0415

        expect([root], common.jobs, _WORK)
    from synthstore.backup.snapshot import BackupOptions  # noqa: PLC0415
    from synthstore.backup.snapshot import backup as back_up  # noqa: PLC0415
    from synthstore.checks.catalogue import CATALOGUE  # noqa: PLC0415
    from synthstore.cli.metering import metered  # noqa: PLC0415

    keep = vault.rules(
        keep_within,
        last=keep_last,
        hourly=keep_hourly,
        daily=keep_daily,
        weekly=keep_weekly,
        monthly=keep_monthly,
        yearly=keep_yearly,
    )
    with metered(common, metrics_file, "backup", [root]) as meter:
        place = vault.place(repo)
        common.call.unchanged = KEPT
        wanted = BackupOptions(
            name=name,
            name_by_habit="name" not in common.call.spoken,
            tags=tuple(tag or ()),
            keep=keep if keep.any else None,
            check=check,
            dry_run=dry_run,
            known=_known(known),
            severities=options.severities(common.config, CATALOGUE),
            lock_wait=common.lock_wait,
            jobs=common.jobs,
            layout=layout,
        )
        report = await back_up(root, place, wanted, common.progress)
        meter.add_backup(root, report)
        common.call.done(report.exit_code, dry_run=dry_run)
    return _show(common, report, silent=metrics_file == "-")


def _known(name: str | None) -> frozenset[KnownKey]:
    if name is None:
        return frozenset()
    from synthstore.cli.known import read_known  # noqa: PLC0415

    return read_known(name)


def _show(common: Common, report: BackupReport, *, silent: bool) -> int:
    from synthstore.render.backups import backup_blocks, notices  # noqa: PLC0415

    screen = common.screen
    shown = common.shown(report)
    common.progress.clear()
    screen.errors(notices(shown, quiet=screen.quiet))
    if screen.json:
        from synthstore.render.backup_documents import backup_document  # noqa: PLC0415

        screen.document(backup_document(shown))
    elif not silent:
        screen.results(backup_blocks(shown, verbose=screen.verbose > 0, quiet=screen.quiet))
    return report.exit_code
