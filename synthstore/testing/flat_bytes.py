"""FAISS's Flat files, bare or behind an id map, spelt with struct and numpy alone.

The tests read and write indexes with this, so that a mistake in the product's own parser cannot
hide behind itself.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]
Shell = Literal["IxMp", "IxM2", ""]
"""IDMap, IDMap2, or none: a bare index, whose ids are positions."""

_HEADER = struct.Struct("<4siqqqBi")
_COUNT = struct.Struct("<Q")
_FILLER = 1 << 20


@dataclass(frozen=True, slots=True)
class Flat:
    """One index: ``ids`` int64 of shape (n,), ``vectors`` float32 of shape (n, dim)."""

    shell: Shell
    l2: bool
    ids: Ids
    vectors: Vectors

    @property
    def dim(self) -> int:
        """How many numbers a vector has."""
        return int(self.vectors.shape[1])

    def without(self, *rows: int) -> Flat:
        """The same index less some rows, counted from 0."""
        return replace(
            self, ids=np.delete(self.ids, rows), vectors=np.delete(self.vectors, rows, axis=0)
        )

    def plus(self, number: int, vector: Vectors) -> Flat:
        """The same index and one vector more."""
        ids = np.append(self.ids, np.int64(number))
        return replace(self, ids=ids, vectors=np.vstack([self.vectors, vector[None, :]]))

    def dump(self) -> bytes:
        """The bytes that ``faiss.write_index`` gives it."""
        count = len(self.ids)
        tail = (self.dim, count, _FILLER, _FILLER, 1, int(self.l2))
        inner = _HEADER.pack(b"IxF2" if self.l2 else b"IxFI", *tail)
        flat = inner + _COUNT.pack(count * self.dim) + self.vectors.astype("<f4").tobytes()
        if not self.shell:
            return flat
        ids = _COUNT.pack(count) + self.ids.astype("<i8").tobytes()
        return _HEADER.pack(self.shell.encode(), *tail) + flat + ids


def parse(raw: bytes) -> Flat:
    """Read what ``dump`` or FAISS wrote; AssertionError where the sizes do not add up."""
    mark = raw[:4].decode("latin-1")
    start = 0 if mark in ("IxF2", "IxFI") else _HEADER.size
    kind, dim, count, _, _, trained, _ = _HEADER.unpack_from(raw, start)
    assert kind in (b"IxF2", b"IxFI"), kind
    assert trained == 1
    at = start + _HEADER.size
    assert _COUNT.unpack_from(raw, at) == (count * dim,)
    at += _COUNT.size
    vectors = np.frombuffer(raw, "<f4", count * dim, at).reshape(count, dim).copy()
    at += vectors.nbytes
    if not start:
        assert at == len(raw)
        return Flat("", kind == b"IxF2", np.arange(count, dtype=np.int64), vectors)
    assert _COUNT.unpack_from(raw, at) == (count,)
    ids = np.frombuffer(raw, "<i8", count, at + _COUNT.size).copy()
    assert at + _COUNT.size + ids.nbytes == len(raw)
    shell: Shell = "IxM2" if mark == "IxM2" else "IxMp"
    return Flat(shell, kind == b"IxF2", ids, vectors)
