"""``synthstore verify``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthstore.cli import options, vault
from synthstore.cli.command import Common
from synthstore.cli.manual import Manual
from synthstore.errors import SynthstoreError

if TYPE_CHECKING:
    from synthstore.checks.report import Report
    from synthstore.cli.metering import Meter
    from synthstore.verify import LookOptions

MANUAL = Manual(
    examples=(
        ("synthstore verify /data/store", "look at everything"),
        ("synthstore verify --quick --json /data/*", "several stores, in one JSON document"),
    ),
    exits=(0, 1, 2, 3, 4, 10, 130),
    meanings={0: "nothing found at or above --fail-on"},
)

WORST_FIRST = (4, 10, 11, 1, 3, 0)
"""Of several stores the worst exit code holds."""

Failed = tuple[str, SynthstoreError]


def worst(codes: Sequence[int]) -> int:
    """The exit code that holds for all; one that the order does not know is the worst."""
    return min(codes, key=lambda code: WORST_FIRST.index(code) if code in WORST_FIRST else -1)


async def verify(
    common: Common,
    *,
    stores: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="STORE",
            show_default=False,
            help="Store directories; else $SYNTHSTORE_STORAGE_PATH, the config file, ./storage.",
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only names, sizes, catalog and vector ids.")
    ] = False,
    subset: Annotated[
        str | None,
        typer.Option("--subset", metavar="N/T", help="Parse only the Nth of T parts of the files."),
    ] = None,
    repo: vault.Repo = None,
    layout: options.LayoutOption = None,
    executor: options.Executor = None,
    metrics_file: options.MetricsFile = None,
    select: options.Select = None,
    ignore: options.Ignore = None,
    ids: options.Ids = None,
    fail_on: options.Fail = "warning",
    known: Annotated[
        str | None,
        typer.Option(
            "--known",
            metavar="FILE",
            rich_help_panel=options.CHOICE,
            help="Keep silent about the findings that FILE names.",
        ),
    ] = None,
    write_known: Annotated[
        str | None,
        typer.Option(
            "--write-known",
            metavar="FILE",
            rich_help_panel=options.CHOICE,
            help="Write what was found to FILE, for --known.",
        ),
    ] = None,
) -> int:
    """Find all damage in a store; strictly read-only.

    Every file is parsed and hashed, every vector compared with its file's embedding. Takes no
    lock, makes no file, and works on a read-only mount.
    """
    from synthstore.scan.workers import expect  # noqa: PLC0415

    paths = [common.store(given, os.environ) for given in stores or ("",)]
    if not quick and executor is None:
        expect(paths, common.jobs)
    from synthstore.checks.catalogue import CATALOGUE  # noqa: PLC0415
    from synthstore.cli.known import read_known, save_known  # noqa: PLC0415
    from synthstore.cli.metering import metered  # noqa: PLC0415
    from synthstore.cli.outputs import output  # noqa: PLC0415
    from synthstore.verify import LookOptions  # noqa: PLC0415

    kept = output("--write-known", write_known, paths) if write_known is not None else None
    with metered(common, metrics_file, "verify", paths) as meter:
        look = LookOptions(
            quick=quick,
            subset=options.subset(subset),
            layout=layout,
            select=options.codes(select, "--select", CATALOGUE),
            ignore=options.codes(ignore, "--ignore", CATALOGUE),
            ids=frozenset(ids or ()),
            fail_on=options.threshold(fail_on),
            known=read_known(known),
            jobs=common.jobs,
            cluster=options.cluster(executor),
            severities=options.severities(common.config, CATALOGUE),
            repositories=tuple(vault.places([repo] if repo else None)),
        )
        reports, errors = await _look_at(paths, look, common, meter)
        if kept is not None:
            save_known(kept, look.known, reports)
    return _show(common, reports, errors, fleet=len(paths) > 1, silent=metrics_file == "-")


async def _look_at(
    paths: Sequence[Path], look: LookOptions, common: Common, meter: Meter
) -> tuple[list[Report], list[Failed]]:
    """Verify each store; one that cannot be looked at does not keep the others from it."""
    from synthstore.verify import verify as verify_store  # noqa: PLC0415

    reports: list[Report] = []
    errors: list[Failed] = []
    for path in paths:
        try:
            report = await verify_store(path, look, common.progress)
        except SynthstoreError as error:
            if len(paths) == 1:
                raise
            errors.append((str(path), error))
            meter.add(path, error)
        else:
            reports.append(report)
            meter.add(path, report)
    return reports, errors


def _show(
    common: Common,
    reports: Sequence[Report],
    errors: Sequence[Failed],
    *,
    fleet: bool,
    silent: bool,
) -> int:
    """Print it all; ``silent`` where stdout has the metrics already."""
    from synthstore.render.documents import fleet_document, report_document  # noqa: PLC0415
    from synthstore.render.human import report_blocks  # noqa: PLC0415
    from synthstore.render.screen import error_blocks  # noqa: PLC0415

    codes = [report.exit_code for report in reports] + [error.exit_code for _, error in errors]
    code = worst(codes)
    led = (replace(report, next=common.onward(report.next)) for report in reports)
    shown = [common.shown(report) for report in led]
    screen = common.screen
    common.progress.clear()
    if screen.json:
        screen.document(
            fleet_document("verify", shown, errors, code) if fleet else report_document(shown[0])
        )
        return code
    for report in shown if not silent else ():
        screen.results(
            report_blocks(
                report, verbose=screen.verbose > 0, quiet=screen.quiet, among_others=fleet
            )
        )
    for store, error in errors:
        screen.errors(error_blocks(error, store))
    return code
