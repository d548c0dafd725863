"""What the backup commands report: plain values for whoever renders them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from synthstore.repository.manifest import Snapshot

LookedAt = Literal["not", "quick", "full"]
"""How a backup looked for findings; ``not``: the files are those of the last snapshot."""


@dataclass(frozen=True, slots=True)
class LostEntity:
    """A file of a snapshot that the repository cannot give back whole (K001)."""

    snapshot: str
    """The newest snapshot that holds it."""
    path: str
    kind: str
    """``memory``, ``assembly``, or ``file``."""
    id: str
    object: str
    problem: str
    name: str = ""
    """The store's name in the repository."""
    newest: bool = True
    """Whether no newer snapshot of that name lacks it: the store may have it still."""


@dataclass(frozen=True, slots=True)
class Unsound:
    """The newest snapshot of a name, where it is tagged damaged or partial."""

    snapshot: Snapshot
    undamaged: Snapshot | None
    """The newest before it that is neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What a look at a repository found."""

    repository: str
    read_data: bool
    drilled: tuple[str, ...] = ()
    """Snapshots that were restored aside and verified."""
    snapshots: int
    packs: int
    objects: int
    bytes: int
    problems: tuple[str, ...]
    """What is wrong with packs and snapshot files, as sentences."""
    lost: tuple[LostEntity, ...]
    stale: tuple[str, ...] = ()
    """Names whose newest snapshot is older than was asked for, each with its time."""
    overdue: tuple[str | None, ...] = ()
    """The same names alone; None for the one store of a repository without any snapshot."""
    unsound: tuple[Unsound, ...] = ()
    """Newest snapshots of stores that were not whole: of the repository that is no damage."""
    started_at: str
    elapsed_seconds: float

    @property
    def clean(self) -> bool:
        """Whether all that any snapshot needs is there, and young enough."""
        return not (self.problems or self.lost or self.stale)

    @property
    def exit_code(self) -> int:
        """1 for damage, else 0."""
        return 0 if self.clean else 1


@dataclass(frozen=True, slots=True)
class Kept:
    """One snapshot under the rules."""

    snapshot: Snapshot
    because: str | None
    """The rule that keeps it; None: it goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneReport:
    """What prune kept and what it let go."""

    repository: str
    dry_run: bool
    snapshots: tuple[Kept, ...] = ()
    """Empty too where the rules could not be applied."""
    packs_removed: int = 0
    packs_rewritten: int = 0
    freed_bytes: int = 0
    held_back: str | None = None
    """Why nothing, or no data, was taken away."""

    @property
    def exit_code(self) -> int:
        """3 where the rules were applied, but the data of what goes had to stay, else 0."""
        return 3 if self.snapshots and self.held_back is not None else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupReport:
    """How one backup went."""

    store: str
    repository: str
    dry_run: bool
    snapshot: Snapshot
    new: int
    changed: int
    removed: int
    unchanged: int
    bytes_added: int
    """To the packs, as stored."""
    problems: Mapping[str, str] = field(default_factory=dict)
    """Files that could not be read, and why."""
    skipped: tuple[str, ...] = ()
    """Links and devices, which are never followed."""
    new_repository: bool = False
    """Whether none stood there before: it may be that a disk is not mounted."""
    look: LookedAt = "not"
    pruned: PruneReport | None = None
    checked: CheckReport | None = None
    started_at: str
    elapsed_seconds: float

    @property
    def exit_code(self) -> int:
        """1 for damage in the repository, 3 for what could not be read or let go, else 0."""
        if self.checked is not None and not self.checked.clean:
            return 1
        if self.problems:
            return 3
        return 0 if self.pruned is None else self.pruned.exit_code
