"""Builds the bytes of a new index, of the old one's type or of one asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from synthstore.errors import OperationError, UsageError
from synthstore.model.chosen import Vectors
from synthstore.model.embedding import IdArray
from synthstore.model.facts import IndexFacts, PartStatus
from synthstore.shell import cited, path_word
from synthstore.store.faiss_process import ChildFailure, Source, building
from synthstore.store.flat_index import (
    BARE,
    DESCRIPTIONS,
    METRICS,
    FlatContent,
    flat_content,
    is_positions,
)
from synthstore.store.part_file import open_file

_FLAT: Final = "IDMap2,Flat"
_CLUSTERS: Final = re.compile(r"number of clusters \((\d+)\)")
_GRAPH: Final = re.compile(r"graph smaller than (\d+)")
_THE_CALLERS: Final = ("train", "add")


@dataclass(frozen=True, slots=True, eq=False)
class BuiltContent:
    """An index file as FAISS wrote it: call it with an open binary file."""

    description: str
    """Factory-like, as IndexFacts has it."""
    pieces: tuple[bytes, ...]

    @property
    def size(self) -> int:
        """How many bytes it writes."""
        return sum(map(len, self.pieces))

    def __call__(self, out: BinaryIO) -> None:
        """Write the whole file to ``out``."""
        out.writelines(self.pieces)


IndexContent = FlatContent | BuiltContent


@dataclass(frozen=True, slots=True, eq=False)
class _Wanted:
    """What the new index is to hold."""

    metric: str
    ids: IdArray
    vectors: Vectors

    @property
    def dim(self) -> int:
        return int(self.vectors.shape[1])


def rebuild_content(  # noqa: PLR0917 - where, what there was, what is asked for, what goes in
    root: Path,
    facts: IndexFacts | None,
    factory: str | None,
    metric: str,
    ids: IdArray,
    vectors: Vectors,
    *,
    default_factory: str,
) -> IndexContent:
    """The index file of ``vectors`` (n, dim) under ``ids`` (n,).

    Of type ``factory`` where given, else of the old index's (its training kept, unless metric or
    dimension are others now), else of ``default_factory``. A type that holds no ids is put behind
    IDMap2. Raises UsageError for a type that FAISS does not know or cannot train on so few
    vectors, OperationError where FAISS fails otherwise.
    """
    old = facts if facts is not None and facts.status is PartStatus.OK else None
    if old is not None and not vectors.shape[0]:
        vectors = np.zeros((0, old.dim), dtype=np.float32)
    wanted = _Wanted(metric, ids, vectors)
    if factory is None and old is not None and _keeps_type(old, wanted):
        return _refill(root, old, wanted)
    if factory is None:
        factory = default_factory if old is None else old.description
    return _build(factory.strip(), wanted)


def _keeps_type(old: IndexFacts, wanted: _Wanted) -> bool:
    if old.description in DESCRIPTIONS and wanted.metric in METRICS:
        return False
    return (old.metric, old.dim) == (wanted.metric, wanted.dim)


def _build(factory: str, wanted: _Wanted) -> IndexContent:
    if wanted.metric not in METRICS:
        raise UsageError(f"no metric {wanted.metric!r}", hint="the metric is ip or l2")
    if factory == BARE and not is_positions(wanted.ids):
        factory = _FLAT
    if factory in DESCRIPTIONS:
        return flat_content(factory, wanted.metric, wanted.ids, wanted.vectors)
    try:
        return _by_child(None, factory, wanted)
    except ChildFailure as error:
        raise _explained(error, factory, len(wanted.ids)) from error


def _refill(root: Path, old: IndexFacts, wanted: _Wanted) -> IndexContent:
    try:
        with open_file(root, old.path) as file:
            return _by_child(Source(file.fd, file.stat.size), None, wanted)
    except ChildFailure as error:
        raise _explained(error, old.description, len(wanted.ids)) from error
    except OSError as error:
        raise OperationError(
            f"cannot read {root / old.path} again: {error.strerror}",
            hint=f"look again with {cited(f'synthstore verify {path_word(root)}')}",
        ) from error


def _by_child(source: Source | None, factory: str | None, wanted: _Wanted) -> BuiltContent:
    task = {
        "factory": factory,
        "metric": wanted.metric,
        "ntotal": len(wanted.ids),
        "dim": wanted.dim,
    }
    vectors = wanted.vectors[:]
    with building(source, task, vectors.nbytes + wanted.ids.nbytes) as child:
        child.send((vectors, wanted.ids))
        description = str(child.header().get("description"))
        return BuiltContent(description, tuple(child.rest()))


def _explained(error: ChildFailure, factory: str, count: int) -> OperationError | UsageError:
    flat = f'the type that needs no training: --factory "{_FLAT}"'
    needed = _least(error, count)
    if needed is not None:
        return UsageError(
            f"an index of type {factory!r} cannot be made of {count} vectors",
            hint=f"it needs at least {needed}; or take {flat}",
        )
    if error.kind == "factory":
        return UsageError(
            f"FAISS makes no index of type {factory!r}: {error}",
            hint=f'name a type as FAISS\'s index factory does, such as --factory "{_FLAT}"',
        )
    message = f"FAISS makes no index of type {factory!r} of {count} vectors: {error}"
    if error.kind in _THE_CALLERS:
        return UsageError(message, hint=f"take {flat}")
    return OperationError(message, hint=f"take {flat}")


def _least(error: ChildFailure, count: int) -> int | None:
    """How many vectors the type needs, where that was the trouble."""
    found = _CLUSTERS.search(str(error)) or _GRAPH.search(str(error))
    if found is not None:
        return int(found[1])
    return 1 if error.kind == "train" and not count else None
