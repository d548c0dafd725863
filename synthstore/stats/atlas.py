"""A map of the memories: their embeddings laid flat by their two principal components."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthstore.checks.finding import Finding
from synthstore.errors import SynthstoreError
from synthstore.files.jsonio import ParseFailure, parse
from synthstore.files.walk import read_file
from synthstore.model.embedding import FloatMatrix
from synthstore.model.facts import EntityFile
from synthstore.model.text import excerpt, text_of
from synthstore.scan.inventory import EmbeddingTable, Inventory
from synthstore.verify import Examined

CAP = 2_000
"""Points on one map; of a larger store it is an even sample."""
_HURT_SHARE = 2
"""At most one point in so many is there because of its finding."""
_EXTRA, _ROUNDS, _SEED = 6, 12, 0
"""Of the subspace iteration: directions beyond the two wanted, repetitions, where it begins."""


@dataclass(frozen=True, slots=True)
class Point:
    """One entity on the map."""

    kind: str
    id: str
    x: float
    """-1 to 1, as ``y``."""
    y: float
    score: float | None
    finding: Finding | None
    """The worst one about it."""
    text: str
    """The beginning of its words: for the page of whoever asks for it, never for a report."""


@dataclass(frozen=True, slots=True)
class Atlas:
    """The map."""

    points: tuple[Point, ...]
    placed: int
    """Entities that could stand on it; more than points where the cap left some out."""
    unplaced: int
    """Entities without a valid embedding of the store's dimension."""
    explained: float
    """Share of the sample's variance that the two axes show."""


NOWHERE = Atlas((), 0, 0, 0.0)


def atlas(seen: Examined) -> Atlas:
    """Lay the embeddings of the store's dimension flat."""
    inventory = seen.inventory
    table = _main_table(inventory)
    if table is None:
        return Atlas((), 0, len(inventory.files), 0.0)
    worst = _worst(seen.report.findings)
    files = [inventory.by_path[path] for path in table.paths]
    rows = sample([_finding_of(file, worst) is not None for file in files], CAP)
    spots, explained = flat(table.matrix[rows])
    points = (
        _point(seen.root, files[row], _finding_of(files[row], worst), spot)
        for row, spot in zip(rows, spots, strict=True)
    )
    return Atlas(tuple(points), len(files), len(inventory.files) - len(files), explained)


def _main_table(inventory: Inventory) -> EmbeddingTable | None:
    """The embeddings of the store's dimension; where several are as frequent, of the largest."""
    sizes = {dim: len(table.paths) for dim, table in inventory.tables.items() if dim}
    if not sizes:
        return None
    return inventory.tables[max(sizes, key=lambda dim: (sizes[dim], dim))]


def sample(hurt: Sequence[bool], cap: int) -> list[int]:
    """At most ``cap`` positions, in order: an even choice of those that are hurt, and of all."""
    every, bad = range(len(hurt)), [n for n, is_hurt in enumerate(hurt) if is_hurt]
    if len(hurt) <= cap:
        return list(every)
    chosen = set(_evenly(bad, cap // _HURT_SHARE))
    rest = [n for n in every if n not in chosen]
    return sorted(chosen.union(_evenly(rest, cap - len(chosen))))


def _evenly(positions: Sequence[int], count: int) -> list[int]:
    if len(positions) <= count:
        return list(positions)
    return [positions[n * len(positions) // count] for n in range(count)]


def flat(vectors: FloatMatrix) -> tuple[FloatMatrix, float]:
    """Principal coordinates of ``vectors`` (n, dim): shape (n, 2), within -1 to 1.

    The same every time: the iteration begins where a fixed seed says, and signs are settled.
    Gives the share of the variance that they explain, too.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    total = float(np.square(centred).sum())
    wide = np.zeros((len(vectors), 2))
    if total <= 0:
        return wide.astype(np.float32), 0.0
    # Subspace iteration: a whole decomposition of wide embeddings takes many seconds.
    dim = centred.shape[1]
    basis = np.random.default_rng(_SEED).normal(size=(dim, min(2 + _EXTRA, dim, len(vectors))))
    for _ in range(_ROUNDS):
        basis, _ = np.linalg.qr(centred.T @ (centred @ basis))
    _, _, turns = np.linalg.svd(centred @ basis, full_matrices=False)
    axes = basis @ turns[:2].T
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])])
    wide[:, : axes.shape[1]] = centred @ axes
    explained = float(np.square(wide).sum()) / total
    return (wide / np.abs(wide).max()).astype(np.float32), min(explained, 1.0)


def _worst(findings: Iterable[Finding]) -> Mapping[tuple[str, str], Finding]:
    """The worst finding of each entity; of equals the first."""
    worst: dict[tuple[str, str], Finding] = {}
    for finding in findings:
        for key in ((finding.subject.kind, finding.subject.id), ("path", finding.path or "")):
            if key not in worst or worst[key].severity < finding.severity:
                worst[key] = finding
    return worst


def _finding_of(file: EntityFile, worst: Mapping[tuple[str, str], Finding]) -> Finding | None:
    return worst.get(("path", file.path)) or worst.get((file.kind, file.id or ""))


def _point(root: Path, file: EntityFile, finding: Finding | None, spot: FloatMatrix) -> Point:
    score = file.record.score if file.record is not None else None
    score = score if score is not None and math.isfinite(score) else None
    x, y = spot
    name = file.id or file.path
    return Point(file.kind, name, float(x), float(y), score, finding, _words(root, file))


def _words(root: Path, file: EntityFile) -> str:
    try:
        raw, _ = read_file(root, file.path, file.stat.size)
        return excerpt(text_of(parse(raw).value) or "")
    except (FileNotFoundError, SynthstoreError, ParseFailure):
        return ""
