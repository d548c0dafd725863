"""What a store's state refuses, to several commands, each with what to do."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from synthstore.checks.standing import Claim, unmounted
from synthstore.errors import PermissionDeniedError, RefusedError
from synthstore.model.ids import EntityRef
from synthstore.scan.inventory import Inventory
from synthstore.shell import cited, path_word


class Cause(StrEnum):
    """What kind of reason there is to refuse, for what helps depends on it."""

    FOLDER = "folder"
    """A folder of entities is missing or empty."""
    TIE = "tie"
    """No dimension of embeddings has the majority."""
    LOSS = "loss"
    """More would go than is let go without asking."""


class Refusal(NamedTuple):
    """Why a plan must not be done without ``--allow-shrink``."""

    message: str
    cause: Cause = Cause.LOSS


def remedy(
    cause: Cause, command: str, store: Path | str, snapshots: str, *, planned: bool = False
) -> str:
    """What to do about a refused plan of ``command``: first what loses nothing, the flag last.

    ``snapshots`` are the options that name where snapshots are; ``planned``: the plan is shown.
    """
    named = path_word(store)
    plan = f"look at the plan with {cited(f'synthstore {command} {named} --dry-run')} and "
    allow = f"{'' if planned else plan}allow it with --allow-shrink"
    if cause is Cause.TIE:
        return f"{settling(store)}; or {allow}"
    back = cited(f"synthstore restore {named} {snapshots}")
    missing = f"bring back what is missing, from snapshots with {back}; or {allow}"
    return f"{mounting(store)}; else {missing}" if cause is Cause.FOLDER else missing


def mounting(store: Path | str) -> str:
    """What to do first about a folder that is missing or empty: it may well lose nothing."""
    look = cited(f"synthstore verify {path_word(store)}")
    return f"if its disk is not mounted, mount it and look again with {look}"


def settling(store: Path | str) -> str:
    """What to do about embeddings of which no dimension has the majority."""
    named = path_word(store)
    export = cited(f"synthstore export {named} -o rows.jsonl")
    back = cited(f"synthstore import {named} rows.jsonl --on-conflict replace")
    return (
        f"embeddings made anew by one model settle it: {export}, embed the rows anew, then {back}"
    )


def require_open(root: Path, inventory: Inventory) -> None:
    """Raise PermissionDeniedError where entities may be in a folder that is closed to this user.

    What cannot be read is not gone, so no flag allows to build without it.
    """
    for problem in inventory.access:
        if problem.path in inventory.layout.entity_folders:
            raise PermissionDeniedError(
                f"{root / problem.path} is closed to this user ({problem.message}): what is built "
                "without it would lack all that is in it",
                hint=problem.remedy,
            )


def require_folders(
    store: Path,
    lost: Mapping[str, Sequence[Claim]],
    *,
    back: Container[EntityRef] = frozenset(),
    otherwise: str = "",
) -> None:
    """Raise RefusedError where entities are ``lost`` with their folder (S009) and do not come back.

    A file put there would hide that: with it the folder is neither missing nor empty, and the next
    repair takes all others for gone. ``otherwise`` is what else may help.
    """
    for folder, claims in lost.items():
        gone = sum(claim.ref not in back for claim in claims)
        if gone:
            raise RefusedError(
                f"{unmounted(folder)} {gone} of {len(claims)} would still be missing",
                hint=f"{mounting(store)}; {otherwise}{_for_good(store)}",
            )


def refuse_lost_folder(store: Path, folder: str) -> None:
    """Raise RefusedError for a folder of entities that is missing or empty."""
    raise RefusedError(unmounted(folder), hint=f"{mounting(store)}; {_for_good(store)}")


def _for_good(store: Path) -> str:
    return f"if it is lost for good, first: synthstore repair {path_word(store)} --allow-shrink"
