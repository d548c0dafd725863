"""A store between two layouts: a conversion was committed and is not done.

Its files speak for both. Whoever opens it for writing completes the run first, so that it counts as
what it will be then.
"""

from __future__ import annotations

from pathlib import Path

from synthstore.errors import OperationError
from synthstore.store.history import unfinished_runs
from synthstore.store.journal import RunFolder

NOTE = "layouts"
"""The key in a run's note: the layout before and the one after it."""


def layout_ahead(root: Path) -> str | None:
    """The layout that the store at ``root`` has once its unfinished run is done; None: as it is."""
    for run in reversed(unfinished_runs(root)):
        try:
            return _layout(root, run.run, after=True)
        except OperationError:
            # S001 tells of a plan that cannot be read.
            return None
    return None


def _layout(root: Path, run: str, *, after: bool) -> str | None:
    """The layout after a run, or before it: an undo leads back to where its run came from."""
    plan = RunFolder(root, run).plan()
    layouts = plan.note.get(NOTE)
    if isinstance(layouts, list):
        return str(layouts[after])
    return None if plan.undoes is None else _layout(root, plan.undoes, after=not after)
