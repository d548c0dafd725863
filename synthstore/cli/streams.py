"""The standard streams, in whatever state the program is given them."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, BinaryIO, TextIO

from synthstore.errors import OperationError, UsageError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_STANDARD = (0, 1, 2)


class StdoutError(OperationError):
    """What was to go to stdout cannot be written there."""


class _Stdout(io.FileIO):
    """Says of an error that it was stdout's; that a reader is gone stays an error of its own."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise StdoutError(f"cannot write to stdout: {error.strerror or error}") from error


class _NoStdin(io.FileIO):
    """What stands for a stdin that is closed."""


class _Stderr(io.FileIO):
    """Loses what cannot be told: that must not stop the work, nor change the exit code."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def occupy() -> None:
    """Take the numbers of standard streams that are closed.

    Else a file of a store would be given one of them, and get what is meant for the stream. What
    takes them is open the wrong way round, so that to use them is the error that it was.
    """
    for fd in _STANDARD:
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if fd else os.O_WRONLY)


def prepare() -> None:
    """Have each stream, and stdout and stderr fail as they should; a closed one just fails."""
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(_NoStdin(0, closefd=False)))
    sys.stdout = _text(sys.stdout, _Stdout(1, "w", closefd=False))
    sys.stderr = _text(sys.stderr, _Stderr(2, "w", closefd=False))


def stdin() -> BinaryIO:
    """What stdin gives; raises UsageError where it is closed."""
    if isinstance(getattr(sys.stdin.buffer, "raw", None), _NoStdin):
        raise UsageError(
            "stdin is closed, so nothing can be read from it",
            hint="pipe the records into it, redirect it as in '< FILE', or name a file",
        )
    return sys.stdin.buffer


def _text(stream: TextIO | None, raw: io.FileIO) -> TextIO:
    """A stream onto ``raw`` that behaves as ``stream`` did, where there was one."""
    at_once = [getattr(stream, name, True) for name in ("line_buffering", "write_through")]
    # A locale without UTF-8 must not turn an odd id into a traceback.
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=getattr(stream, "encoding", None),
        errors="backslashreplace",
        line_buffering=any(at_once),
    )


def give_up_stdout() -> None:
    """Let nobody have what is still to be written there, so that it cannot fail once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
