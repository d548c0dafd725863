"""What verify and repair tell: one document a store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from synthstore.checks.finding import Finding, Severity, Subject
from synthstore.shell import cited

NO_COPY = "no copy of it was found"
"""So ends why a row is dropped whose entity is lost, as far as was looked."""

GIVEN_AWAY = "the file it names bears another's id, and was accepted as it is"
"""Why another is lost."""

LOST = f"its file is gone, and {NO_COPY}"
NO_FILE = "no file holds it, and no copy of it lies in the store"
"""Why a row is dropped by what does not ask snapshots."""

COPY_LEFT = f"no file holds it, but a copy does: {cited('synthstore repair')} brings it back"
"""Why such a row stays."""

ORPHAN = "no entity owns it"
ORPHAN_OF = f"{ORPHAN}; by the mapping it was the vector of "
"""Why a vector goes as nobody's; behind the latter, the name of what has neither file nor row."""

ActionStatus = Literal["planned", "done", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Action:
    """One step of a repair, for people and for ``actions`` of the report."""

    kind: str
    """``adopt-row``, ``drop-row``, ``rewrite-row``, ``recover-file``, ``salvage-file``,
    ``heal-embedding``, ``quarantine-file``, ``delete-file``, ``add-vector``, ``replace-vector``,
    ``remove-vector``, ``write-index``, ``write-mapping``, ``write-catalog``, ``finish-run``."""
    subject: Subject
    path: str | None
    source: str | None = None
    """The surviving copy that it heals from."""
    status: ActionStatus = "planned"
    because: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """Entity files found, the index's ntotal, and the bytes of all of them."""

    memories: int = 0
    assemblies: int = 0
    vectors: int = 0
    bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of one look at one store."""

    command: str
    store: str
    layout: str
    quick: bool
    complete: bool
    """False where the look was cut short (a subset, a file that could not be read)."""
    started_at: str
    """ISO 8601 with microseconds and ``Z``."""
    elapsed_seconds: float
    clean: bool
    """Nothing at or above the threshold."""
    silenced: int
    """How many findings ``--known`` kept from the report."""
    next: str | None
    """The exact next command; None where none is needed."""
    counts: Counts
    findings: tuple[Finding, ...]

    @property
    def by_severity(self) -> Mapping[str, int]:
        """Number of findings by severity label, worst first."""
        seen = Counter(f.severity for f in self.findings)
        return {s.label: seen[s] for s in sorted(Severity, reverse=True)}

    @property
    def by_code(self) -> Mapping[str, int]:
        """Number of findings by code, sorted."""
        return dict(sorted(Counter(f.code for f in self.findings).items()))

    @property
    def exit_code(self) -> int:
        """0, 1 for findings at or above the threshold, else 3 if the look was cut short."""
        if not self.clean:
            return 1
        return 0 if self.complete else 3


@dataclass(frozen=True, kw_only=True)
class RepairReport(Report):
    """A report of repair or rebuild-index: its findings are those left."""

    run: str | None
    """Id of the recorded run; None if nothing changed."""
    dry_run: bool
    actions: tuple[Action, ...]
    fixed: int
    left: int
    bytes_needed: int = 0
    """Room that staging and pre-images take, for the plan that is shown."""
    refused: str | None = None
    """In a dry run: why the plan would be refused."""
    refused_hint: str | None = None
    """What to do about that, the flag that allows it last."""
    snapshots_asked: bool = False
    """Whether copies were looked for in snapshots, too."""
    recovered_runs: tuple[str, ...] = field(default=())
    """Interrupted runs that were rolled forward first."""
