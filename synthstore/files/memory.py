"""The memory of this process: from when on it counts, and how what was let go is given back."""

from __future__ import annotations

import ctypes
from typing import Final

MANY: Final = 100_000
"""Files, rows, vectors or entries whose room begins to count against 250 MB.

Of fewer, the time that it takes to hold them in less room does.
"""


def give_back() -> None:
    """Give back what the C library keeps of freed memory, where it is one that can.

    It does so by itself only at the end of its heap; what a large store left there lies below.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
