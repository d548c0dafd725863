"""From when on something counts, where several parts of a look must agree."""

from __future__ import annotations

SETTLED_NS = 2 * 10**9
"""How much older than the look a file must be, for a later change to show in its time."""
