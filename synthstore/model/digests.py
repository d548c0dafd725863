"""Digests as texts."""

from __future__ import annotations

from collections.abc import Sequence

_DIGITS = 64


def are_digests(texts: Sequence[str]) -> bool:
    """Whether each text is the hex digits of a sha256, in lower case."""
    together = "".join(texts)
    try:
        # fromhex passes over blanks, and takes capitals.
        whole = bytes.fromhex(together).hex() == together
    except ValueError:
        return False
    return whole and {_DIGITS}.issuperset(map(len, texts))
