"""Whether a new store is as sound as the one that it was made of."""

from __future__ import annotations

from collections.abc import Collection

from synthstore.checks.finding import Severity, Subject
from synthstore.errors import OperationError
from synthstore.verify import Look

_SHOWN = 5

Told = tuple[str, Subject]
"""What a finding is known again by: its code, and what it is of."""


def told(seen: Look) -> frozenset[Told]:
    """What is said of a store."""
    return frozenset((one.code, one.subject) for one in seen.findings)


def require_sound(new: Look, known: Collection[Told], hint: str) -> None:
    """Raise OperationError where the new store has errors that the old one had not."""
    wrong = [
        f"{one.code} {one.subject.kind} {one.subject.id}"
        for one in new.findings
        if one.severity is Severity.ERROR and (one.code, one.subject) not in known
    ]
    if wrong:
        raise OperationError(
            f"the new store does not verify: {'; '.join(wrong[:_SHOWN])}", hint=hint
        )
