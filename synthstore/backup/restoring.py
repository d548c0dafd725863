"""What a restore is asked for, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from synthstore.backup.choosing import LATEST
from synthstore.checks.finding import Finding, Severity
from synthstore.checks.report import Action
from synthstore.progress import Progress
from synthstore.repository.manifest import Snapshot
from synthstore.repository.naming import Named
from synthstore.repository.vault import Repository
from synthstore.shell import path_word
from synthstore.store.backups import DEFAULT_COPIES, Copies
from synthstore.store.opening import Clock

if TYPE_CHECKING:
    from synthstore.verify import LookOptions

Overwrite = Literal["never", "if-newer", "always"]
"""Whether a file of a snapshot goes over one that an existing store has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOptions(Named):
    """What to restore, and over what."""

    snapshot: str = LATEST
    ids: frozenset[str] = frozenset()
    """Entities to restore; empty: all."""
    overwrite: Overwrite = "never"
    dry_run: bool = False
    lock_wait: float = 0.0
    jobs: int | None = None
    layout: str | None = None
    copies: Copies = DEFAULT_COPIES
    """Of the catalog, taken before a living store's is replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """What a restore did, or would do."""

    store: str
    repository: str
    snapshot: Snapshot
    dry_run: bool
    into: str
    """``new directory`` or ``living store``."""
    files: int
    """Files written."""
    bytes: int
    run: str | None = None
    actions: tuple[Action, ...] = ()
    lost: Mapping[str, str] = field(default_factory=dict)
    """Files that the repository could not give back, and why."""
    findings: tuple[Finding, ...] = ()
    """What the verification found that the restore is to answer for."""
    elsewhere: int = 0
    """Errors of the living store that it found besides, of what was not restored."""
    undamaged: Snapshot | None = None
    """Where its snapshot is tagged damaged or partial: the newest before it that is neither."""
    unrelated: bool = False
    """Whether the living store has no memory of the snapshot, whose name nobody gave."""
    started_at: str
    elapsed_seconds: float

    @property
    def exit_code(self) -> int:
        """3 where something is not restored, 1 for errors not in the snapshot, else 0."""
        if self.lost or any(action.status == "failed" for action in self.actions):
            return 3
        return 1 if any(one.severity is Severity.ERROR for one in self.findings) else 0


def by_id(target: Path | str, repository: str, snapshot: str) -> str:
    """The command that restores a certain snapshot, to be shown."""
    where = path_word(repository)
    return f"synthstore restore {path_word(target)} --repo {where} --snapshot {snapshot}"


Confirm = Callable[[RestoreReport], bool]


@dataclass(frozen=True, slots=True)
class Job:
    """One restore under way."""

    target: Path
    repository: Repository
    snapshot: Snapshot
    options: RestoreOptions
    progress: Progress
    clock: Clock
    undamaged: Snapshot | None = None

    @property
    def look(self) -> LookOptions:
        """How to look at the store."""
        from synthstore.verify import LookOptions  # noqa: PLC0415 - not before it is time to look

        return LookOptions(jobs=self.options.jobs, layout=self.options.layout)

    def report(self, into: str, files: int, size: int) -> RestoreReport:
        """What there is to tell before anything is done."""
        return RestoreReport(
            store=str(self.target),
            repository=self.repository.place.where,
            snapshot=self.snapshot,
            undamaged=self.undamaged,
            dry_run=self.options.dry_run,
            into=into,
            files=files,
            bytes=size,
            started_at=self.clock.started_at,
            elapsed_seconds=self.clock.elapsed(),
        )
