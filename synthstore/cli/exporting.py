"""``synthstore export``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal

import typer

from synthstore.cli import options
from synthstore.cli.command import Common
from synthstore.cli.manual import Manual
from synthstore.errors import UsageError

if TYPE_CHECKING:
    from synthstore.transfer.exporting import ExportReport

MANUAL = Manual(
    examples=(
        ("synthstore export /data/store -o store.jsonl.zst", "everything, compressed"),
        (
            "synthstore export /data/store --where 'quickrecal_score > `0.8`' --limit 9",
            "nine important memories, as lines of JSON on stdout",
        ),
        ("synthstore export /data/store -o store.parquet", "for pandas, DuckDB and the like"),
    ),
    exits=(0, 2, 3, 4, 10, 130),
)

FormatName = Literal["jsonl", "json", "csv", "parquet"]
_STDOUT = "-"


async def export(
    common: Common,
    *,
    store: options.RequiredStore,
    output: Annotated[
        str,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Where to; - is stdout. .gz and .zst compress."
        ),
    ] = _STDOUT,
    form: Annotated[
        FormatName | None,
        typer.Option("--format", help="Else as the file's name says, else jsonl."),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            "--where", metavar="JMESPATH", help="Only records of which the expression is true."
        ),
    ] = None,
    ids: Annotated[
        list[str] | None,
        typer.Option("--id", metavar="ID", help="Only this memory or assembly; more are fine."),
    ] = None,
    kind: Annotated[
        Literal["memory", "assembly", "all"], typer.Option("--kind", help="Only these.")
    ] = "all",
    no_embeddings: Annotated[
        bool, typer.Option("--no-embeddings", help="Leave the embeddings out.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=0, help="At most so many records.")
    ] = None,
    layout: options.LayoutOption = None,
    executor: options.Executor = None,
) -> int:
    """Write a store's memories and assemblies to one file.

    Every field and the exact numbers, in an order of their own: the same store gives the same
    bytes. A file is replaced once all of it is written, and only its owner may read it.
    """
    from synthstore.scan.workers import expect  # noqa: PLC0415

    root = Path(store)
    if executor is None:
        expect([root], common.jobs, ["synthstore.transfer.reading"])
    from synthstore.transfer.exporting import ExportOptions  # noqa: PLC0415
    from synthstore.transfer.exporting import export as write_out  # noqa: PLC0415
    from synthstore.transfer.selection import Selection  # noqa: PLC0415

    target = _target(common, output, root, form)
    wanted = ExportOptions(
        format=form,
        selection=Selection(where, frozenset(ids or ()), kind, not no_embeddings),
        limit=limit,
        jobs=common.jobs,
        cluster=options.cluster(executor),
        layout=layout,
    )
    report = await write_out(root, target, wanted, common.progress)
    return _show(common, report)


def _target(common: Common, name: str, store: Path, form: str | None) -> Path | BinaryIO:
    """The file to write, or stdout; raises UsageError before any work is done."""
    from synthstore.cli.outputs import output  # noqa: PLC0415

    if name != _STDOUT:
        return output("--output", name, [store])
    if common.screen.json:
        raise UsageError(
            "--json prints one document on stdout, and the export would go there too",
            hint="name a file: -o store.jsonl",
        )
    if form == "parquet" and sys.stdout.isatty():
        raise UsageError("a terminal cannot show Parquet", hint="name a file: -o store.parquet")
    return sys.stdout.buffer


def _show(common: Common, report: ExportReport) -> int:
    common.progress.clear()
    if common.screen.quiet and not common.screen.json and not report.problems:
        return report.exit_code
    from synthstore.render.transfers import export_blocks, export_document  # noqa: PLC0415

    screen, shown = common.screen, common.shown(report)
    if screen.json:
        screen.document(export_document(shown))
        return report.exit_code
    blocks = list(export_blocks(shown, verbose=screen.verbose > 0, quiet=screen.quiet))
    # Where the rows went to stdout, nothing else may stand there.
    (screen.errors if report.output == _STDOUT else screen.results)(blocks)
    return report.exit_code
