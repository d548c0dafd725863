"""What a migration does, or did."""

from __future__ import annotations

from dataclasses import dataclass, field

from synthstore.checks.finding import Finding

FINISHED = "C009"
"""Why an entity stays behind that is no loss: its deletion had begun."""


@dataclass(frozen=True, slots=True)
class Left:
    """Something in the source that the new store does not have."""

    code: str
    """The finding that tells of it."""
    kind: str
    """``memory``, ``assembly`` or ``file``."""
    id: str
    path: str | None
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrateReport:
    """The outcome of one migration."""

    store: str
    target: str | None
    """None where the store itself was converted."""
    layout: str
    """Of the source."""
    into: str
    """Layout of the new store."""
    dry_run: bool
    resumed: bool = False
    """Whether it went on with what an earlier try had made."""
    files: int = 0
    """Files of the new store; in place: files written or removed."""
    bytes: int = 0
    """Room that the migration takes, as planned."""
    memories: int = 0
    assemblies: int = 0
    vectors: int = 0
    run: str | None = None
    """What ``undo`` takes back; None but in place."""
    left: tuple[Left, ...] = ()
    others: tuple[str, ...] = ()
    """Paths of the source that belong to no entity, and so to no other layout."""
    findings: tuple[Finding, ...] = field(default=())
    """What ``verify`` says of the new store."""
    next: str | None = None
    """The exact next command."""
    started_at: str = ""
    elapsed_seconds: float = 0.0

    @property
    def lost(self) -> tuple[Left, ...]:
        """What is left that nobody wanted to be rid of."""
        return tuple(one for one in self.left if one.code != FINISHED)

    @property
    def exit_code(self) -> int:
        """3 where something had to be left, else 0."""
        return 3 if self.lost else 0
