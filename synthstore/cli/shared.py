"""The options of every command, and the config file that gives options their defaults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from synthstore.config import ConfigFile, config_path, load_config

COMMON = "Common options"


def options_of(command: TyperCommand) -> Iterator[tuple[Any, str]]:
    """Each option of a command, and its name in variables and files: ``fail_on``."""
    for param in command.params:
        if param.param_type_name == "option":
            yield param, max(param.opts, key=len).lstrip("-").replace("-", "_")


def _load_config(ctx: typer.Context, value: str | None) -> ConfigFile:
    """Read the config file before any other option, so that it can give their defaults."""
    path = config_path(value)
    if path is None:
        # Nearly nobody has one, and to know all options would have all commands built.
        return ConfigFile()
    commands = getattr(ctx.find_root().command, "commands", {})
    options = {
        name: {option: param for param, option in options_of(command) if option != "config"}
        for name, command in commands.items()
    }
    config = load_config(path, options)
    name = ctx.command.name or ""
    given = config.commands.get(name, {})
    ctx.default_map = {
        options[name][option].name: _as_given(options[name][option], setting)
        for option, setting in given.items()
    }
    return config


def _as_given(param: Any, setting: object) -> object:
    return [setting] if param.multiple and not isinstance(setting, list) else setting


SHARED: dict[str, tuple[Any, object]] = {
    "json": (
        Annotated[
            bool,
            typer.Option(
                "--json", rich_help_panel=COMMON, help="Print exactly one JSON document on stdout."
            ),
        ],
        False,
    ),
    "quiet": (
        Annotated[
            bool,
            typer.Option(
                "-q", "--quiet", rich_help_panel=COMMON, help="Say less; nothing at all if clean."
            ),
        ],
        False,
    ),
    "verbose": (
        Annotated[
            int,
            typer.Option(
                "-v",
                "--verbose",
                count=True,
                show_default=False,
                rich_help_panel=COMMON,
                help="Say more, and list all subjects.",
            ),
        ],
        0,
    ),
    "redact": (
        Annotated[
            bool,
            typer.Option(
                "--redact", rich_help_panel=COMMON, help="Show hashes in the place of ids."
            ),
        ],
        False,
    ),
    "no_color": (
        Annotated[
            bool,
            typer.Option(
                "--no-color", rich_help_panel=COMMON, help="No ANSI colours; so does NO_COLOR."
            ),
        ],
        False,
    ),
    "no_progress": (
        Annotated[
            bool,
            typer.Option(
                "--no-progress", rich_help_panel=COMMON, help="No progress line on a terminal."
            ),
        ],
        False,
    ),
    "lock_wait": (
        Annotated[
            str | None,
            typer.Option(
                "--lock-wait",
                metavar="TIME",
                rich_help_panel=COMMON,
                help="Wait for a lock: 30s, 10m, 26h, 30d; else fail at once.",
            ),
        ],
        None,
    ),
    "jobs": (
        Annotated[
            int | None,
            typer.Option(
                "--jobs",
                metavar="N",
                min=1,
                rich_help_panel=COMMON,
                help="Workers; else as many as this process may use cores.",
            ),
        ],
        None,
    ),
    "config": (
        Annotated[
            str | None,
            typer.Option(
                "--config",
                metavar="FILE",
                is_eager=True,
                callback=_load_config,
                rich_help_panel=COMMON,
                help="TOML; else $SYNTHSTORE_CONFIG, ~/.config/synthstore/config.toml.",
            ),
        ],
        None,
    ),
}
