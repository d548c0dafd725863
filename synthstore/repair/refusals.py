"""What keeps catalog and index from being built anew."""

from __future__ import annotations

from pathlib import Path

from synthstore.errors import PermissionDeniedError
from synthstore.scan.inventory import Inventory


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
