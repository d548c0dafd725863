"""Findings as data: a stable code, a subject, evidence, and what repair would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum


class Severity(IntEnum):
    """How bad a finding is; ordered, so that a threshold is a comparison."""

    INFO = 0
    WARNING = 1
    ERROR = 2

    @property
    def label(self) -> str:
        """The name that reports print."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Subject:
    """What a finding speaks of: an entity, or a part of the store."""

    kind: str
    """``memory``, ``assembly``, ``vector``, ``catalog``, ``index``, ``mapping``, ``file``, ``run``
    or ``store``."""
    id: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One damage or oddity."""

    code: str
    rule: str
    severity: Severity
    subject: Subject
    path: str | None
    """Store-relative, POSIX; None where no one file is meant."""
    message: str
    evidence: Mapping[str, object] = field(default_factory=dict)
    repair: str = ""

    @property
    def sort_key(self) -> tuple[str, str, str, str]:
        """Reports list findings in this order."""
        return (self.code, self.subject.kind, self.subject.id, self.path or "")
