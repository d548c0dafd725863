"""The vectors of a store: index and mapping, read whatever their state, and written anew.

Flat files are read and written with numpy; every other type only passes through the FAISS child.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from synthstore.errors import OperationError
from synthstore.model.facts import IndexFacts, PartStatus
from synthstore.store.faiss_process import (
    ChildFailure,
    FaissUnavailableError,
    Source,
    reading,
)
from synthstore.store.flat_index import (
    MAX_DIM,
    NO_TWINS,
    FlatIndex,
    Twins,
    read_flat,
)
from synthstore.store.flat_source import FlatDamageError
from synthstore.store.part_file import OpenFile, open_file

_TRIES: Final = 3
_CODE_BYTES: Final = 4
_TOO_LARGE: Final = "it is too large for this machine's memory"
# A few bytes of a lossy or projecting index can stand for vectors without end.
_RECONSTRUCTED_BYTES: Final = 1 << 30


def read_index(
    root: Path,
    path: str,
    *,
    with_vectors: bool = True,
    hashed: bool = True,
    twins: Twins = NO_TWINS,
) -> IndexFacts:
    """Read the index at ``path`` in the store at ``root``; damage becomes facts.

    Unreadable without a sha256 means that not even the bytes could be read. A sound index has none
    either where it was not to be ``hashed``, or was read without vectors (``--quick``). Vectors
    that are those of one of the ``twins`` are that very matrix. Raises FaissUnavailableError where
    an index of another type than Flat cannot be looked into for no fault of its own.
    """
    problem = None
    for _ in range(_TRIES):
        facts, steady = _read_once(root, path, with_vectors, hashed, twins)
        # One failed reading proves nothing: media falter, and others write.
        if steady and (facts.problem is None or facts.problem == problem):
            return facts
        problem = facts.problem
    if steady:
        return facts
    return IndexFacts(PartStatus.UNREADABLE, path, "it kept changing while it was read")


def read_back(path: Path) -> IndexFacts:
    """Read a file that stands in no store, such as one just staged, as ``read_index`` does."""
    return read_index(path.parent, path.name)


def _read_once(
    root: Path, path: str, with_vectors: bool, hashed: bool, twins: Twins
) -> tuple[IndexFacts, bool]:
    try:
        with open_file(root, path) as file:
            return _examine(file, path, with_vectors, hashed, twins), file.steady()
    except FileNotFoundError:
        return IndexFacts(PartStatus.MISSING, path), True
    except FaissUnavailableError:
        raise
    except OperationError as error:
        return IndexFacts(PartStatus.UNREADABLE, path, error.message), True
    except OSError as error:
        problem = f"it cannot be read: {error.strerror}"
        return IndexFacts(PartStatus.UNREADABLE, path, problem), True


def _examine(
    file: OpenFile, path: str, with_vectors: bool, hashed: bool, twins: Twins
) -> IndexFacts:
    if file.stat.size > os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"):
        return IndexFacts(PartStatus.UNREADABLE, path, _TOO_LARGE, stat=file.stat)
    try:
        _check_code(file)
        size = file.stat.size
        flat = read_flat(file.fd, size, with_vectors=with_vectors, hashed=hashed, twins=twins)
        if flat is not None:
            return _flat_facts(flat, file, path)
        facts = _child_facts(file, path, with_vectors=with_vectors)
        return replace(facts, sha256=file.sha256()) if with_vectors and hashed else facts
    except (FlatDamageError, ChildFailure) as damage:
        problem = str(damage)
    except MemoryError:
        return IndexFacts(PartStatus.UNREADABLE, path, _TOO_LARGE, stat=file.stat)
    return IndexFacts(PartStatus.UNREADABLE, path, problem, file.sha256(), file.stat)


def _check_code(file: OpenFile) -> None:
    code = os.pread(file.fd, _CODE_BYTES, 0)
    if not code:
        raise FlatDamageError("it is empty")
    if len(code) < _CODE_BYTES or not code.isalnum():
        raise FlatDamageError("it does not begin as a FAISS index does")


def _flat_facts(flat: FlatIndex, file: OpenFile, path: str) -> IndexFacts:
    shape = flat.shape
    return IndexFacts(
        PartStatus.OK,
        path,
        sha256=flat.sha256,
        stat=file.stat,
        description=shape.description,
        metric=shape.metric,
        dim=shape.dim,
        ntotal=shape.ntotal,
        has_ids=shape.has_ids,
        ids=flat.ids,
        vectors=flat.vectors,
    )


class _Claim(NamedTuple):
    """The child's header, once checked."""

    description: str
    metric: str
    dim: int
    ntotal: int
    has_ids: bool
    exact: bool
    vectors: bool


def _child_facts(file: OpenFile, path: str, *, with_vectors: bool) -> IndexFacts:
    try:
        return _ask(file, path, with_vectors=with_vectors)
    except ChildFailure as error:
        if not with_vectors or error.kind != "died":
            raise
        # FAISS 1.15.1 crashes on reconstructing from some sound, lossy types (IVF,PQ4fs).
        facts = _ask(file, path, with_vectors=False)
        if facts.exact:
            raise
        return facts


def _ask(file: OpenFile, path: str, *, with_vectors: bool) -> IndexFacts:
    source = Source(file.fd, file.stat.size)
    limit = max(source.size, _RECONSTRUCTED_BYTES)
    with reading(source, {"with_vectors": with_vectors, "vectors_limit": limit}) as child:
        claim = _claim(child.header(), source.size, limit)
        ids = np.empty(claim.ntotal, dtype="<i8")
        child.fill(ids)
        vectors = np.empty((claim.ntotal, claim.dim), dtype="<f4") if claim.vectors else None
        if vectors is not None:
            child.fill(vectors)
    return IndexFacts(
        PartStatus.OK,
        path,
        stat=file.stat,
        description=claim.description,
        metric=claim.metric,
        dim=claim.dim,
        ntotal=claim.ntotal,
        has_ids=claim.has_ids,
        ids=ids,
        vectors=vectors,
        exact=claim.exact,
    )


def _claim(header: dict[str, object], size: int, limit: int) -> _Claim:
    """Trust nothing that a child says which a damaged file may have taken over."""
    values = [header.get(name) for name in _Claim._fields]
    if [type(value) for value in values] != [str, str, int, int, bool, bool, bool]:
        raise ChildFailure("garbage", "FAISS answered nonsense")
    claim = _Claim(*values)  # type: ignore[arg-type]
    fits = 0 <= claim.dim <= MAX_DIM and 0 <= claim.ntotal <= size
    if not fits or (claim.vectors and 4 * claim.dim * claim.ntotal > limit):
        raise ChildFailure("garbage", "FAISS answered nonsense")
    return claim
