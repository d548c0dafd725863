"""How dimensions, norms, scores, ages and sizes lie; pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from synthstore.model.embedding import EmbeddingState
from synthstore.model.facts import EntityFile
from synthstore.scan.inventory import Inventory
from synthstore.stats.report import Bin, Distribution

Numbers = npt.NDArray[np.float64]

BINS = 10
_HOUR, _DAY = 3600.0, 86400.0
SCORES = tuple(step / BINS for step in range(BINS + 1))
AGES = (0.0, _HOUR, _DAY, 7 * _DAY, 30 * _DAY, 90 * _DAY, 365 * _DAY, 1000 * _DAY)
"""Where the bins of ages begin; what is younger than 0 lies in the future."""
SIZES = (0.0, *(1000.0 * 4**power for power in range(8)))
"""Where the bins of sizes begin: 1 kB, and four times as much each."""
_ALIKE = 1e-3
"""Norms that differ by less show rounding, not a distribution."""


def distributions(inventory: Inventory) -> tuple[Distribution, ...]:
    """Every distribution of the entities of a store."""
    files = inventory.files
    valid = [file for file in files if file.embedding is EmbeddingState.VALID]
    now_us = inventory.now_ns / 1000
    made = [file.record.created_us for file in files if file.record is not None]
    scores = [f.record.score for f in files if f.kind == "memory" and f.record is not None]
    norms = np.array([file.norm for file in valid])
    known_scores = np.array([s for s in scores if s is not None and math.isfinite(s)])
    ages = np.array([(now_us - us) / 1e6 for us in made if us is not None])
    sizes = np.array([float(file.stat.size) for file in files])
    memories = inventory.count("memory")
    return (
        _dimensions(valid, len(files)),
        _told("norm", "", norms, len(files), _even(norms)),
        _told("score", "", known_scores, memories, _cut(known_scores, SCORES)),
        _told("age", "seconds", ages, len(files), _told_apart(ages, (*AGES, np.inf))),
        _told("size", "bytes", sizes, len(files), _told_apart(sizes, (*SIZES, np.inf))),
    )


def _dimensions(valid: Sequence[EntityFile], entities: int) -> Distribution:
    seen = Counter(file.dim for file in valid)
    values = np.array([float(file.dim) for file in valid])
    bins = [Bin(dim, dim, seen[dim]) for dim in sorted(seen)]
    return _told("dimension", "", values, entities, bins)


def _told(
    name: str, unit: str, values: Numbers, entities: int, bins: Sequence[Bin]
) -> Distribution:
    some = len(values) > 0
    return Distribution(
        name,
        unit,
        len(values),
        entities - len(values),
        minimum=float(values.min()) if some else None,
        maximum=float(values.max()) if some else None,
        mean=float(values.mean()) if some else None,
        median=float(np.median(values)) if some else None,
        bins=tuple(bins),
    )


def _even(values: Numbers) -> list[Bin]:
    """Ten bins of one width between the smallest and the largest value."""
    if not len(values):
        return []
    low, high = float(values.min()), float(values.max())
    if high - low < _ALIKE * max(abs(high), 1.0):
        return [Bin(low, high, len(values))]
    return _cut(values, np.linspace(low, high, BINS + 1))


def _told_apart(values: Numbers, edges: Sequence[float]) -> list[Bin]:
    """The bins between ``edges``; where one would hold everything, ten of its values' own."""
    bins = _cut(values, edges)
    return bins if sum(one.count > 0 for one in bins) > 1 else _even(values)


def _cut(values: Numbers, edges: Numbers | Sequence[float]) -> list[Bin]:
    """The bins between ``edges``, and what lies beyond them if anything does."""
    inner = np.asarray(edges, dtype=np.float64)
    counts, _ = np.histogram(values, inner)
    ends = [None if np.isinf(edge) else float(edge) for edge in inner]
    bins = [Bin(low, high, int(n)) for low, high, n in zip(ends, ends[1:], counts, strict=False)]
    return [*_beyond(values, inner[0], below=True), *bins, *_beyond(values, inner[-1], below=False)]


def _beyond(values: Numbers, end: float, *, below: bool) -> Iterator[Bin]:
    count = int(np.count_nonzero(values < end if below else values > end))
    if count:
        yield Bin(None, float(end), count) if below else Bin(float(end), None, count)
