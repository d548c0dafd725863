"""Many numbers at once: the FAISS ids of vectors, and whether one of them stands twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from synthstore.model.embedding import IdArray

_MODULUS = np.uint64(2**63 - 1)
_HIGHEST_BIT = np.uint64(63)


def stands_twice(ascending: IdArray) -> bool:
    """Whether a number stands twice in an array of shape (n,) that ascends.

    ``numpy.unique`` would sort it once more, and imports the masked arrays for that.
    """
    return bool((ascending[1:] == ascending[:-1]).any())


def numeric_ids(vector_names: Iterable[str]) -> IdArray:
    """What ``numeric_id`` says of each name: int64, shape (names,).

    The 128-bit digest is 2**64 times its first half and its second one, and modulo 2**63 - 1 a
    factor of 2**63 is 1: so it is a sum of parts of 64 bits.
    """
    digests = bytearray()
    for name in vector_names:
        text = name.encode("utf-8", "surrogatepass")
        digests += hashlib.md5(text, usedforsecurity=False).digest()
    halves = np.frombuffer(digests, dtype=">u8").astype(np.uint64).reshape(-1, 2)
    twice = _reduced(_reduced(halves[:, 0]) << np.uint64(1))
    return _reduced(twice + _reduced(halves[:, 1])).astype(np.int64)


def _reduced(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The numbers modulo 2**63 - 1."""
    folded = (numbers & _MODULUS) + (numbers >> _HIGHEST_BIT)
    return np.where(folded >= _MODULUS, folded - _MODULUS, folded)
