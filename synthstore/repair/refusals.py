"""What a store's state refuses, to several commands, each with what to do."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from pathlib import Path

from synthstore.checks.standing import Claim, unmounted
from synthstore.errors import PermissionDeniedError, RefusedError
from synthstore.model.ids import EntityRef
from synthstore.scan.inventory import Inventory
from synthstore.shell import path_word


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
                hint=f"bring it back, or mount it; {otherwise}if it is lost for good, first: "
                f"synthstore repair {path_word(store)} --allow-shrink",
            )
