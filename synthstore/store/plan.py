"""What a change to a store is: the wish of a command, and the plan that a run commits to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from synthstore.files.durable import Content
from synthstore.layout.base import OWN_FOLDER
from synthstore.model.paths import confined
from synthstore.store.items import Copy, Items

ENTITY, INDEX, MAPPING, CATALOG, REMOVAL = range(5)
"""The order in which a plan is applied: what others refer to comes first, and goes last."""

NO_SLOT = -1
"""Of a path for which nothing is staged."""


class Staged(NamedTuple):
    """New bytes that were put into the run's folder before, and proved."""

    slot: int
    copy: Copy


@dataclass(frozen=True, slots=True)
class Change:
    """What one path is to become."""

    path: str
    """Store-relative, POSIX."""
    old: str | None
    """sha256 (hex) of what must be there now; None: nothing may be there."""
    content: Content | Staged | None
    """The new bytes; None: the file goes."""
    order: int
    """ENTITY, INDEX, MAPPING, CATALOG or REMOVAL."""
    mode: int | None = None
    """None: as the file that it replaces, else as the store's folder allows."""
    uid: int | None = None
    gid: int | None = None
    mtime_ns: int | None = None
    quarantine: bool = False
    """Whether a copy of what is displaced goes to quarantine."""
    size: int | None = None
    """Bytes that a streaming ``content`` will write, where it has no ``size`` of its own to say so;
    None: about as many as it replaces."""
    sha256: str | None = None
    """Of the ``content``, where it is known: what is staged has to read back as it."""

    @property
    def idle(self) -> bool:
        """Whether the bytes are known to be those that are there."""
        if not isinstance(self.content, bytes):
            return self.content is None and self.old is None
        if self.old is None:
            return False
        return (self.sha256 or hashlib.sha256(self.content).hexdigest()) == self.old

    def size_after(self, before: int) -> int:
        """Expected size of the new file, which replaces one of ``before`` bytes."""
        if isinstance(self.content, bytes):
            return len(self.content)
        if isinstance(self.content, Staged):
            return self.content.copy.size
        told: int | None = getattr(self.content, "size", self.size)
        return before if told is None else told


class FilesChanged(Exception):  # noqa: N818 - no failure: the caller plans anew without them
    """Some paths no longer hold what the plan was made for; nothing was changed."""

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__(f"{len(paths)} files changed since they were read")
        self.paths = tuple(paths)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run will do; what is in it is done, by this process or by the next."""

    run: str
    command: str
    started_at: str
    items: Items
    """In the order in which they are applied."""
    made: tuple[str, ...] = ()
    """Folders that the run makes, outermost first."""
    dropped: tuple[str, ...] = ()
    """Folders that the run removes where they end up empty, innermost first."""
    undoes: str | None = None
    note: Mapping[str, object] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Size of the pre-images."""
        return self.items.old_bytes


def _require_path(path: str) -> None:
    if confined(path) != path:
        raise ValueError(f"not a plain store-relative path: {path!r}")
    if path.split("/", maxsplit=1)[0] == OWN_FOLDER:
        raise ValueError(f"no run may change {path!r}")


def require_inside(plan: Plan) -> None:
    """Raise ValueError for a plan that none of ours wrote: a copied store may hold anybody's."""
    for path in (*plan.items.paths, *plan.made, *plan.dropped):
        _require_path(path)


def require_sound(changes: Sequence[Change], seen: dict[str, int]) -> None:
    """Raise ValueError for changes that no run may hold: a mistake of the caller.

    ``seen`` are the paths of the run's earlier changes; theirs come to it.
    """
    for change in changes:
        _require_path(change.path)
        if change.path in seen:
            raise ValueError(f"changed twice in one run: {change.path!r}")
        seen[change.path] = NO_SLOT
