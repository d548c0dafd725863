"""What the commands that use a repository share: which one it is, and which snapshots to keep."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from synthstore.config import parse_duration
from synthstore.errors import UsageError

if TYPE_CHECKING:
    from synthstore.backup.retention import Keep
    from synthstore.repository.place import Place
    from synthstore.rot import Newest

KEEPING = "Which snapshots to keep, per name"

Repo = Annotated[
    str | None,
    typer.Option(
        "--repo",
        metavar="REPO",
        help="The repository: a path or an fsspec URL; else $SYNTHSTORE_REPOSITORY.",
    ),
]
Repos = Annotated[
    list[str] | None,
    typer.Option(
        "--repo",
        metavar="REPO",
        help="Heal from its snapshots too; more are fine; else $SYNTHSTORE_REPOSITORY.",
    ),
]
Name = Annotated[
    str | None,
    typer.Option("--name", metavar="NAME", help="The name of the store in the repository."),
]
NewName = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="NAME",
        help="The name of the store in the repository; else its directory's.",
    ),
]
LikelyName = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="NAME",
        help="The name of the store in the repository; else TARGET's, or the only one there.",
    ),
]

KinName = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="NAME",
        help="The name of the store in the repository; else its directory's, the only one there,"
        " or the only one that shares memories.",
    ),
]


def _number(rule: str, what: str) -> typer.models.OptionInfo:
    text = f"The newest snapshot of each of the last N {what}; -1: of all."
    option: typer.models.OptionInfo = typer.Option(
        f"--keep-{rule}", metavar="N", min=-1, rich_help_panel=KEEPING, help=text
    )
    return option


KeepLast = Annotated[
    int | None,
    typer.Option("--keep-last", metavar="N", min=-1, rich_help_panel=KEEPING, help="The last N."),
]
KeepHourly = Annotated[int | None, _number("hourly", "hours that have one")]
KeepDaily = Annotated[int | None, _number("daily", "days that have one")]
KeepWeekly = Annotated[int | None, _number("weekly", "weeks that have one")]
KeepMonthly = Annotated[int | None, _number("monthly", "months that have one")]
KeepYearly = Annotated[int | None, _number("yearly", "years that have one")]
KeepWithin = Annotated[
    str | None,
    typer.Option(
        "--keep-within", metavar="30d", rich_help_panel=KEEPING, help="All that are younger."
    ),
]


def place(repo: str | None) -> Place:
    """The repository that was named; raises UsageError where none was."""
    named = place_if_named(repo)
    if named is None:
        raise UsageError(
            "no repository", hint="name one with --repo REPO, or set SYNTHSTORE_REPOSITORY"
        )
    return named


def place_if_named(repo: str | None) -> Place | None:
    """The repository that ``--repo`` or the environment names, for commands that need none."""
    from synthstore.repository.remote import place_of  # noqa: PLC0415

    named = repo or os.environ.get("SYNTHSTORE_REPOSITORY")
    return place_of(named) if named else None


def newest(
    repos: list[str] | None, name: str | None, *, despite_losses: bool = False
) -> Newest | None:
    """The newest snapshots in every repository that was named; None where none was."""
    found = [place_if_named(repo) for repo in repos or (None,)]
    places = [place for place in found if place is not None]
    if not places:
        return None
    from synthstore.rot import Newest  # noqa: PLC0415 - most looks need no repository

    return Newest(places, name=name, despite_losses=despite_losses)


def rules(within: str | None, **counts: int | None) -> Keep:
    """The ``--keep-*`` options as rules."""
    from synthstore.backup.retention import Keep  # noqa: PLC0415

    seconds = parse_duration(within) if within is not None else None
    return Keep(within=seconds, **counts)
