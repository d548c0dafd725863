"""What is refused before a byte is written, each with what to do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from synthstore.checks.standing import lost_folders
from synthstore.errors import RefusedError, UsageError
from synthstore.migrate.report import Left
from synthstore.repair.refusals import refuse_lost_folder, settling
from synthstore.scan.inventory import Inventory
from synthstore.shell import cited, path_word

_SHOWN = 5


def refuse_nesting(root: Path, target: Path) -> None:
    """Raise UsageError where one of the two stores would be inside the other."""
    if target.is_relative_to(root):
        raise UsageError(
            f"{target} is inside the store {root}" if target != root else f"{root} is the source",
            hint="name a directory elsewhere; to convert the store itself: --in-place",
        )
    if root.is_relative_to(target):
        raise UsageError(
            f"the store {root} is inside {target}", hint="name a directory beside the store"
        )


def refuse_unsettled(store: Path, inventory: Inventory) -> None:
    """Raise RefusedError for a store whose entities cannot be told as it stands."""
    for folder in lost_folders(inventory):
        refuse_lost_folder(store, folder)
    for run in inventory.unfinished:
        raise RefusedError(
            f"the run {run.run} ({run.command}) of {store} is not finished",
            hint=f"finish it with: synthstore repair {path_word(store)}",
        )


def refuse_mixed(store: Path, inventory: Inventory) -> None:
    """Raise RefusedError where the embeddings are not of one dimension."""
    sizes = {dim: len(table.paths) for dim, table in inventory.tables.items()}
    if len(sizes) < 2:  # noqa: PLR2004 - two are already too many
        return
    told = ", ".join(f"{count} of {dim} dimensions" for dim, count in sorted(sizes.items()))
    find = cited(f"synthstore verify {path_word(store)} --select E002")
    anew = f"{find} names them: embed them anew" if inventory.dimension else settling(store)
    raise RefusedError(
        f"the embeddings of {store} are mixed: {told}; no index holds them all",
        hint=f"{anew}, or leave --layout out, which copies the store as it is",
    )


def refuse_loss(store: Path, left: Iterable[Left]) -> None:
    """Raise RefusedError where converting the store itself would leave something behind."""
    found = list(left)
    if not found:
        return
    shown = "; ".join(f"{one.code} {one.kind} {one.id}: {one.because}" for one in found[:_SHOWN])
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise RefusedError(
        f"not all of {store} can be converted: {shown}{more}",
        hint=f"first: {cited(f'synthstore repair {path_word(store)}')}; or migrate to a new"
        " directory, which leaves the store as it is and names what it cannot take along",
    )
