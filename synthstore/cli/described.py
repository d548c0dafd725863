"""The command line as plain values, from which man pages and completions are written."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from synthstore.cli.app import COMMANDS, program
from synthstore.cli.command import heading
from synthstore.cli.manual import Manual

Takes = Literal["nothing", "choice", "codes", "file", "folder", "run", "snapshot", "side", "text"]

_TAKES: dict[str | None, Takes] = {
    "CODES": "codes",
    "FILE": "file",
    "FILE|-": "file",
    "STORE": "folder",
    "DIR": "folder",
    "TARGET": "folder",
    "REPO": "folder",
    "RUN": "run",
    "latest|ID|TIME": "snapshot",
    "A": "side",
    "B": "side",
}


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a command."""

    flags: tuple[str, ...]
    help: str
    group: str
    takes: Takes
    value: str
    """The name of its value, or the choices; empty where it takes none."""
    choices: tuple[str, ...] = ()
    repeatable: bool = False
    variables: tuple[str, ...] = ()
    default: str = ""


@dataclass(frozen=True, slots=True)
class Argument:
    """One positional argument of a command."""

    name: str
    help: str
    takes: Takes
    required: bool
    repeatable: bool
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Described:
    """One command."""

    name: str
    summary: str
    """One sentence."""
    description: tuple[str, ...]
    """Paragraphs."""
    arguments: tuple[Argument, ...]
    options: tuple[Option, ...]
    manual: Manual


def described() -> tuple[Described, ...]:
    """Every command, in the order of the help."""
    commands: dict[str, Any] = dict(program().commands)
    return tuple(_describe(name, commands[name], manual) for name, _, manual in COMMANDS)


def _describe(name: str, command: Any, manual: Manual) -> Described:
    summary, *rest = inspect.cleandoc(command.help).split("\n\n")
    params = [*command.params, command.get_help_option(_Context())]
    return Described(
        name,
        summary,
        tuple(" ".join(paragraph.split()) for paragraph in rest),
        tuple(_argument(param) for param in params if param.param_type_name == "argument"),
        tuple(_option(param) for param in params if param.param_type_name == "option"),
        manual,
    )


class _Context:
    """As much of typer's context as the help option asks for."""

    help_option_names = ("-h", "--help")


def _argument(param: Any) -> Argument:
    takes, _, choices = _value(param)
    return Argument(param.metavar, param.help, takes, param.required, param.nargs == -1, choices)


def _option(param: Any) -> Option:
    takes, value, choices = _value(param)
    return Option(
        tuple(sorted(param.opts, key=len)),
        param.help,
        heading(param),
        takes,
        value,
        choices,
        param.multiple or param.count,
        tuple(_variables(param)),
        str(param.default) if choices and param.default is not None else "",
    )


def _value(param: Any) -> tuple[Takes, str, tuple[str, ...]]:
    if getattr(param, "is_flag", False) or getattr(param, "count", False):
        return "nothing", "", ()
    if param.type_descriptor.is_choice:
        choices = tuple(str(choice) for choice in param.type_descriptor.choices)
        return "choice", "|".join(choices), choices
    return _TAKES.get(param.metavar, "text"), param.metavar, ()


def _variables(param: Any) -> Iterator[str]:
    if isinstance(param.envvar, str):
        yield param.envvar
    else:
        yield from param.envvar or ()
