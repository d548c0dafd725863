"""What asks a command to stop besides Ctrl-C, and is to find it ending in as good order."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_ALIKE = (signal.SIGTERM, signal.SIGHUP)
"""``timeout``, systemd and kill send the first, a terminal that goes away the second."""

_working: list[Any] = []
"""The task that does the command's work, and could be cancelled."""


def prepare() -> None:
    """Have all of these end a command as Ctrl-C does: cleaned up, and told.

    The system's own way would leave behind what stands beside a store: the beginning of an
    export, or a whole store that was restored aside. What is ignored, as by nohup, stays so.
    """
    for number in _ALIKE:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _stop)


def over() -> None:
    """Let nothing interrupt the program any more: all is done and told."""
    for number in (signal.SIGINT, *_ALIKE):
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def cancelling(task: Any) -> Iterator[None]:
    """Have ``task`` cancelled where the program is asked to stop while the body lasts."""
    _working.append(task)
    try:
        yield
    finally:
        _working.clear()


def _stop(number: int, _frame: FrameType | None) -> None:
    # Who sends it to the program often sends it to the group as well, and once is enough. Not
    # SIG_IGN, which what the program starts would inherit.
    signal.signal(number, _heard)
    if not _working:
        raise KeyboardInterrupt
    for task in _working:
        task.cancel()
        # The loop may be asleep.
        task.get_loop().call_soon_threadsafe(int)


def _heard(_number: int, _frame: FrameType | None) -> None:
    """Do nothing."""
