"""Options that several commands share, and the pure functions that check what was given."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal

import typer

from synthstore.checks.finding import Severity
from synthstore.config import ConfigFile
from synthstore.errors import UsageError

CHOICE = "Choice of findings"
SAFETY = "Safety"

FailOn = Literal["error", "warning", "info", "never"]
LayoutName = Literal["native", "core-4", "core-3", "core-2", "lucidia-1", "lucidia-0"]

Store = Annotated[
    str | None,
    typer.Argument(
        metavar="STORE",
        show_default=False,
        help="The store's directory; else $SYNTHSTORE_STORAGE_PATH, the config file, ./storage.",
    ),
]
RequiredStore = Annotated[str, typer.Argument(metavar="STORE", help="The store's directory.")]
Select = Annotated[
    list[str] | None,
    typer.Option(
        "--select",
        metavar="CODES",
        rich_help_panel=CHOICE,
        help="Only these findings: V004,M003, or V for all that begin so.",
    ),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(
        "--ignore",
        metavar="CODES",
        rich_help_panel=CHOICE,
        help="All findings but these.",
    ),
]
Ids = Annotated[
    list[str] | None,
    typer.Option(
        "--id",
        metavar="ID",
        rich_help_panel=CHOICE,
        help="Only findings of this memory or assembly; may be given again.",
    ),
]
Fail = Annotated[
    FailOn,
    typer.Option(
        "--fail-on",
        rich_help_panel=CHOICE,
        help="The mildest severity for which the exit code is 1.",
    ),
]
LayoutOption = Annotated[
    LayoutName | None,
    typer.Option(
        "--layout", help="Settle which layout it is, where the evidence is equal for two."
    ),
]
Executor = Annotated[
    str | None,
    typer.Option(
        "--executor",
        metavar="dask=URL",
        help="Let the workers of a Dask cluster read the files: dask=tcp://host:port.",
    ),
]
MetricsFile = Annotated[
    str | None,
    typer.Option(
        "--metrics-file",
        metavar="FILE",
        help="Write a Prometheus textfile, on failure too; - is stdout.",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "-n",
        "--dry-run",
        rich_help_panel=SAFETY,
        help="Show the plan and the space it needs; change not one byte.",
    ),
]
Yes = Annotated[
    bool, typer.Option("-y", "--yes", rich_help_panel=SAFETY, help="Do not ask before writing.")
]
AllowShrink = Annotated[
    bool,
    typer.Option(
        "--allow-shrink",
        rich_help_panel=SAFETY,
        help="Allow what is refused because the store would lose many entities.",
    ),
]

_SUBSET = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


def codes(values: Iterable[str] | None, option: str, known: Iterable[str]) -> tuple[str, ...]:
    """Split ``V004,M003`` at commas; raises UsageError for what no known code begins with."""
    found = [code.strip().upper() for value in values or () for code in value.split(",")]
    every = tuple(known)
    for code in found:
        if not code or not any(name.startswith(code) for name in every):
            raise UsageError(
                f"{option}: no finding code begins with {code!r}",
                hint="man synthstore-findings lists the codes",
            )
    return tuple(found)


def subset(text: str | None) -> tuple[int, int] | None:
    """``3/7`` as (3, 7): the third of seven parts."""
    if text is None:
        return None
    match = _SUBSET.fullmatch(text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(
            f"--subset: {text!r} names no part", hint="write N/T with N from 1 to T, as in 3/7"
        )
    return int(match[1]), int(match[2])


def cluster(executor: str | None) -> str | None:
    """The address of the Dask scheduler that ``--executor`` names."""
    if executor is None:
        return None
    kind, _, address = executor.partition("=")
    if kind != "dask" or not address:
        raise UsageError(
            f"--executor: {executor!r} is no executor", hint="write dask=tcp://HOST:PORT"
        )
    return address


def threshold(label: str) -> Severity | None:
    """The severity that ``--fail-on`` names; None for ``never``."""
    return None if label == "never" else Severity[label.upper()]


def severities(config: ConfigFile, known: Iterable[str]) -> dict[str, Severity]:
    """The ``[severity]`` table, its codes checked against the catalogue."""
    every = frozenset(known)
    for code in config.severities:
        if code not in every:
            raise UsageError(f"{config.path}: unknown key {code!r} in [severity]")
    return {code: Severity[label.upper()] for code, label in config.severities.items()}
