"""FAISS's Flat files (bare, and behind IDMap or IDMap2), read and written without FAISS.

Written byte for byte as ``faiss.serialize_index`` of faiss 1.15.1 does. Read with every field of
the headers held against the others and against the file's size, before anything is allocated.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import BinaryIO, Final, NamedTuple

import numpy as np

from synthstore.files.memory import MANY
from synthstore.model.chosen import Vectors
from synthstore.model.embedding import FloatMatrix, IdArray
from synthstore.store.flat_source import BLOCK, FlatDamageError, Source
from synthstore.store.known_rows import known_rows

HEAD_BYTES: Final = 82
"""As many bytes from the start of a file as ``measure`` may need."""

MAX_DIM: Final = 1 << 20
"""FAISS's own limit."""

BARE: Final = "Flat"
METRICS: Final = {"ip": 0, "l2": 1}

_MAPS: Final = {b"IxMp": "IDMap,Flat", b"IxM2": "IDMap2,Flat"}
_MAP_CODES: Final = {name: code for code, name in _MAPS.items()}
_FLAT_CODES: Final = {"ip": b"IxFI", "l2": b"IxF2"}
_ANY_METRIC: Final = b"IxFl"
_NAMES: Final = {number: name for name, number in METRICS.items()}

DESCRIPTIONS: Final = (*_MAP_CODES, BARE)
"""What this module reads and writes."""

_HEADER: Final = struct.Struct("<4siqqqBi")
_COUNT: Final = struct.Struct("<Q")
_UNUSED: Final = 1 << 20

Twins = Mapping[int, FloatMatrix]
"""By dimension, matrices at hand that may well be the vectors of an index, bit by bit."""

NO_TWINS: Final[Twins] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FlatShape:
    """What the headers of a Flat file say."""

    description: str
    """One of DESCRIPTIONS."""
    metric: str
    """``ip`` or ``l2``."""
    dim: int
    ntotal: int

    @property
    def has_ids(self) -> bool:
        """Whether the file holds ids; a bare one has only positions."""
        return self.description != BARE

    @property
    def vectors_at(self) -> int:
        """Offset of the first vector."""
        return _HEADER.size * (2 if self.has_ids else 1) + _COUNT.size

    @property
    def ids_at(self) -> int:
        """Offset of the number of ids, or of the end of a bare file."""
        return self.vectors_at + 4 * self.dim * self.ntotal

    @property
    def size(self) -> int:
        """Size in bytes of the whole file."""
        return self.ids_at + (_COUNT.size + 8 * self.ntotal if self.has_ids else 0)


class FlatIndex(NamedTuple):
    """A Flat file as read."""

    shape: FlatShape
    ids: IdArray
    """int64, shape (ntotal,); positions for a bare file."""
    vectors: Vectors | None
    """float32, shape (ntotal, dim); None where only ids were asked for."""
    sha256: str | None
    """Of the file, hex; None where only ids were asked for."""


class _Header(NamedTuple):
    code: bytes
    dim: int
    ntotal: int
    unused_1: int
    unused_2: int
    trained: int
    metric: int


def measure(head: bytes, size: int) -> FlatShape | None:
    """Understand the first HEAD_BYTES of a file of ``size`` bytes.

    None if it is another type of index. Raises FlatDamageError where the headers contradict
    themselves or the size.
    """
    code = head[:4]
    if code in _MAPS:
        flat = head[_HEADER.size :]
        if len(flat) >= len(code) and not _is_flat(flat):
            return None
        return _measure_map(_MAPS[code], _header(head), flat, size)
    if not _is_flat(head):
        return None
    return _fits(_measure_flat(BARE, head), size)


def _is_flat(head: bytes) -> bool:
    code = head[:4]
    if code in _FLAT_CODES.values():
        return True
    if code != _ANY_METRIC:
        return False
    # An early FAISS wrote this code for our two metrics; for others a longer header follows.
    return len(head) < _HEADER.size or _header(head).metric in _NAMES


def _measure_map(description: str, outer: _Header, flat: bytes, size: int) -> FlatShape:
    shape = _measure_flat(description, flat)
    _check_header(outer)
    if (outer.dim, outer.ntotal, outer.metric) != (shape.dim, shape.ntotal, METRICS[shape.metric]):
        raise FlatDamageError("its two headers contradict each other")
    return _fits(shape, size)


def _measure_flat(description: str, head: bytes) -> FlatShape:
    header = _header(head)
    _check_header(header)
    if len(head) < _HEADER.size + _COUNT.size:
        raise FlatDamageError("it is cut short in its header")
    metric = _NAMES.get(header.metric)
    if metric is None or header.code not in (_FLAT_CODES[metric], _ANY_METRIC):
        raise FlatDamageError("its type and its metric contradict each other")
    if _COUNT.unpack_from(head, _HEADER.size)[0] != header.dim * header.ntotal:
        raise FlatDamageError("its header and its number of values contradict each other")
    return FlatShape(description, metric, header.dim, header.ntotal)


def _header(head: bytes) -> _Header:
    if len(head) < _HEADER.size:
        raise FlatDamageError("it is cut short in its header")
    return _Header(*_HEADER.unpack_from(head))


def _check_header(header: _Header) -> None:
    if not 0 <= header.dim <= MAX_DIM or header.ntotal < 0:
        raise FlatDamageError("its header claims an impossible number of vectors or dimensions")
    if header.dim == 0 and header.ntotal:
        raise FlatDamageError("its header claims vectors of no dimension")
    if (header.unused_1, header.unused_2, header.trained) != (_UNUSED, _UNUSED, 1):
        raise FlatDamageError("its header is not as FAISS writes it")


def _fits(shape: FlatShape, size: int) -> FlatShape:
    if size == shape.size:
        return shape
    claim = f"{shape.ntotal} vectors of {shape.dim} dimensions"
    if size < shape.size:
        raise FlatDamageError(f"it is cut short: {shape.size - size} bytes of {claim} are missing")
    raise FlatDamageError(f"{size - shape.size} bytes follow after its {claim}")


def read_flat(
    fd: int,
    size: int,
    *,
    with_vectors: bool = True,
    hashed: bool = True,
    twins: Twins = NO_TWINS,
) -> FlatIndex | None:
    """Read the Flat file open as ``fd``; None if it is another type of index.

    It is ``hashed`` only if all of it is read, with its vectors.

    If its vectors are those of a twin, that very matrix is given, and no memory is taken for them;
    many vectors may be rows of the twin, all but a few. Raises FlatDamageError, and MemoryError
    where the vectors do not fit into memory.
    """
    shape = measure(os.pread(fd, HEAD_BYTES, 0), size)
    if shape is None:
        return None
    hashed = hashed and with_vectors
    vectors, source = None, _at_vectors(fd, shape, hashed=hashed)
    if with_vectors:
        vectors = _of_twin(source, shape, twins.get(shape.dim))
        if vectors is None:
            source = _at_vectors(fd, shape, hashed=hashed)
            vectors = np.empty((shape.ntotal, shape.dim), dtype="<f4")
            source.fill(vectors)
    source.offset = shape.ids_at
    ids = _read_ids(source, shape)
    return FlatIndex(shape, ids, vectors, source.sha256.hexdigest() if source.sha256 else None)


def _at_vectors(fd: int, shape: FlatShape, *, hashed: bool) -> Source:
    source = Source(fd, hashed=hashed)
    source.take(shape.vectors_at)
    return source


def _of_twin(source: Source, shape: FlatShape, twin: FloatMatrix | None) -> Vectors | None:
    """The vectors as those of the twin; None if they are not, though some of them are taken."""
    if twin is None:
        return None
    if shape.ntotal >= MANY:
        return known_rows(source, shape.ntotal, twin)
    return twin if len(twin) == shape.ntotal and source.gives(twin) else None


def _read_ids(source: Source, shape: FlatShape) -> IdArray:
    if not shape.has_ids:
        return np.arange(shape.ntotal, dtype=np.int64)
    if _COUNT.unpack(source.take(_COUNT.size))[0] != shape.ntotal:
        raise FlatDamageError("its number of ids and its number of vectors contradict each other")
    ids = np.empty(shape.ntotal, dtype="<i8")
    source.fill(ids)
    return ids


@dataclass(frozen=True, slots=True, eq=False)
class FlatContent:
    """A Flat file about to be written: call it with an open binary file."""

    shape: FlatShape
    ids: IdArray
    vectors: Vectors

    @property
    def size(self) -> int:
        """How many bytes it writes."""
        return self.shape.size

    def __call__(self, out: BinaryIO) -> None:
        """Write the whole file to ``out``, a block at a time."""
        out.write(_head(self.shape))
        rows = max(1, BLOCK // max(1, 4 * self.shape.dim))
        for start in range(0, self.shape.ntotal, rows):
            _write(out, self.vectors[start : start + rows], "<f4")
        if self.shape.has_ids:
            out.write(_COUNT.pack(self.shape.ntotal))
            _write(out, self.ids, "<i8")


def _write(out: BinaryIO, array: FloatMatrix | IdArray, kind: str) -> None:
    if array.size:
        out.write(np.ascontiguousarray(array, dtype=kind).data.cast("B"))


def _head(shape: FlatShape) -> bytes:
    codes = [_FLAT_CODES[shape.metric]]
    if shape.has_ids:
        codes.insert(0, _MAP_CODES[shape.description])
    rest = (shape.dim, shape.ntotal, _UNUSED, _UNUSED, 1, METRICS[shape.metric])
    headers = b"".join(_HEADER.pack(code, *rest) for code in codes)
    return headers + _COUNT.pack(shape.dim * shape.ntotal)


def flat_content(
    description: str,
    metric: str,
    ids: IdArray,
    vectors: Vectors,
) -> FlatContent:
    """The Flat file of ``vectors`` (n, dim) under ``ids`` (n,), as a streaming writer.

    Raises ValueError for what no Flat file can hold; a bare one holds no ids but positions.
    """
    if description not in DESCRIPTIONS or metric not in METRICS:
        raise ValueError(f"no Flat index: {description!r} with metric {metric!r}")
    count, dim = vectors.shape
    if ids.shape != (count,) or dim > MAX_DIM or (count and not dim):
        raise ValueError(f"{ids.shape} ids and {vectors.shape} values make no index")
    if description == BARE and not is_positions(ids):
        raise ValueError("a bare Flat index holds no ids other than positions")
    return FlatContent(FlatShape(description, metric, dim, count), ids, vectors)


def is_positions(ids: IdArray) -> bool:
    """Whether ``ids`` are 0, 1, 2 and so on, in this order."""
    return bool(np.array_equal(ids, np.arange(len(ids))))
