"""``synthstore diff``."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthstore.cli import vault
from synthstore.cli.command import Common
from synthstore.cli.manual import Manual

if TYPE_CHECKING:
    from synthstore.diff import Side

MANUAL = Manual(
    examples=(
        ("synthstore diff /backup/repo@latest /data/store --name store", "since the last backup"),
        ("synthstore diff /data/one /data/two", "two stores, whatever their layouts"),
    ),
    exits=(0, 2, 3, 4, 10, 11, 130),
    meanings={0: "done; to differ is no failure"},
    panel="Companions",
)

_HELP = "A store, or REPO@SNAPSHOT."


async def diff(
    common: Common,
    *,
    a: Annotated[str, typer.Argument(metavar="A", help=_HELP)],
    b: Annotated[str, typer.Argument(metavar="B", help=_HELP)],
    name: vault.Name = None,
) -> int:
    """Say what differs between two stores or snapshots.

    Tells which memories and assemblies were added, removed and changed from A to B. They are
    compared by value: another spelling of the same document is no change.
    """
    from asyncio import to_thread  # noqa: PLC0415

    from synthstore.diff import compare  # noqa: PLC0415
    from synthstore.render.backup_documents import diff_document  # noqa: PLC0415
    from synthstore.render.backups import diff_blocks  # noqa: PLC0415

    with ExitStack() as held:
        side = partial(_side, name, held, common)
        report = await to_thread(compare, *[await to_thread(side, text) for text in (a, b)])
    common.progress.clear()
    shown = common.shown(report)
    if common.screen.json:
        common.screen.document(diff_document(shown))
    else:
        common.screen.results(diff_blocks(shown, verbose=common.screen.verbose > 0))
    return report.exit_code


def _side(name: str | None, held: ExitStack, common: Common, text: str) -> Side:
    from synthstore.diff import snapshot_side, store_side  # noqa: PLC0415
    from synthstore.repository.remote import place_of  # noqa: PLC0415
    from synthstore.repository.vault import Repository  # noqa: PLC0415

    repository, at, snapshot = text.rpartition("@")
    if at and repository and not Path(text).exists():
        place = place_of(repository)
        opened = held.enter_context(Repository.reading(place, common.lock_wait))
        return snapshot_side(opened, snapshot, name)
    return store_side(Path(text), common.progress)
