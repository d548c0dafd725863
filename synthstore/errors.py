"""One tree of errors; each class owns its exit code and the kind that JSON output names.

Damage found in a store is never an exception: it is a ``Finding``. An exception means that
synthstore could not look, or would not write.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class SynthstoreError(Exception):
    """Base of everything that synthstore raises on purpose.

    ``message`` says what happened and where; ``hint`` names the remedy.
    """

    exit_code: ClassVar[int] = 4
    kind: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(SynthstoreError):
    """The call itself is wrong: options that exclude each other, a value out of range."""

    exit_code = 2
    kind = "usage"


class PartialError(SynthstoreError):
    """Some input could not be read; all the rest was done."""

    exit_code = 3
    kind = "partial"


class OperationError(SynthstoreError):
    """An I/O failure; the store is as it was, or the next repair completes the run."""

    exit_code = 4
    kind = "operation"


class DiskFullError(OperationError):
    """No room (space, inodes or quota), found before the first byte or while staging."""

    kind = "disk-full"


class PermissionDeniedError(OperationError):
    """The user may not read or write what the operation needs."""

    kind = "permission"


class NotAStoreError(SynthstoreError):
    """Not a storage directory, or one whose layout cannot be told."""

    exit_code = 10
    kind = "not-a-store"


class NewerFormatError(NotAStoreError):
    """The store was written by a newer major version of the format."""

    kind = "newer-format"


class LockedError(SynthstoreError):
    """Another process holds the store."""

    exit_code = 11
    kind = "locked"


class RefusedError(SynthstoreError):
    """Refused, because it would lose data; the hint names the flag that allows it."""

    exit_code = 12
    kind = "refused"


class CorruptEntityError(OperationError):
    """An entity's file is not what it should be; what is whole of it comes along.

    ``fields`` are the fields that could be read whole, by the file's own keys.
    """

    kind = "corrupt-entity"

    def __init__(
        self, message: str, *, fields: Mapping[str, object], hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.fields = dict(fields)


class ConflictError(RefusedError):
    """The entity was changed by another writer since it was loaded; nothing was saved."""

    kind = "conflict"


class InterruptedByUserError(SynthstoreError):
    """Ctrl-C, or declined at the prompt."""

    exit_code = 130
    kind = "interrupted"
