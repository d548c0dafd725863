"""From when on something counts, in numbers that several parts of a look share."""

from __future__ import annotations

SETTLED_NS = 2 * 10**9
"""How much older than the look a file must be, for a later change to show in its time."""

SHARING_PAYS_FROM = 100_000
"""Files whose texts, if they are kept twice, begin to count against 250 MB."""
