"""``synthstore import``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from synthstore.cli import options, streams
from synthstore.cli.ahead import ROW_WORKERS
from synthstore.cli.command import Common
from synthstore.cli.manual import Manual
from synthstore.cli.writing import index_backups, warn_of_core
from synthstore.errors import UsageError

if TYPE_CHECKING:
    from synthstore.transfer.importing import ImportReport
    from synthstore.transfer.sources import Source

MANUAL = Manual(
    examples=(
        ("synthstore import /data/store store.jsonl.zst", "what the store does not have yet"),
        (
            "synthstore import /data/new rows.csv --create --rejects bad.jsonl",
            "a new store; rows that cannot go in are kept with the reason",
        ),
        (
            "synthstore import /tmp/store --sample 1000 --dim 384 --seed 7",
            "a store for tests, the same bytes every time",
        ),
    ),
    exits=(0, 2, 3, 4, 10, 11, 12, 130),
    writes=True,
)

SAMPLE = "A store for tests"
_HASH = re.compile(r"hash:([1-9][0-9]{0,4})")
_DIM = 384
_STDIN = "-"


async def import_(
    common: Common,
    *,
    store: options.RequiredStore,
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE", show_default=False, help="What an export wrote; - is stdin."
        ),
    ] = None,
    form: Annotated[
        Literal["auto", "jsonl", "json", "csv", "parquet"],
        typer.Option("--format", help="What the file is; auto goes by name and content."),
    ] = "auto",
    on_conflict: Annotated[
        Literal["skip", "replace", "newer", "fail"],
        typer.Option("--on-conflict", help="Where the store has the id already."),
    ] = "skip",
    embed: Annotated[
        str | None,
        typer.Option(
            "--embed",
            metavar="hash:DIM",
            help="Give memories without an embedding one made from a hash, for tests.",
        ),
    ] = None,
    create: Annotated[
        bool, typer.Option("--create", help="Make the store if there is none.")
    ] = False,
    layout: Annotated[
        options.LayoutName | None,
        typer.Option(
            "--layout",
            help="Of a new store: native or core-4. Of an old one: which it is, where the"
            " evidence is equal for two.",
        ),
    ] = None,
    rejects: Annotated[
        str | None,
        typer.Option(
            "--rejects",
            metavar="FILE",
            help="Write each row that cannot go in here, with its line and the reason.",
        ),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            "--sample", metavar="N", min=0, rich_help_panel=SAMPLE, help="Make N memories."
        ),
    ] = None,
    dim: Annotated[
        int,
        typer.Option(
            "--dim", metavar="D", min=1, rich_help_panel=SAMPLE, help="Numbers in an embedding."
        ),
    ] = _DIM,
    seed: Annotated[
        int,
        typer.Option(
            "--seed", metavar="S", rich_help_panel=SAMPLE, help="Another one, another store."
        ),
    ] = 0,
    dry_run: options.DryRun = False,
    yes: options.Yes = False,  # noqa: ARG001 - import never asks
) -> int:
    """Put memories and assemblies of a file into a store.

    Every row is judged before the store is touched; what is fit goes in as one run that synthstore
    undo takes back, with rows and vectors, and the rest is told. The same file once more changes
    nothing.
    """
    from synthstore.scan.workers import expect_rows  # noqa: PLC0415

    expect_rows(file, sample, common.jobs, ROW_WORKERS)
    from synthstore.transfer.importing import (  # noqa: PLC0415
        ImportOptions,
        import_rows,
        is_new,
    )

    root = Path(store)
    source = _source(file, form, sample, dim, seed)
    if not is_new(root):
        await warn_of_core(common, root, layout)
    elif layout not in (None, "native", "core-4"):
        raise UsageError(
            f"no new store is made in layout {layout}", hint="--layout native, or core-4"
        )
    else:
        common.call.writes = root
    wanted = ImportOptions(
        on_conflict=on_conflict,
        create=create or sample is not None,
        layout=layout,
        embed=_embed(embed),
        rejects=_rejects(rejects, root, file),
        dry_run=dry_run,
        lock_wait=common.lock_wait,
        jobs=common.jobs,
        copies=index_backups(common),
    )
    report = await import_rows(root, source, wanted, common.progress)
    common.call.done(report.exit_code, dry_run=dry_run)
    return _show(common, report)


def _source(file: str | None, form: str, sample: int | None, dim: int, seed: int) -> Source:
    """Where the rows come from; raises UsageError for two places or none."""
    from synthstore.transfer.sources import FileSource, PipeSource, SampleSource  # noqa: PLC0415

    if (file is None) == (sample is None):
        raise UsageError(
            "import takes either a file or --sample", hint="synthstore import STORE FILE"
        )
    chosen = None if form == "auto" else form
    if sample is not None:
        return SampleSource(sample, dim, seed)
    if file is None or file == _STDIN:
        return PipeSource(streams.stdin(), chosen)
    return FileSource(Path(file), chosen)


def _embed(text: str | None) -> int:
    """The number of dimensions in ``hash:DIM``; 0 where none is given."""
    if text is None:
        return 0
    found = _HASH.fullmatch(text)
    if found is None:
        raise UsageError(f"--embed: {text!r} says no embedding", hint="as in --embed hash:384")
    return int(found[1])


def _rejects(name: str | None, store: Path, file: str | None) -> Path | None:
    from synthstore.cli.outputs import output  # noqa: PLC0415

    if name is None:
        return None
    target = output("--rejects", name, [store])
    if file not in (None, _STDIN) and target == Path(str(file)).resolve():
        raise UsageError("--rejects: that is the file which is imported")
    return target


def _show(common: Common, report: ImportReport) -> int:
    from synthstore.render.screen import Line  # noqa: PLC0415
    from synthstore.render.transfers import import_blocks, import_document  # noqa: PLC0415

    screen, shown = common.screen, common.shown(report)
    common.progress.clear()
    if screen.json:
        screen.document(import_document(shown))
    elif not screen.quiet or report.exit_code:
        screen.results(import_blocks(shown, verbose=screen.verbose > 0))
        if report.dry_run:
            screen.results([Line("dry run: nothing was changed"), Line(common.again, "command")])
    return report.exit_code
