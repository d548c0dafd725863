"""Blocking work in one thread, which learns when nobody waits for it any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Event
from typing import TypeVar

from synthstore.errors import InterruptedByUserError

T = TypeVar("T")


class Stop:
    """Asked by the work in its own time."""

    def __init__(self) -> None:
        self._said = Event()

    def say(self) -> None:
        """Let the work end."""
        self._said.set()

    def heed(self) -> None:
        """Raise InterruptedByUserError once the work is to end."""
        if self._said.is_set():
            raise InterruptedByUserError("interrupted; nothing was changed")


async def hop(work: Callable[[Stop], T]) -> T:
    """Run ``work`` in a thread; a thread cannot be cancelled, so it is asked to stop."""
    stop = Stop()
    try:
        return await asyncio.to_thread(work, stop)
    except asyncio.CancelledError:
        stop.say()
        raise
