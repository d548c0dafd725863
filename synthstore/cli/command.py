"""What all commands have in common: their shared options, their variables, their help."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from synthstore.cli import stopping
from synthstore.cli.shared import COMMON, SHARED, options_of
from synthstore.cli.taking import take_plain_values
from synthstore.config import COMMAND_LINE_ONLY, ConfigFile, StoreConfig, parse_duration
from synthstore.render.progress import NoProgress, line_progress
from synthstore.render.screen import Screen
from synthstore.shell import word

T = TypeVar("T")

CommandFunction = Callable[..., Coroutine[Any, Any, int]]


class Command(TyperCommand):
    """A command whose options have variables and stand in groups."""

    def __init__(self, name: str, **settings: Any) -> None:
        super().__init__(name, **settings)
        for param, option in options_of(self):
            param.show_envvar = False  # one line in the epilog tells them all
            if option not in COMMAND_LINE_ONLY:
                own = f"SYNTHSTORE_{name}_{option}".upper().replace("-", "_")
                # --config has a variable for all commands too.
                param.envvar = [own, "SYNTHSTORE_CONFIG"] if option == "config" else own

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command's options."""
        take_plain_values(self.get_params(ctx))
        rest = super().parse_args(ctx, args)
        for param in self.params:
            if param.param_type_name == "argument":
                _refuse_empty(ctx, param)
        return rest

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options under the headings that they name, the common ones last."""
        groups: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                groups.setdefault(heading(param), []).append((_name(param, record), record[1]))
        for name in sorted(groups, key=lambda name: name == COMMON):
            _write_section(formatter, name, groups[name])


class Group(TyperGroup):
    """The program itself: its commands stand in groups too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the program's own options, and which command is meant."""
        take_plain_values(self.get_params(ctx))
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands under the headings that they name."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.commands[name]
            panel = getattr(command, "rich_help_panel", None) or "Commands"
            groups.setdefault(panel, []).append((name, command.get_short_help_str(60)))
        for panel, rows in groups.items():
            _write_section(formatter, panel, rows)


def _refuse_empty(ctx: Any, param: Any) -> None:
    """Refuse an empty word for an argument: to a command it would be as if none was given."""
    given = ctx.params.get(param.name)
    if given == "" or (isinstance(given, list) and "" in given):
        raise typer.BadParameter("it is empty; is a shell variable not set?", ctx, param)


def _name(param: Any, record: tuple[str, str]) -> str:
    """Arguments by their name alone; typer would add ``<list[str]>``."""
    if param.param_type_name != "argument":
        return record[0]
    return f"{param.metavar}..." if param.nargs == -1 else str(param.metavar)


def heading(param: Any) -> str:
    """The heading that a parameter stands under in the help."""
    if param.param_type_name == "argument":
        return "Arguments"
    if param.name == "help":
        return COMMON
    return str(getattr(param, "rich_help_panel", None) or "Options")


def _write_section(formatter: Any, title: str, rows: list[tuple[str, str]]) -> None:
    if rows:
        with formatter.section(title):
            formatter.write_dl(rows)


@dataclass(slots=True)
class Call:
    """One call of the program, as far as it is known yet; errors are told by it."""

    args: tuple[str, ...] = ()
    screen: Screen = field(default_factory=Screen)
    writes: Path | None = None
    """The store that may have been changed by now."""
    before: frozenset[str] = frozenset()
    """Its runs of before."""
    begun: frozenset[str] = frozenset()
    """Those of them that were not finished."""
    unnamed: Path | None = None
    """The store where none was given on the command line."""
    origin: str = ""
    """Where that comes from."""
    unchanged: str = "nothing was changed"
    """What an interrupted command that wrote to no store has to say."""
    redact: bool = False
    spoken: frozenset[str] = frozenset()
    """The command's own parameters that are on the command line itself."""
    code: int | None = None
    """The exit code that stands even where nobody reads what is said: all is done but that."""

    def done(self, code: int, *, dry_run: bool) -> None:
        """Let ``code`` stand from now on; what a dry run does is to tell, so it is not done yet."""
        self.code = None if dry_run else code


@dataclass(frozen=True, slots=True)
class Common:
    """The shared options of one call, ready to use."""

    call: Call
    config: ConfigFile
    lock_wait: float
    """Seconds."""
    jobs: int | None
    redact: bool
    progress: NoProgress
    cancelled: Callable[[], bool]
    """Whether Ctrl-C was pressed; a prompt that blocks the event loop cannot see it otherwise."""

    @property
    def screen(self) -> Screen:
        """Where everything is shown."""
        return self.call.screen

    @property
    def again(self) -> str:
        """The same command line for real, without what made it a dry run."""
        kept = filter(None, map(_for_real, self.call.args))
        return " ".join(map(word, ["synthstore", *kept]))

    def onward(self, command: str | None) -> str | None:
        """The next command, with the config file that this one was told to go by."""
        return None if command is None else " ".join([command, *map(word, self._config_words())])

    def _config_words(self) -> Sequence[str]:
        args = self.call.args
        for at, arg in enumerate(args):
            if arg == "--config":
                return args[at : at + 2]
            if arg.startswith("--config="):
                return (arg,)
        return ()

    def ask(self, question: str) -> bool:
        """Whether the operator says yes; raises InterruptedByUserError on Ctrl-C."""
        from synthstore.cli.prompt import ask  # noqa: PLC0415

        self.progress.clear()
        return ask(question, self.cancelled)

    def store(self, given: str | None, environ: Mapping[str, str]) -> Path:
        """The store that was named, by whichever means; ``./storage`` in the end."""
        if given:
            return Path(given)
        named, own = environ.get("SYNTHSTORE_STORAGE_PATH"), self.config.store.storage_path
        self.call.unnamed = Path(named) if named else own
        default = own == StoreConfig().storage_path
        file = "./storage" if default else f"the config file {self.config.path}"
        self.call.origin = "$SYNTHSTORE_STORAGE_PATH" if named else file
        return self.call.unnamed

    def shown(self, report: T) -> T:
        """The report as it may be shown: with ``--redact`` hashes stand for ids."""
        if not self.redact:
            return report
        from synthstore.render.redact import redacted  # noqa: PLC0415

        return redacted(report)


def _for_real(arg: str) -> str | None:
    """An argument as it is without what makes a dry run; None where nothing is left of it."""
    if arg in ("--dry-run", "--json"):
        return None
    bundle = re.sub(r"^-([vqy]*)n([vqyn]*)$", r"-\1\2", arg)
    # A lone hyphen that was given is stdin.
    return None if bundle == "-" != arg else bundle


def with_common(function: CommandFunction) -> Callable[..., int]:
    """Give a command the shared options, and run it in the program's one event loop.

    ``function`` takes a ``Common`` first, then its own options; it returns the exit code.
    """

    def call(ctx: typer.Context, **given: Any) -> int:
        shared = {name: given.pop(name) for name in SHARED}
        ctx.obj.redact = shared["redact"]
        ctx.obj.spoken = frozenset(name for name in given if _is_spoken(ctx, name))
        ctx.obj.screen = Screen(
            json=shared["json"],
            quiet=shared["quiet"],
            verbose=shared["verbose"],
            color=not shared["no_color"],
        )
        import asyncio  # noqa: PLC0415 - the help page needs no event loop

        try:
            return asyncio.run(_run(function, ctx.obj, shared, given))
        except asyncio.CancelledError as stopped:
            raise KeyboardInterrupt from stopped

    call.__doc__ = function.__doc__
    call.__signature__ = _signature(function)  # type: ignore[attr-defined]
    call.__annotations__ = {}
    return call


def _is_spoken(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _common(call: Call, shared: Mapping[str, Any], cancelled: Callable[[], bool]) -> Common:
    wait = shared["lock_wait"]
    return Common(
        call=call,
        config=shared["config"],
        lock_wait=parse_duration(wait) if wait else 0.0,
        jobs=shared["jobs"],
        redact=shared["redact"],
        progress=line_progress(
            wanted=not (shared["no_progress"] or shared["quiet"]),
            color=not shared["no_color"],
            cancelled=cancelled,
        ),
        cancelled=cancelled,
    )


async def _run(
    function: CommandFunction, call: Call, shared: Mapping[str, Any], given: Mapping[str, Any]
) -> int:
    from asyncio import CancelledError, current_task  # noqa: PLC0415

    from synthstore.render.logs import logged_to  # noqa: PLC0415

    task, over = current_task(), False
    common = _common(call, shared, lambda: over or (task is not None and task.cancelling() > 0))
    try:
        with stopping.cancelling(task), logged_to(common.screen):
            return await function(common, **given)
    except Exception as error:
        if common.cancelled():
            # However far it got by itself, and whatever failed because workers were stopped too.
            raise CancelledError from error
        raise
    finally:
        over = True  # a thread that is still at work must stop, and the task forgets its Ctrl-C
        common.progress.clear()


def _signature(function: CommandFunction) -> inspect.Signature:
    """The command's own parameters, typer's context before them, the shared ones behind."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    hints = get_type_hints(function, include_extras=True)
    own = list(inspect.signature(function).parameters.values())[1:]
    return inspect.Signature(
        [
            inspect.Parameter("ctx", keyword, annotation=typer.Context),
            *(p.replace(kind=keyword, annotation=hints[p.name]) for p in own),
            *(
                inspect.Parameter(name, keyword, annotation=hint, default=default)
                for name, (hint, default) in SHARED.items()
            ),
        ]
    )
