"""Memory that was let go, given back to the system."""

from __future__ import annotations

import ctypes


def give_back() -> None:
    """Give back what the C library keeps of freed memory, where it is one that can.

    It does so by itself only at the end of its heap; what a large store left there lies below.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
