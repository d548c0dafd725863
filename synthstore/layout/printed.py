"""Arrays that a program printed into a text field instead of listing their numbers."""

from __future__ import annotations

import re

_NUMBER = r"[-+]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|inf)"
_GAP = r"(?:\s*,\s*|\s+)"
_ARRAY = re.compile(rf"\s*\[\s*{_NUMBER}(?:{_GAP}{_NUMBER})*\s*,?\s*\]\s*", re.ASCII)


def numbers_of(text: str) -> list[float] | None:
    """The numbers of a one-dimensional array as numpy prints it; None unless all are there.

    Beyond a thousand values numpy prints three, ``...`` and three: what it left out is lost.
    """
    if _ARRAY.fullmatch(text) is None:
        return None
    import numpy as np  # noqa: PLC0415 - hardly any store has such texts

    parts = text.strip().strip("[]").replace(",", " ").split()
    numbers: list[float] = np.array(parts, dtype=np.float64).tolist()
    return numbers
