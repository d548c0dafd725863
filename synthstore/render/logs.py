"""The log of the library, on the screen while a command runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from synthstore.render.screen import Line, Screen


class _ScreenHandler(logging.Handler):
    def __init__(self, screen: Screen) -> None:
        super().__init__(logging.DEBUG if screen.verbose else logging.WARNING)
        self._screen = screen
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        # What is critical is raised as well, and told then.
        if record.levelno < logging.CRITICAL:
            message = f"{record.levelname.lower()}: {record.getMessage()}"
            if message in self._said:
                return
            self._said.add(message)
            if record.levelno >= logging.ERROR:
                self._screen.errors([Line(message, "error")])
            else:
                self._screen.notes([Line(message, "dim")])


@contextmanager
def logged_to(screen: Screen) -> Iterator[None]:
    """Show warnings, with ``-v`` everything, on stderr, each once; where quiet only errors."""
    logger, handler = logging.getLogger("synthstore"), _ScreenHandler(screen)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(handler.level)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
