"""``synthstore demo``."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from synthstore.cli.command import Common
from synthstore.cli.manual import Manual
from synthstore.render.screen import Block, Line

if TYPE_CHECKING:
    from synthstore.demo import Outcome

MANUAL = Manual(
    examples=(
        ("synthstore demo", "the tour, then all is removed"),
        ("synthstore demo /tmp/demo", "the same, and the store is kept to play with"),
    ),
    exits=(0, 2, 4, 12, 130),
    panel="Companions",
)


@dataclass(slots=True)
class Telling:
    """Tells the tour on the screen, or keeps it for one JSON document."""

    common: Common
    steps: list[tuple[str, int]] = field(default_factory=list)
    """(command line, exit code)."""
    _line: str = ""

    def say(self, text: str) -> None:
        """Tell what comes next, or what was done."""
        self._print([Line(text)])

    def command(self, line: str) -> None:
        """Name the command line that is about to run."""
        self._line = line
        self._print([Line(""), Line(f"$ {line}", "command")])

    def show(self, outcome: Outcome) -> None:
        """Show what the command gave, as the command itself would."""
        from synthstore.render.tour import tour_blocks  # noqa: PLC0415

        self.steps.append((self._line, getattr(outcome, "exit_code", 0)))
        shown = self.common.shown(outcome)
        verbose = self.common.screen.verbose > 0
        self._print([*tour_blocks(shown, verbose=verbose), Line("")])

    def _print(self, blocks: list[Block]) -> None:
        if not (self.common.screen.json or self.common.screen.quiet):
            self.common.screen.results(blocks)


async def demo(
    common: Common,
    *,
    folder: Annotated[
        str | None,
        typer.Argument(
            metavar="DIR",
            show_default=False,
            help="Where to make the store, which is kept; else a temporary folder.",
        ),
    ] = None,
) -> int:
    """Take the tour: make a store, break it, mend it, undo.

    Takes under a minute, and prints each command that it runs.
    """
    from asyncio import get_running_loop  # noqa: PLC0415

    from synthstore.demo import tour  # noqa: PLC0415
    from synthstore.files.temporary import temporary_folder  # noqa: PLC0415
    from synthstore.render.documents import demo_document  # noqa: PLC0415

    telling = Telling(common)
    common.call.unchanged = "no store but the tour's own was touched"
    with (
        temporary_folder("synthstore-demo-")
        if folder is None
        else nullcontext(Path(folder)) as place
    ):
        try:
            await tour(place, telling)
        finally:
            # Ctrl-C does not end a thread that still writes there.
            await get_running_loop().shutdown_default_executor()
    if folder is None:
        telling.say("The store of the tour is removed; to keep one: synthstore demo DIR")
    if common.screen.json:
        common.screen.document(demo_document(folder, telling.steps))
    return 0
