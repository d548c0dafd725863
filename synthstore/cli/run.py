"""The entry point, and the one place that maps errors to exit codes."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import typer

from synthstore.cli import stopping, streams
from synthstore.cli.app import program
from synthstore.cli.command import Call
from synthstore.errors import (
    InterruptedByUserError,
    LockedError,
    NotAStoreError,
    OperationError,
    RefusedError,
    SynthstoreError,
    UsageError,
)
from synthstore.render.screen import Screen, error_blocks
from synthstore.shell import cited, in_full

_WHILE_AT_WORK = (LockedError, OperationError, RefusedError)
"""Errors of which it is to be said whether anything was changed before."""

_TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})


def main() -> NoReturn:
    """Run the program on the process's own arguments."""
    streams.prepare()
    stopping.prepare()
    code = run(sys.argv[1:])
    stopping.over()
    # The interpreter would go through all that is left once more, only to let the system have it.
    gc.freeze()
    sys.exit(code)


def run(args: Sequence[str]) -> int:
    """Run one command and give its exit code; raises nothing."""
    call = Call(tuple(args), Screen(json=wants_json(args, os.environ)))
    try:
        return _run(list(args), call)
    except BrokenPipeError:
        # Whoever read the output is gone; the interpreter must not find out by flushing again.
        streams.give_up_stdout()
        return OperationError.exit_code if call.code is None else call.code
    except streams.StdoutError as error:
        streams.give_up_stdout()
        call.screen.errors(error_blocks(_lost(error, call)))
        return error.exit_code


def _run(args: list[str], call: Call) -> int:
    """Run one command, or tell why it failed; raises only that nothing goes to stdout any more."""
    try:
        code = _invoke(args, call)
    except typer.Exit as done:
        code = done.exit_code
    except (BrokenPipeError, streams.StdoutError):
        raise
    except KeyboardInterrupt:
        code = _tell(call, _interrupted(call))
    except Exception as failure:  # noqa: BLE001 - the last boundary: a bug must not look like exit 1
        code = _tell(call, _ours(failure, call))
    sys.stdout.flush()
    return code


def _lost(error: streams.StdoutError, call: Call) -> OperationError:
    if call.code is None:
        return error
    return OperationError(f"{error.message}; but for that, the exit code would be {call.code}")


def _ours(failure: Exception, call: Call) -> SynthstoreError:
    """Whatever went wrong as an error with an exit code; a bug's traceback goes to stderr."""
    if isinstance(failure, SynthstoreError):
        return failure
    if isinstance(failure, typer.TyperException):
        return _rejected(failure, call)
    if isinstance(failure, OSError):
        return _of_system(failure)
    # Only here: a command that starts no process need not know them.
    from concurrent.futures import BrokenExecutor  # noqa: PLC0415

    if isinstance(failure, BrokenExecutor):
        return OperationError(
            "a worker process was ended from outside, as a system short of memory does",
            hint="run it again; --jobs 1 does without worker processes",
        )
    import traceback  # noqa: PLC0415

    traceback.print_exception(failure)
    return OperationError(f"a bug in synthstore: {type(failure).__name__}")


def _invoke(args: list[str], call: Call) -> int:
    """What typer's own ``main`` does, with its errors left to the caller."""
    command = program()
    with command.make_context("synthstore", args or ["--help"], obj=call) as context:
        return int(command.invoke(context) or 0)


def wants_json(args: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Whether errors are to be JSON, asked before the arguments can be parsed."""
    if "--json" in args[: args.index("--") if "--" in args else None]:
        return True
    command = next((arg for arg in args if not arg.startswith("-")), "")
    variable = f"SYNTHSTORE_{command.upper().replace('-', '_')}_JSON"
    return environ.get(variable, "").lower() in _TRUE


def _tell(call: Call, error: SynthstoreError) -> int:
    call.code = error.exit_code
    error = _in_context(error, call)
    if call.redact:
        from synthstore.render.redact import redacted  # noqa: PLC0415

        error = redacted(error)
    if call.screen.json:
        from synthstore.render.documents import error_document  # noqa: PLC0415

        call.screen.document(error_document(error))
    else:
        call.screen.errors(error_blocks(error))
    return error.exit_code


def _in_context(error: SynthstoreError, call: Call) -> SynthstoreError:
    """The error with what only the call knows: its words, its store, that it changed nothing."""
    if error.hint is not None and not call.redact:
        error.hint = in_full(error.hint, call.args)
    if isinstance(error, NotAStoreError) and _is_of(error, call.unnamed):
        error.hint = f"{error.hint}; {_sought(call.origin)}"
    if call.writes is not None and isinstance(error, _WHILE_AT_WORK):
        from synthstore.cli.interrupted import untouched  # noqa: PLC0415

        if untouched(call.writes, call.before, call.begun):
            end = " " if error.message.endswith("?") else "; "
            error.message = f"{error.message}{end}{call.unchanged}"
    return error


def _is_of(error: SynthstoreError, store: Path | None) -> bool:
    """Whether the error is of the store, and not of a repository."""
    named = () if store is None else (str(store), str(store.absolute()))
    return error.message.startswith(named)


def _sought(origin: str) -> str:
    return (
        "no store was given: it is looked for in $SYNTHSTORE_STORAGE_PATH, then the config file, "
        f"then ./storage; this one is from {origin}"
    )


def _interrupted(call: Call) -> SynthstoreError:
    if call.writes is None:
        return InterruptedByUserError(f"interrupted; {call.unchanged}")
    from synthstore.cli.interrupted import standing  # noqa: PLC0415

    return standing(call.writes, call.before)


def _rejected(error: typer.TyperException, call: Call) -> UsageError:
    """What typer rejects, with the place that the value came from and where to read on."""
    context: Any = getattr(error, "ctx", None)
    message = " ".join(error.format_message().replace("Value error, ", "").split())
    message += _origin(error, context)
    if context is None:
        return UsageError(message, hint=f"try {cited('synthstore --help')}")
    if (context.default_map or {}).get("json") or context.params.get("json"):
        call.screen = Screen(json=True)
    return UsageError(message, hint=f"try {cited(f'{context.command_path} --help')}")


def _origin(error: typer.TyperException, context: Any) -> str:
    param: Any = getattr(error, "param", None)
    source = context.get_parameter_source(param.name) if context and param else None
    if source is None or source.name not in ("ENVIRONMENT", "DEFAULT_MAP"):
        return ""
    if source.name == "DEFAULT_MAP":
        return " (in the config file)"
    names = [param.envvar] if isinstance(param.envvar, str) else param.envvar
    return f" (from ${next((name for name in names if os.environ.get(name)), names[0])})"


def _of_system(error: OSError) -> OperationError:
    """What the system refused where nobody told it in our own words; the remedy all the same."""
    from synthstore.files.failure import failure  # noqa: PLC0415

    if error.filename is None:
        return OperationError(_system_text(error))
    told = failure(error, os.fsdecode(error.filename), "read")
    told.message = _system_text(error)
    return told


def _system_text(error: OSError) -> str:
    text = error.strerror or str(error)
    return f"{error.filename}: {text}" if error.filename is not None else text
