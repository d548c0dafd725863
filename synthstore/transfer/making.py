"""Records and embeddings made for tests: the same ones on any machine, for the same seed.

All is derived from SHAKE-256 by integers and by single roundings that IEEE 754 fixes; no sum of
floats is left to an order of its own, and no random generator to a version of a library.
"""

from __future__ import annotations

import hashlib
import math
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from synthstore.errors import UsageError
from synthstore.layout.documents import native_time
from synthstore.transfer.records import Record

Integers = npt.NDArray[np.int64]

MAX_DIM = 1 << 16
ASSEMBLY_EVERY = 12
"""One assembly for so many memories."""

_MEMBERS = 4
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BEGIN_US = (datetime(2025, 3, 15, 14, 32, 1, 123456, tzinfo=UTC) - _EPOCH) // timedelta(
    microseconds=1
)
_STEP_US = 61_000_007
_TOPICS = (
    ("gardens", "the tomatoes want water before noon", "the old pear tree bears again"),
    ("music", "the second movement is slower than we played it", "a cello would carry the theme"),
    ("travel", "the night train leaves from platform nine", "the ferry does not run in winter"),
    ("cooking", "the dough rests for an hour", "less salt, and lemon at the very end"),
    ("work", "the release waits for one more review", "the report is due on Thursday"),
    ("stars", "Saturn stood low in the south", "the comet was too faint for the small telescope"),
)


def embedding_for(text: str, dim: int) -> list[float]:
    """A unit vector for ``text``, its numbers float32 widened: the same text, the same vector."""
    return _unit(_drawn(dim, "text", text))


def sample(n: int, dim: int, seed: int) -> Iterator[Record]:
    """``n`` memories about a few topics, then assemblies of some of them, as native records.

    Raises UsageError for a negative ``n``, or a dimension that no store has.
    """
    if n < 0 or not 1 <= dim <= MAX_DIM:
        raise UsageError(
            f"no sample of {n} memories with {dim} numbers each can be made",
            hint=f"--sample takes 0 or more, --dim 1 to {MAX_DIM}",
        )
    maker = _Maker(n, dim, seed)
    return maker.records()


class _Maker:
    def __init__(self, n: int, dim: int, seed: int) -> None:
        self._n, self._dim, self._seed = n, dim, seed
        self._centres = [_drawn(dim, seed, "topic", topic) for topic, *_ in _TOPICS]

    def records(self) -> Iterator[Record]:
        for number in range(self._n):
            yield self._memory(number)
        for number in range(self._n // ASSEMBLY_EVERY):
            yield self._assembly(number)

    def _memory(self, number: int) -> Record:
        dice = _dice(self._seed, "memory", number)
        topic, *sentences = _TOPICS[self._topic(number)]
        created = _BEGIN_US + number * _STEP_US
        return {
            "record": 1,
            "kind": "memory",
            "layout": "native",
            "id": self._id("memory", number),
            "content": f"{sentences[dice[1] % len(sentences)]} ({topic}, note {number})",
            "embedding": self._embedding(number),
            "created_at": native_time(created),
            "updated_at": native_time(created + dice[2] * 1_000_003),
            "quickrecal_score": (dice[3] * 4 % 1001) / 1000,
            "metadata": {"source": "sample", "topic": topic},
            "access_count": dice[4] % 20,
        }

    def _assembly(self, number: int) -> Record:
        first = number * ASSEMBLY_EVERY
        # Every sixth memory is of one topic, so the members of an assembly have one in common.
        members = [(first + step * len(_TOPICS)) % self._n for step in range(_MEMBERS)]
        members = list(dict.fromkeys(members))
        topic = _TOPICS[self._topic(first)][0]
        created = _BEGIN_US + (self._n + number) * _STEP_US
        return {
            "record": 1,
            "kind": "assembly",
            "layout": "native",
            "id": self._id("assembly", number),
            "name": f"{topic}, part {number}",
            "description": f"what was said of {topic}",
            "memory_ids": [self._id("memory", member) for member in members],
            "composite_embedding": self._composite(members),
            "created_at": native_time(created),
            "updated_at": native_time(created),
            "tags": ["sample", topic],
        }

    def _topic(self, number: int) -> int:
        return number % len(_TOPICS)

    def _id(self, kind: str, number: int) -> str:
        return str(uuid.UUID(bytes=_dice(self._seed, kind, number, "id")[:16], version=4))

    def _embedding(self, number: int) -> list[float]:
        noise = _drawn(self._dim, self._seed, "embedding", number)
        return _unit(2 * self._centres[self._topic(number)] + noise)

    def _composite(self, members: list[int]) -> list[float] | None:
        """Where the members point together; None where they cancel each other out."""
        total = np.zeros(self._dim, dtype=np.float64)
        for member in members:
            total += np.array(self._embedding(member), dtype=np.float64)
        norm = math.sqrt(math.fsum(value * value for value in total.tolist()))
        return _widened(total / norm) if norm else None


def _dice(*what: object) -> bytes:
    return hashlib.shake_256(_named(*what)).digest(32)


def _drawn(dim: int, *what: object) -> Integers:
    """Odd integers from -65535 to 65535, shape (dim,): none is zero, so there is a direction."""
    raw = hashlib.shake_256(_named(*what)).digest(2 * dim)
    return 2 * np.frombuffer(raw, dtype="<u2").astype(np.int64) - 65535


def _named(*what: object) -> bytes:
    return "\0".join(map(str, what)).encode("utf-8", "surrogatepass")


def _unit(direction: Integers) -> list[float]:
    # The squares are exact integers; their sum, the root and each quotient are rounded once.
    norm = math.sqrt(int(direction @ direction))
    return _widened(direction / norm)


def _widened(doubles: npt.NDArray[np.float64]) -> list[float]:
    found: list[float] = doubles.astype(np.float32).astype(np.float64).tolist()
    return found
