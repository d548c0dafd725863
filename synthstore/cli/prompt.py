"""Asking before a store is changed."""

from __future__ import annotations

import select
import sys
import termios
from collections.abc import Callable

from synthstore.errors import InterruptedByUserError, UsageError
from synthstore.render.screen import is_terminal

_LOOK_SECONDS = 0.1


def require_terminal(command: str) -> None:
    """Raise UsageError where nobody is there to answer."""
    if not (sys.stdin.isatty() and is_terminal(sys.stderr)):
        cron = "; for cron: repair --safe" if command == "repair" else ""
        raise UsageError(
            f"{command} asks before it changes a store, and there is no terminal to ask on",
            hint=f"give --yes to go ahead, or --dry-run to see the plan{cron}",
        )


def ask(question: str, cancelled: Callable[[], bool]) -> bool:
    """Whether the operator says yes; no answer is a no.

    The event loop turns Ctrl-C into a cancelled task, so ``cancelled`` is asked while it waits.
    """
    # What was typed before the question was read is no answer to it.
    termios.tcflush(sys.stdin, termios.TCIFLUSH)
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    while not select.select([sys.stdin], [], [], _LOOK_SECONDS)[0]:
        if cancelled():
            sys.stderr.write("\n")
            raise InterruptedByUserError("interrupted at the prompt; nothing was changed")
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        sys.stderr.write("\n")
    return answer.strip().lower() in {"y", "yes"}
