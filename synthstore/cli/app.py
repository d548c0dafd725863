"""The program: its commands in the order that the help shows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, cast

import typer
from typer.main import get_command

from synthstore import __version__
from synthstore.cli import (
    backup,
    demo,
    diff,
    exporting,
    importing,
    migrate,
    rebuild_index,
    repair,
    restore,
    snapshots,
    stats,
    undo,
    verify,
)
from synthstore.cli.command import Command, CommandFunction, Group, with_common
from synthstore.cli.manual import EXIT_CODES, Manual

COMMANDS: tuple[tuple[str, CommandFunction, Manual], ...] = (
    ("verify", verify.verify, verify.MANUAL),
    ("repair", repair.repair, repair.MANUAL),
    ("rebuild-index", rebuild_index.rebuild_index, rebuild_index.MANUAL),
    ("backup", backup.backup, backup.MANUAL),
    ("migrate", migrate.migrate, migrate.MANUAL),
    ("import", importing.import_, importing.MANUAL),
    ("export", exporting.export, exporting.MANUAL),
    ("stats", stats.stats, stats.MANUAL),
    ("restore", restore.restore, restore.MANUAL),
    ("snapshots", snapshots.snapshots, snapshots.MANUAL),
    ("diff", diff.diff, diff.MANUAL),
    ("undo", undo.undo, undo.MANUAL),
    ("demo", demo.demo, demo.MANUAL),
)

FIRST = ("verify", "repair", "undo", "demo")
"""Whose first examples stand in the program's own help."""

_SETTINGS = {"help_option_names": ["-h", "--help"]}


def _show_version(wanted: bool | None) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


def _root(
    _version: Annotated[
        bool | None,
        typer.Option(
            "--version", is_eager=True, callback=_show_version, help="Print the version and exit."
        ),
    ] = None,
) -> None:
    """Verify, repair and rebuild the storage directories of a Synthians Memory Core."""


def _epilog() -> str:
    """Below the commands; the backspace keeps the help writer from filling the lines."""
    examples = [manual.examples[0] for name, _, manual in COMMANDS if name in FIRST]
    wide = max(len(call) for call, _ in examples)
    first = [f"  {call.ljust(wide)}  {what}" for call, what in examples]
    exits = [f"  {code:<4} {text}" for code, text in EXIT_CODES.items()]
    rest = "synthstore COMMAND --help tells the rest; so do the man pages."
    return "\n".join(("\b", "Examples:", *first, "", "\b", "Exit codes:", *exits, "", rest))


class _Commands(Mapping[str, Command]):
    """The commands by name, each built when it is asked for: nearly all calls ask for one."""

    def __init__(self) -> None:
        self._functions = {name: (function, manual) for name, function, manual in COMMANDS}
        self._built: dict[str, Command] = {}

    def __getitem__(self, name: str) -> Command:
        if name not in self._built:
            self._built[name] = _command(name, *self._functions[name])
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)


def _command(name: str, function: CommandFunction, manual: Manual) -> Command:
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(
        name,
        cls=Command,
        epilog=manual.epilog(name),
        rich_help_panel=manual.panel,
        context_settings=_SETTINGS,
    )(with_common(function))
    return cast("Command", get_command(app))


def program() -> Group:
    """Build the command line."""
    app = typer.Typer(
        cls=Group,
        callback=_root,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=_SETTINGS,
        epilog=_epilog(),
    )
    group = cast("Group", get_command(app))
    group.commands = cast("dict[str, Any]", _Commands())
    return group
