"""``synthstore snapshots``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from synthstore.cli import options, vault
from synthstore.cli.command import Common
from synthstore.cli.manual import Manual
from synthstore.config import parse_duration
from synthstore.errors import UsageError

if TYPE_CHECKING:
    from synthstore.backup.retention import Keep
    from synthstore.repository.place import Place

MANUAL = Manual(
    examples=(
        ("synthstore snapshots list --repo /backup/repo", "what there is"),
        ('synthstore snapshots find "words of a memory" --repo REPO', "which hold a memory"),
        ("synthstore snapshots check --read-data --max-age 26h --repo REPO", "all is there"),
        ("synthstore snapshots prune --keep-daily 7 --repo REPO", "let old ones go"),
    ),
    exits=(0, 1, 2, 3, 4, 10, 11, 130),
    meanings={
        1: "check found damage in the repository, or the newest is too old",
        10: "not a repository, or a newer format",
    },
    panel="Companions",
)

KEPT = "every snapshot that stays in the repository is whole"
"""What Ctrl-C leaves; what an interrupted prune had still to remove the next one does."""

Action = Literal["list", "find", "check", "prune"]


async def snapshots(
    common: Common,
    *,
    action: Annotated[Action, typer.Argument(metavar="ACTION", help="list, find, check, prune.")],
    wanted: Annotated[
        str | None,
        typer.Argument(metavar="ID|TEXT", show_default=False, help="find: what to look for."),
    ] = None,
    repo: vault.Repo = None,
    name: vault.Name = None,
    read_data: Annotated[
        bool, typer.Option("--read-data", help="check: read and hash every byte.")
    ] = False,
    drill: Annotated[
        bool, typer.Option("--drill", help="check: restore the newest aside and verify it.")
    ] = False,
    max_age: Annotated[
        str | None,
        typer.Option("--max-age", metavar="26h", help="check: fail if the newest is older."),
    ] = None,
    dry_run: options.DryRun = False,
    keep_last: vault.KeepLast = None,
    keep_hourly: vault.KeepHourly = None,
    keep_daily: vault.KeepDaily = None,
    keep_weekly: vault.KeepWeekly = None,
    keep_monthly: vault.KeepMonthly = None,
    keep_yearly: vault.KeepYearly = None,
    keep_within: vault.KeepWithin = None,
) -> int:
    """List, search, check or thin out snapshots."""
    keep = vault.rules(
        keep_within,
        last=keep_last,
        hourly=keep_hourly,
        daily=keep_daily,
        weekly=keep_weekly,
        monthly=keep_monthly,
        yearly=keep_yearly,
    )
    refuse(action, wanted=wanted, looks=read_data or drill or max_age is not None, keeps=keep.any)
    place = vault.place(repo)
    match action:
        case "list":
            return await _list(common, place, name)
        case "find":
            return await _find(common, place, wanted or "", name)
        case "check":
            age = parse_duration(max_age) if max_age is not None else None
            return await _check(common, place, name, read_data=read_data, drill=drill, age=age)
        case "prune":
            return await _prune(common, place, keep, name, dry_run=dry_run)


def refuse(action: Action, *, wanted: str | None, looks: bool, keeps: bool) -> None:
    """Refuse combinations that mean nothing, before anything is opened."""
    if (action == "find") != (wanted is not None):
        raise UsageError("find needs an id or words, and nothing else takes them")
    if looks and action != "check":
        raise UsageError("--read-data, --drill and --max-age go with check")
    if keeps and action != "prune":
        raise UsageError("--keep-* go with prune")
    if action == "prune" and not keeps:
        raise UsageError(
            "prune needs a rule", hint="say what to keep: --keep-daily 7 --keep-weekly 5"
        )


async def _list(common: Common, place: Place, name: str | None) -> int:
    from asyncio import to_thread  # noqa: PLC0415

    from synthstore.render.backup_documents import snapshots_document  # noqa: PLC0415
    from synthstore.render.backups import snapshots_blocks  # noqa: PLC0415
    from synthstore.repository.vault import Repository  # noqa: PLC0415

    repository = await to_thread(Repository.open, place)
    found = await to_thread(repository.snapshots, name)
    if common.screen.json:
        common.screen.document(snapshots_document(place.where, found, repository.unread))
    else:
        common.screen.results(snapshots_blocks(place.where, found))
    return 3 if repository.unread else 0


async def _find(common: Common, place: Place, wanted: str, name: str | None) -> int:
    from asyncio import to_thread  # noqa: PLC0415

    from synthstore.backup.find import find  # noqa: PLC0415
    from synthstore.render.backup_documents import find_document  # noqa: PLC0415
    from synthstore.render.backups import find_blocks  # noqa: PLC0415

    report = await to_thread(
        find, place, wanted, name, lock_wait=common.lock_wait, progress=common.progress
    )
    common.progress.clear()
    if common.screen.json:
        common.screen.document(find_document(report))
    else:
        common.screen.results(find_blocks(report, verbose=common.screen.verbose > 0))
    return 3 if report.unread else 0


async def _check(
    common: Common,
    place: Place,
    name: str | None,
    *,
    read_data: bool,
    drill: bool,
    age: float | None,
) -> int:
    from synthstore.backup.check import CheckOptions  # noqa: PLC0415
    from synthstore.backup.drill import check, drill_folder  # noqa: PLC0415
    from synthstore.render.backup_documents import check_document  # noqa: PLC0415
    from synthstore.render.backups import check_blocks, check_warnings  # noqa: PLC0415

    wanted = CheckOptions(
        name=name,
        read_data=read_data,
        drill=drill_folder() if drill else None,
        lock_wait=common.lock_wait,
        max_age=age,
    )
    report = await check(place, wanted, common.progress)
    shown, screen = common.shown(report), common.screen
    common.progress.clear()
    screen.errors(check_warnings(shown))
    if screen.json:
        screen.document(check_document(shown))
    else:
        screen.results(check_blocks(shown, verbose=screen.verbose > 0, quiet=screen.quiet))
    return report.exit_code


async def _prune(
    common: Common, place: Place, keep: Keep, name: str | None, *, dry_run: bool
) -> int:
    from asyncio import to_thread  # noqa: PLC0415

    from synthstore.backup.prune import prune_repository  # noqa: PLC0415
    from synthstore.render.backup_documents import snapshots_prune_document  # noqa: PLC0415
    from synthstore.render.backups import prune_blocks  # noqa: PLC0415

    common.call.unchanged = KEPT
    report = await to_thread(
        prune_repository,
        place,
        keep,
        name=name,
        dry_run=dry_run,
        lock_wait=common.lock_wait,
        progress=common.progress,
    )
    common.call.done(report.exit_code, dry_run=dry_run)
    common.progress.clear()
    if common.screen.json:
        common.screen.document(snapshots_prune_document(report))
    elif not common.screen.quiet:
        common.screen.results(prune_blocks(report, verbose=common.screen.verbose > 0))
    return report.exit_code
