"""What is named on the command line and is no file or folder: pipes, devices, links (4 to 7)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from synthstore.testing.stores import Built
from tests.bad_inputs.model import BACKUP, Given


def fifo(path: Path, _: Built) -> None:
    """A pipe that nobody writes into."""
    os.mkfifo(path)


def link_to(target: str) -> Callable[[Path, Built], object]:
    """A link to ``target``."""
    return lambda path, _: path.symlink_to(target)


ENDLESS = link_to("/dev/zero")
STORE = ("verify", "{path}")

GIVEN = tuple(
    Given(number=number, name=name, make=make, command=command, code=code, kind=kind)
    for number, name, make, command, code, kind in (
        (5, "store-is-a-link-in-a-circle", link_to("given"), STORE, 10, "not-a-store"),
        (6, "store-is-a-fifo", fifo, STORE, 10, "not-a-store"),
        (6, "repository-is-a-fifo", fifo, BACKUP, 2, "usage"),
        (6, "page-is-a-fifo", fifo, ("stats", "{store}", "--html", "{path}"), 2, "usage"),
        (
            6,
            "metrics-are-a-fifo",
            fifo,
            ("verify", "{store}", "--metrics-file", "{path}"),
            2,
            "usage",
        ),
        (7, "config-is-endless", ENDLESS, ("verify", "{store}", "--config", "{path}"), 2, "usage"),
        (7, "known-is-endless", ENDLESS, ("verify", "{store}", "--known", "{path}"), 2, "usage"),
        (7, "repository-is-endless", ENDLESS, BACKUP, 2, "usage"),
        (7, "store-is-endless", ENDLESS, STORE, 10, "not-a-store"),
    )
)
