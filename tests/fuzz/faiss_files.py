"""FAISS files: read by the product's own reader, or by the program of its child process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synthstore.model.facts import PartStatus
from synthstore.store import faiss_child
from synthstore.store.flat_index import DESCRIPTIONS, HEAD_BYTES, measure
from synthstore.store.flat_source import FlatDamageError
from synthstore.store.vectors import read_index
from tests.faiss_reference import make_index, sample, serialized
from tests.fuzz.grounds import Target

_SHAPES = ((0, 4), (1, 8), (40, 8), (60, 16))
"""Number and dimension of the vectors of each seed."""
_IVF_NEEDS = 40
_RECONSTRUCTED = 1 << 24
_CHILD_MEMORY, _CHILD_SECONDS = 1 << 30, 3600


class FaissFile(Target):
    """One type of index; types other than Flat by the child's program, run in this process."""

    text = False

    def __init__(self, factory: str, metric: str) -> None:
        self._factory, self._metric = factory, metric
        self._flat = factory in DESCRIPTIONS
        self._seeds: list[bytes] = []
        self._folder = Path()
        self._faiss: Any = None

    @property
    def name(self) -> str:
        """How it is chosen."""
        return f"faiss {self._factory} {self._metric}"

    def settle(self, folder: Path) -> None:
        """Make the seeds, and confine what reads them as the child confines itself."""
        self._folder = folder
        self._seeds = [self._made(*shape) for shape in _SHAPES]
        if not self._flat:
            # All of it is loaded by now: later, no file can be opened.
            self._faiss = faiss_child._load_faiss()
            faiss_child._confine(_CHILD_MEMORY, _CHILD_SECONDS)

    def _made(self, count: int, dim: int) -> bytes:
        ids, vectors = sample(max(count, _IVF_NEEDS) if "IVF" in self._factory else count, dim)
        return serialized(make_index(self._factory, self._metric, ids, vectors))

    def seeds(self) -> Sequence[bytes]:
        """Indexes of several sizes."""
        return self._seeds

    def attempt(self, _: int, raw: bytes) -> str:
        """Read it with all its vectors."""
        return self._read(raw) if self._flat else self._asked(raw)

    def _read(self, raw: bytes) -> str:
        if _is_of_another_type(raw):
            # It would take a child process, which other targets look into.
            return "found: of another type"
        (self._folder / "index").write_bytes(raw)
        facts = read_index(self._folder, "index")
        return "read" if facts.status is PartStatus.OK else "found: damage"

    def _asked(self, raw: bytes) -> str:
        # It could not open a file in here, so it reads from memory.
        vars(faiss_child)["_File"] = lambda _: _Memory(raw)
        task = {"task": "read", "fd": -1, "size": len(raw), "with_vectors": True}
        header, write = faiss_child._answer(self._faiss, {**task, "vectors_limit": _RECONSTRUCTED})
        if "refused" in header:
            return f"found: {header['refused']}"
        sink = _Sink()
        write(sink)  # type: ignore[arg-type]
        return "read"


class LoneFaissFile(FaissFile):
    """The same type, each file by a child process of its own, as the product does it."""

    alone = True

    @property
    def name(self) -> str:
        """How it is chosen."""
        return f"{super().name}, by a child each"

    def settle(self, folder: Path) -> None:
        """Make the seeds."""
        self._folder = folder
        self._seeds = [self._made(*shape) for shape in _SHAPES]

    def attempt(self, _: int, raw: bytes) -> str:
        """Read it with all its vectors."""
        (self._folder / "index").write_bytes(raw)
        facts = read_index(self._folder, "index")
        return "read" if facts.status is PartStatus.OK else f"found: {_shortened(facts.problem)}"


def _shortened(problem: str | None) -> str:
    text = problem or "damage"
    return "the child died" if "killed by signal" in text else "damage"


def _is_of_another_type(raw: bytes) -> bool:
    try:
        return measure(raw[:HEAD_BYTES], len(raw)) is None
    except FlatDamageError:
        return False


class _Memory:
    """Bytes, read as the child reads a file."""

    def __init__(self, raw: bytes) -> None:
        self._raw, self.offset = raw, 0

    def read(self, count: int) -> bytes:
        piece = self._raw[self.offset : self.offset + count]
        self.offset += len(piece)
        return piece


class _Sink:
    """Takes what the child would write, and lets it go."""

    def writelines(self, blocks: Any) -> None:
        for block in blocks:
            np.frombuffer(block, "u1").sum()
