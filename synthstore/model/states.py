"""What an embedding is worth, told without numpy, whose import takes as long as a small command."""

from __future__ import annotations

from enum import IntEnum


class EmbeddingState(IntEnum):
    """What one record's embedding is worth."""

    VALID = 0
    """Finite in float32, not all zero; its dimension may still be the wrong one for the store."""
    MISSING = 1
    NOT_FINITE = 2
    ZERO = 3
    MISTYPED = 4
    """Not a list of numbers (strings, booleans, nested lists, nulls)."""
    UNKNOWN = 5
    """The file was not parsed."""
