"""Under which of the names in a repository a store is to be found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass

from synthstore.errors import UsageError
from synthstore.layout.base import Place as Belongs
from synthstore.layout.detect import SUPPORTED
from synthstore.layout.native import Native
from synthstore.repository.manifest import Snapshot
from synthstore.repository.vault import LostObjectError, Repository
from synthstore.shell import cited, path_word


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """The name of a store in a repository, as a command was given it."""

    name: str | None = None
    """None: nobody gave one, and another store's snapshots are told by their memories."""
    name_by_habit: bool = False
    """Whether it comes from a configuration, which does not vouch for any one store."""

    @property
    def vouched(self) -> bool:
        """Whether the operator said for this very store that the name is its own."""
        return self.name is not None and not self.name_by_habit


def listing(where: str) -> str:
    """What to look at where the repository at ``where`` does not hold what is asked for."""
    command = cited(f"synthstore snapshots list --repo {path_word(where)}")
    return f"{command} shows what there is"


def of_name(snapshots: Sequence[Snapshot], name: str | None, where: str) -> Sequence[Snapshot]:
    """Those of the store of that ``name``, or all; raises UsageError for a name that none has.

    ``where`` is the repository that they are in.
    """
    if name is None:
        return snapshots
    found = [one for one in snapshots if one.name == name]
    if not found:
        raise UsageError(f"no snapshot of {name!r}", hint=listing(where))
    return found


def several(names: Iterable[str], kin: Sequence[str] = ()) -> UsageError:
    """What is said where nobody can tell which store is meant; ``kin`` may be."""
    told = f"; of this one may be: {', '.join(kin)}" if kin else ""
    return UsageError(
        f"the repository holds several stores: {', '.join(sorted(names))}{told}",
        hint="say which with --name NAME",
    )


def kin(
    repository: Repository, snapshots: Sequence[Snapshot], memories: AbstractSet[str]
) -> Iterator[str]:
    """The names whose newest snapshot has a memory in a file called as one of ``memories``."""
    newest = {one.name: one for one in snapshots}
    for name, snapshot in sorted(newest.items()):
        with suppress(LostObjectError):
            if not memories.isdisjoint(_memories(repository, snapshot)):
                yield name


def _memories(repository: Repository, snapshot: Snapshot) -> Iterator[str]:
    layout = SUPPORTED.get(snapshot.layout, Native)()
    for row in repository.tree(snapshot).files:
        if layout.place(row.path) is Belongs.MEMORY:
            yield file_name(row.path)


def file_name(path: str) -> str:
    """What a file is called in whatever folder: layouts differ in these alone."""
    return path[path.rfind("/") + 1 :]
