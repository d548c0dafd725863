"""Where text goes: results to stdout, all else to stderr; everything made printable on its way."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Literal, NamedTuple, TextIO

from synthstore.errors import SynthstoreError
from synthstore.render.text import number, printable

if TYPE_CHECKING:
    from rich.console import Console

Tone = Literal["plain", "head", "error", "warning", "info", "good", "dim", "command"]

_STYLES: Mapping[Tone, str] = {
    "plain": "",
    "head": "bold",
    "error": "red",
    "warning": "yellow",
    "info": "cyan",
    "good": "green",
    "dim": "dim",
    "command": "bold",
}


class Line(NamedTuple):
    """One line; raw data is welcome, the screen makes it printable."""

    text: str
    tone: Tone = "plain"


class Table(NamedTuple):
    """Rows under headings; every cell is one line."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    tones: tuple[Tone, ...]
    """One tone a row."""


class Chart(NamedTuple):
    """Counts as bars, a row each; the longest bar stands for the largest count."""

    rows: tuple[tuple[str, int], ...]
    """(label, count)."""


Block = Line | Table | Chart

_BAR = 40
"""Columns of the longest bar."""


def error_blocks(error: SynthstoreError, store: str | None = None) -> list[Block]:
    """One sentence, and the remedy where there is one."""
    where = "" if store is None else f"{store}: "
    lines: list[Block] = [Line(f"synthstore: {where}{error.message}", "error")]
    if error.hint:
        lines.append(Line(f"hint: {error.hint}"))
    return lines


@dataclass(frozen=True, slots=True)
class Screen:
    """How much is said, and how."""

    json: bool = False
    quiet: bool = False
    verbose: int = 0
    color: bool = True

    def results(self, blocks: Iterable[Block]) -> None:
        """Write results to stdout."""
        self._write(sys.stdout, blocks)

    def notes(self, blocks: Iterable[Block]) -> None:
        """Write what is no result to stderr; nothing where quiet."""
        if not self.quiet:
            self._write(sys.stderr, blocks)

    def errors(self, blocks: Iterable[Block]) -> None:
        """Write to stderr, quiet or not."""
        self._write(sys.stderr, blocks)

    def document(self, document: Mapping[str, object]) -> None:
        """Write the one JSON document to stdout."""
        from synthstore.render.json import dumps  # noqa: PLC0415 - the help page needs no orjson

        sys.stdout.write(dumps(document))

    def _write(self, stream: TextIO, blocks: Iterable[Block]) -> None:
        if is_terminal(stream):
            console = _console(stream, color=self.color and not os.environ.get("NO_COLOR"))
            for block in blocks:
                _print_rich(console, block)
        else:
            for block in blocks:
                stream.writelines(f"{line}\n" for line in plain(block))


def is_terminal(stream: TextIO) -> bool:
    """Whether a person may be looking, through something that understands control sequences."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def plain(block: Block) -> list[str]:
    """The lines of a block for pipes, logs and files: no ANSI, never wrapped or cut."""
    if isinstance(block, Line):
        return [printable(block.text)]
    if isinstance(block, Chart):
        return _plain_chart(block)
    rows = [tuple(map(printable, row)) for row in (block.columns, *block.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _plain_chart(chart: Chart) -> list[str]:
    most = max((count for _, count in chart.rows), default=0) or 1
    wide = max((len(label) for label, _ in chart.rows), default=0)
    digits = max((len(number(count)) for _, count in chart.rows), default=0)
    return [
        f"{label.rjust(wide)}  {number(count).rjust(digits)}  "
        f"{'#' * -(-count * _BAR // most)}".rstrip()
        for label, count in chart.rows
    ]


def _console(stream: TextIO, *, color: bool) -> Console:
    from rich.console import Console  # noqa: PLC0415 - costs a quarter of a second's start-up

    return Console(
        file=stream,
        color_system="auto" if color else None,
        highlight=False,
        markup=False,
        emoji=False,
    )


def wrapped(text: str, width: int, tone: Tone = "plain") -> str:
    """Prose broken between words, further lines indented by two more than the first.

    A command is left to the terminal to wrap, and so is a word too long for a line, so that both
    can be copied whole.
    """
    if tone == "command" or "synthstore " in text or len(text) <= width:
        return text
    indent = " " * (len(text) - len(text.lstrip()) + 2)
    lines = wrap(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines)


def _print_rich(console: Console, block: Block) -> None:
    from rich.table import Table as RichTable  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    if isinstance(block, Line):
        text = wrapped(printable(block.text), console.width, block.tone)
        console.print(Text(text, style=_STYLES[block.tone]), soft_wrap=True)
        return
    if isinstance(block, Chart):
        _print_chart(console, block)
        return
    table = RichTable(*block.columns, box=None, pad_edge=False, header_style="bold")
    # What names the row is copied into the next command.
    table.columns[0].no_wrap = True
    for row, tone in zip(block.rows, block.tones, strict=True):
        table.add_row(
            *(Text(printable(cell), overflow="fold") for cell in row), style=_STYLES[tone]
        )
    console.print(table)


def _print_chart(console: Console, chart: Chart) -> None:
    from rich.bar import Bar  # noqa: PLC0415
    from rich.table import Table as RichTable  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    most = max((count for _, count in chart.rows), default=0) or 1
    grid = RichTable.grid("", "", "", padding=(0, 1))
    grid.columns[0].justify = grid.columns[1].justify = "right"
    grid.columns[2].width = _BAR
    for label, count in chart.rows:
        bar = Bar(most, 0, count, width=_BAR, color="cyan")
        grid.add_row(Text(label), Text(number(count)), bar)
    console.print(grid)
