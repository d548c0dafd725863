"""What is refused before a byte is written to a repository, each with what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import compress
from pathlib import Path

from synthstore.backup.listing import kind_at, layout_of
from synthstore.errors import RefusedError, UsageError
from synthstore.layout.base import Layout
from synthstore.repository.manifest import Snapshot
from synthstore.repository.path_column import PathColumn, Places
from synthstore.repository.place import LocalPlace, Place
from synthstore.shell import word


def refuse_inside(root: Path, place: Place) -> None:
    """Raise UsageError for a repository inside the store that it protects."""
    if isinstance(place, LocalPlace) and place.root.resolve().is_relative_to(root):
        raise UsageError(
            f"{place.where} is inside the store that it is to protect",
            hint="name a directory elsewhere, best on another disk",
        )


def refuse_strangers(
    snapshot: Snapshot,
    before: PathColumn,
    paths: PathColumn,
    places: Places,
    layout: Callable[[], Layout],
) -> None:
    """Raise RefusedError if no memory of a store is in the last snapshot of its folder's name.

    ``before`` are the paths of the snapshot, ``paths`` those of the store, and ``places`` where
    these stand among the former. Without any memory a store or a snapshot may be any other's.
    """
    then = layout_of(snapshot)
    # The first of them tells, as a rule.
    if any(_memories(then, compress(paths, places >= 0))):
        return
    # Another layout has the same memories at other paths.
    here, there = frozenset(_memories(layout(), paths)), frozenset(_memories(then, before))
    if here and there and here.isdisjoint(there):
        name = word(snapshot.name)
        raise RefusedError(
            f"no memory of this store is in the last snapshot called {snapshot.name!r}"
            f" ({snapshot.id}): it is another store's",
            hint="give this store a name of its own: --name NAME;"
            f" if it is the same one with other memories: --name {name}, on the command line",
        )


def _memories(layout: Layout, paths: Iterable[str]) -> Iterator[str]:
    """The names of the files of memories among ``paths``."""
    return (path[path.rfind("/") + 1 :] for path in paths if kind_at(layout, path) == "memory")
