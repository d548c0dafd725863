"""Taking a store's lock without keeping the event loop, or Ctrl-C, waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from synthstore.errors import LockedError
from synthstore.store.session import Session

PAUSE_SECONDS = 0.2


@asynccontextmanager
async def held(root: Path, *, wait: float, command: str) -> AsyncIterator[Session]:
    """Hold the store at ``root``; waits for its lock ``wait`` seconds at most.

    Raises LockedError, and whatever opening a session raises.
    """
    session = await _opened(root, wait, command)
    try:
        yield session
    finally:
        session.close()


async def _opened(root: Path, wait: float, command: str) -> Session:
    deadline = time.monotonic() + wait
    while True:
        try:
            return await asyncio.to_thread(Session.open, root, command=command)
        except LockedError:
            if time.monotonic() >= deadline:
                raise
        await asyncio.sleep(PAUSE_SECONDS)
