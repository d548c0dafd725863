"""``synthstore stats``."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthstore.cli import options, vault
from synthstore.cli.command import Common
from synthstore.cli.manual import Manual
from synthstore.errors import UsageError

if TYPE_CHECKING:
    from synthstore.stats.gathering import Portrait

MANUAL = Manual(
    examples=(
        ("synthstore stats /data/store", "what is in it, and how it lies"),
        (
            "synthstore stats /data/store --repo /backup/repo --html store.html",
            "the same as a page, with a map of the memories and its growth",
        ),
    ),
    exits=(0, 2, 3, 4, 10, 130),
)


async def stats(
    common: Common,
    *,
    store: options.Store = None,
    repo: vault.Repo = None,
    name: vault.KinName = None,
    html: Annotated[
        str | None,
        typer.Option(
            "--html",
            metavar="FILE",
            help="Write a page too: self-contained, readable by you alone. Its map shows the"
            " beginning of each memory, unless --redact is given.",
        ),
    ] = None,
    layout: options.LayoutOption = None,
    metrics_file: options.MetricsFile = None,
) -> int:
    """Say what is in a store, in numbers.

    Counts, sizes, distributions, duplicates, drift, what is kept, and with a repository growth.
    Strictly read-only, from one look at everything. Findings are counted, and change nothing in
    the exit code.
    """
    from synthstore.checks.catalogue import CATALOGUE  # noqa: PLC0415
    from synthstore.cli.metering import metered  # noqa: PLC0415
    from synthstore.stats.gathering import stats as portray  # noqa: PLC0415
    from synthstore.verify import LookOptions  # noqa: PLC0415

    root = common.store(store, os.environ)
    page = None if html is None else page_file(html, root)
    with metered(common, metrics_file, "stats", [root]) as meter:
        look = LookOptions(
            layout=layout,
            fail_on=None,
            jobs=common.jobs,
            severities=options.severities(common.config, CATALOGUE),
        )
        portrait = await portray(
            root,
            look,
            common.progress,
            snapshots=vault.newest([repo] if repo else None, name),
            mapped=page is not None,
        )
        if page is not None:
            _write_page(page, common.shown(portrait))
        meter.add_stats(root, portrait.stats)
    return _show(common, portrait, html, silent=metrics_file == "-")


def page_file(name: str, store: Path) -> Path:
    """Where the page goes; raises UsageError, before the store is looked at, if it cannot be."""
    from importlib.util import find_spec  # noqa: PLC0415

    from synthstore.cli.outputs import output  # noqa: PLC0415

    if name == "-":
        raise UsageError("--html wants the name of a file", hint="stdout has the statistics")
    if find_spec("jinja2") is None:
        raise UsageError("--html needs jinja2", hint="pip install 'synthstore[report]'")
    return output("--html", name, [store])


def _write_page(file: Path, portrait: Portrait) -> None:
    from synthstore.cli.outputs import put  # noqa: PLC0415
    from synthstore.render.html import page  # noqa: PLC0415
    from synthstore.store.admission import PRIVATE_FILE  # noqa: PLC0415

    put(file, page(portrait), PRIVATE_FILE)


def _show(common: Common, portrait: Portrait, html: str | None, *, silent: bool) -> int:
    from synthstore.render.screen import Line  # noqa: PLC0415

    screen = common.screen
    shown = common.shown(portrait).stats
    onward = common.onward(shown.report.next)
    shown = replace(shown, report=replace(shown.report, next=onward))
    common.progress.clear()
    if screen.json:
        from synthstore.render.stats_document import stats_document  # noqa: PLC0415

        screen.document(stats_document(shown))
    elif not silent:
        from synthstore.render.statistics import stats_blocks  # noqa: PLC0415

        screen.results(stats_blocks(shown, verbose=screen.verbose > 0, quiet=screen.quiet))
    if html is not None:
        screen.notes([Line(f"wrote {html}")])
    return shown.exit_code
