"""What stats tells of one store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from synthstore.checks.report import Report
from synthstore.errors import PartialError
from synthstore.model.ids import Kind


@dataclass(frozen=True, slots=True)
class Bin:
    """How many values lie in ``low <= value < high``; the last bin of a row holds its end too."""

    low: float | None
    """None: no lower end."""
    high: float | None
    count: int


@dataclass(frozen=True, slots=True)
class Distribution:
    """How the values of one quantity lie."""

    name: str
    """``dimension``, ``norm``, ``score``, ``age`` or ``size``."""
    unit: str
    """``seconds``, ``bytes``, or empty for a bare number."""
    count: int
    missing: int
    """Entities that have no such value, or none that could be read."""
    minimum: float | None
    maximum: float | None
    mean: float | None
    median: float | None
    """These four are None where there is no value."""
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a store beside its entities: the catalog, the index, a mapping."""

    name: str
    """``catalog``, ``index`` or ``mapping``."""
    path: str
    status: str
    """``ok``, ``missing`` or ``unreadable``."""
    bytes: int
    entries: int
    """Rows, vectors or mapping entries."""
    what: str = ""
    """Of the index: its type, metric and dimension."""


@dataclass(frozen=True, slots=True)
class Heap:
    """Files that are kept for a rainy day."""

    name: str
    """``runs``, ``quarantine``, ``backups`` or ``log``."""
    files: int
    bytes: int
    oldest: str | None
    """ISO 8601, UTC; None where there is no file."""
    newest: str | None


@dataclass(frozen=True, slots=True)
class Twins:
    """Memories that have the same content and the same embedding."""

    ids: tuple[str, ...]
    """Two at least, sorted."""
    bytes: int
    """Size of all of them but the largest."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What the store was when a snapshot was taken."""

    snapshot: str
    time: str
    """ISO 8601, UTC."""
    memories: int
    assemblies: int
    vectors: int
    bytes: int
    findings: int
    errors: int


@dataclass(frozen=True, kw_only=True)
class StatsReport:
    """A store in numbers."""

    report: Report
    """As verify gives it, every finding included; it is never unclean here."""
    kinds: Mapping[Kind, int]
    """Bytes of the entity files, by kind."""
    states: Mapping[str, int]
    """Entities by what their embedding is worth: ``valid``, ``missing``, ``zero`` and so on."""
    distributions: tuple[Distribution, ...]
    parts: tuple[Part, ...]
    heaps: tuple[Heap, ...]
    twins: tuple[Twins, ...]
    """The largest groups first."""
    repository: str | None
    """None where none was given."""
    marks: tuple[Mark, ...]
    """Oldest first."""

    @property
    def surplus(self) -> int:
        """How many memories repeat another one."""
        return sum(len(group.ids) - 1 for group in self.twins)

    @property
    def exit_code(self) -> int:
        """0, or 3 where something could not be read."""
        return 0 if self.report.complete else PartialError.exit_code
