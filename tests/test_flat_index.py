"""Flat files: the same bytes as FAISS's, and nothing believed that the bytes do not bear out."""

from __future__ import annotations

import hashlib
import io
import os
import random
import struct
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from synthstore.model.embedding import FloatMatrix, IdArray
from synthstore.store.flat_index import (
    DESCRIPTIONS,
    HEAD_BYTES,
    FlatIndex,
    FlatShape,
    flat_content,
    is_positions,
    measure,
    read_flat,
)
from synthstore.store.flat_source import FlatDamageError
from tests.faiss_reference import faiss, make_index, sample, serialized

TYPES = pytest.mark.parametrize("description", DESCRIPTIONS)
BOTH_METRICS = pytest.mark.parametrize("metric", ["ip", "l2"])


@contextmanager
def opened(path: Path, raw: bytes) -> Iterator[int]:
    path.write_bytes(raw)
    fd = os.open(path, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


def read(path: Path, raw: bytes, *, with_vectors: bool = True) -> FlatIndex | None:
    with opened(path, raw) as fd:
        return read_flat(fd, len(raw), with_vectors=with_vectors)


def content(description: str, metric: str, count: int, dim: int) -> tuple[IdArray, FloatMatrix]:
    ids, vectors = sample(count, dim)
    return (np.arange(count) if description == "Flat" else ids), vectors


def written(description: str, metric: str, ids: IdArray, vectors: FloatMatrix) -> bytes:
    out = io.BytesIO()
    flat_content(description, metric, ids, vectors)(out)
    return out.getvalue()


def example(description: str = "IDMap2,Flat", count: int = 9, dim: int = 5) -> bytes:
    return written(description, "ip", *content(description, "ip", count, dim))


@TYPES
@BOTH_METRICS
@pytest.mark.parametrize(("count", "dim"), [(0, 0), (0, 8), (1, 1), (3, 5), (200, 768)])
def test_the_bytes_are_those_of_faiss(
    description: str, metric: str, count: int, dim: int, tmp_path: Path
) -> None:
    ids, vectors = content(description, metric, count, dim)
    expected = serialized(make_index(description, metric, ids, vectors))
    found = flat_content(description, metric, ids, vectors)
    assert found.size == len(expected)
    assert written(description, metric, ids, vectors) == expected

    index = read(tmp_path / "index", expected)
    assert index is not None
    assert index.shape == FlatShape(description, metric, dim, count)
    assert index.sha256 == hashlib.sha256(expected).hexdigest()
    assert index.vectors is not None
    assert np.array_equal(index.ids, ids)
    assert np.array_equal(index.vectors[:], vectors)
    assert index.vectors[:].dtype == np.float32
    assert index.ids.dtype == np.int64


@TYPES
def test_what_is_written_loads_in_faiss(description: str) -> None:
    ids, vectors = content(description, "l2", 50, 16)
    raw = written(description, "l2", ids, vectors)
    index = faiss.deserialize_index(np.frombuffer(raw, np.uint8))
    assert index.search(vectors[7:8], 1)[1].tolist() == [[ids[7]]]


@TYPES
def test_ids_are_read_without_the_vectors(description: str, tmp_path: Path) -> None:
    ids, vectors = content(description, "ip", 20, 6)
    raw = written(description, "ip", ids, vectors)
    index = read(tmp_path / "index", raw, with_vectors=False)
    assert index is not None
    assert np.array_equal(index.ids, ids)
    assert (index.vectors, index.sha256) == (None, None)


def test_a_view_or_another_type_of_number_is_written_as_well() -> None:
    ids, vectors = sample(30, 12)
    doubled = np.repeat(vectors, 2, axis=1)[:, ::2]
    assert written("IDMap,Flat", "ip", ids, doubled) == written("IDMap,Flat", "ip", ids, vectors)


def test_writing_takes_a_block_at_a_time() -> None:
    sizes: list[int] = []

    class Counting(io.BytesIO):
        def write(self, data: bytes, /) -> int:  # type: ignore[override]
            sizes.append(len(memoryview(data)))
            return sizes[-1]

    ids, vectors = sample(3000, 256)
    index = flat_content("IDMap2,Flat", "ip", ids, vectors)
    index(Counting())
    assert sum(sizes) == index.size
    assert max(sizes) <= 1 << 19


@TYPES
def test_the_early_code_for_any_metric_is_understood(description: str, tmp_path: Path) -> None:
    raw = example(description)
    early = raw.replace(b"IxFI", b"IxFl", 1)
    assert (index := read(tmp_path / "index", early)) is not None
    assert index.shape == FlatShape(description, "ip", 5, 9)


@pytest.mark.parametrize("factory", ["IDMap2,HNSW8", "HNSW8", "IVF2,Flat", "IDMap,SQ8"])
def test_other_types_are_left_to_others(factory: str, tmp_path: Path) -> None:
    raw = serialized(make_index(factory, "l2", *sample(100, 8)))
    assert read(tmp_path / "index", raw) is None


@pytest.mark.parametrize("factory", ["IDMap2,Flat", "Flat"])
def test_other_metrics_are_left_to_others(factory: str, tmp_path: Path) -> None:
    raw = serialized(faiss.index_factory(4, factory, faiss.METRIC_L1))
    assert read(tmp_path / "index", raw) is None


def test_what_rules_judge_is_no_damage_here(tmp_path: Path) -> None:
    _, vectors = sample(4, 3)
    vectors[1] = np.nan
    vectors[2] = np.inf
    ids = np.array([5, 5, -1, 7])
    index = read(tmp_path / "index", written("IDMap2,Flat", "ip", ids, vectors))
    assert index is not None
    assert index.ids.tolist() == [5, 5, -1, 7]
    assert index.vectors is not None
    assert np.array_equal(index.vectors[:], vectors, equal_nan=True)


@TYPES
def test_a_file_cut_anywhere_is_damage(description: str, tmp_path: Path) -> None:
    raw = example(description)
    for size in range(4, len(raw)):
        with pytest.raises(FlatDamageError, match="cut short"):
            read(tmp_path / "index", raw[:size])


@TYPES
@pytest.mark.parametrize("junk", [b"\0", b"\0" * 4096, b"IxM2"])
def test_junk_at_the_end_is_damage(description: str, junk: bytes, tmp_path: Path) -> None:
    with pytest.raises(FlatDamageError, match=f"{len(junk)} bytes follow"):
        read(tmp_path / "index", example(description) + junk)


@TYPES
def test_a_doubled_file_is_damage(description: str, tmp_path: Path) -> None:
    with pytest.raises(FlatDamageError):
        read(tmp_path / "index", example(description) * 2)


def test_a_file_that_shrinks_while_it_is_read_is_damage(tmp_path: Path) -> None:
    raw = example()
    with opened(tmp_path / "index", raw) as fd:
        os.truncate(tmp_path / "index", 120)
        with pytest.raises(FlatDamageError, match="shrank"):
            read_flat(fd, len(raw))


@TYPES
def test_no_flipped_bit_of_a_header_passes(description: str) -> None:
    raw = example(description)
    shape = measure(raw[:HEAD_BYTES], len(raw))
    assert shape is not None
    for bit in range(8 * shape.vectors_at):
        harmed = bytearray(raw)
        harmed[bit // 8] ^= 1 << bit % 8
        try:
            found = measure(bytes(harmed[:HEAD_BYTES]), len(raw))
        except FlatDamageError:
            continue
        # Another type or metric: not ours to understand, and FAISS's reader refuses it.
        assert found is None, f"bit {bit}"


@TYPES
@pytest.mark.parametrize("offset", [4, 8])
@pytest.mark.parametrize("claim", [-1, 2**20, 2**31 - 1, 0])
def test_a_claim_that_the_size_does_not_bear_out_is_damage(
    description: str, offset: int, claim: int, tmp_path: Path
) -> None:
    raw = bytearray(example(description))
    for start in (0, 37) if description != "Flat" else (0,):
        struct.pack_into("<i", raw, start + offset, claim)
    with pytest.raises(FlatDamageError), no_blow_up(len(raw)):
        read(tmp_path / "index", bytes(raw))


@pytest.mark.parametrize(
    ("dim", "count"), [(2**20, 2**62), (1, 2**62), (4, 2**61), (0, 2**40), (2**20, 2**20)]
)
def test_huge_claims_that_agree_with_each_other_are_damage(
    dim: int, count: int, tmp_path: Path
) -> None:
    header = struct.Struct("<4siqqqBi")
    rest = (dim, count, 1 << 20, 1 << 20, 1, 0)
    values = struct.pack("<Q", dim * count % 2**64)
    raw = header.pack(b"IxM2", *rest) + header.pack(b"IxFI", *rest) + values + bytes(4096)
    with pytest.raises(FlatDamageError), no_blow_up(len(raw)):
        read(tmp_path / "index", raw)


def test_the_number_of_ids_is_held_against_that_of_vectors(tmp_path: Path) -> None:
    raw = bytearray(example(count=9))
    at = len(raw) - 9 * 8 - 8
    struct.pack_into("<Q", raw, at, 8)
    with pytest.raises(FlatDamageError, match="number of ids"):
        read(tmp_path / "index", bytes(raw))


@contextmanager
def no_blow_up(size: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 * size + (1 << 18)


def harm(raw: bytes, rng: random.Random) -> bytes:
    """One to four fields overwritten, mostly near the headers and the ends; sometimes a cut."""
    harmed = bytearray(raw)
    for _ in range(rng.randint(1, 4)):
        at = rng.choice((rng.randrange(90), rng.randrange(len(raw)), len(raw) - 1))
        field = rng.choice(
            (rng.randbytes(1), rng.randbytes(4), rng.randbytes(8), b"\0" * 8, b"\xff" * 8)
        )
        harmed[at : at + len(field)] = field[: len(harmed) - at]
    return bytes(harmed if rng.random() < 0.9 else harmed[: rng.randrange(len(raw))])


@TYPES
def test_no_mutation_crashes_or_eats_the_memory(description: str, tmp_path: Path) -> None:
    rng = random.Random(1)
    raw = example(description, count=40, dim=16)
    shape = measure(raw[:HEAD_BYTES], len(raw))
    assert shape is not None
    for _ in range(700):
        harmed = harm(raw, rng)
        with no_blow_up(len(raw)):
            try:
                index = read(tmp_path / "index", harmed)
            except FlatDamageError:
                continue
        # What passes has the very same headers, so only its numbers can be other ones.
        assert index is None or index.shape == shape


@pytest.mark.parametrize("raw", [b"", b"Ix", b"\0" * 500, b"PK\3\4" * 50, b"\x80\x04\x95pickle"])
def test_what_is_no_index_is_not_taken_for_one(raw: bytes, tmp_path: Path) -> None:
    assert read(tmp_path / "index", raw) is None


@pytest.mark.parametrize(
    ("description", "metric", "ids", "shape"),
    [
        ("IDMap2,HNSW32", "ip", [1, 2], (2, 4)),
        ("IDMap2,Flat", "cosine", [1, 2], (2, 4)),
        ("IDMap2,Flat", "ip", [1], (2, 4)),
        ("IDMap2,Flat", "ip", [1, 2], (2, 0)),
        ("Flat", "ip", [1, 2], (2, 4)),
        ("Flat", "ip", [1, 0], (2, 4)),
    ],
)
def test_what_no_flat_file_can_hold_is_refused(
    description: str, metric: str, ids: list[int], shape: tuple[int, int]
) -> None:
    with pytest.raises(ValueError, match="index"):
        flat_content(description, metric, np.array(ids), np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    ("ids", "expected"), [([], True), ([0, 1, 2], True), ([0, 2, 1], False), ([1, 2], False)]
)
def test_positions(ids: list[int], expected: bool) -> None:
    assert is_positions(np.array(ids, np.int64)) is expected


def read_beside(path: Path, raw: bytes, twin: FloatMatrix) -> FlatIndex:
    with opened(path, raw) as fd:
        index = read_flat(fd, len(raw), twins={twin.shape[1]: twin})
    assert index is not None
    return index


@pytest.mark.parametrize(("count", "dim"), [(0, 8), (3, 5), (700, 768)])
def test_vectors_that_are_those_of_a_twin_take_no_memory(
    count: int, dim: int, tmp_path: Path
) -> None:
    ids, vectors = content("IDMap2,Flat", "ip", count, dim)
    raw = written("IDMap2,Flat", "ip", ids, vectors)
    index = read_beside(tmp_path / "index", raw, vectors)
    assert index.vectors is vectors
    assert np.array_equal(index.ids, ids)
    assert index.sha256 == hashlib.sha256(raw).hexdigest()


@pytest.mark.parametrize("flipped", [0, 4 * 5 * 9 - 1])
def test_a_twin_with_another_bit_is_none(flipped: int, tmp_path: Path) -> None:
    raw = example()
    index = read(tmp_path / "index", raw)
    assert index is not None
    assert index.vectors is not None
    twin = index.vectors[:].copy()
    twin.view(np.uint8).reshape(-1)[flipped] ^= 1
    found = read_beside(tmp_path / "index", raw, twin)
    assert found.vectors is not twin
    assert found.vectors is not None
    assert found.vectors[:].tobytes() == index.vectors[:].tobytes()
    assert found.sha256 == index.sha256


def test_a_twin_of_fewer_vectors_is_none(tmp_path: Path) -> None:
    raw = example()
    index = read(tmp_path / "index", raw)
    assert index is not None
    assert index.vectors is not None
    found = read_beside(tmp_path / "index", raw, index.vectors[:-1])
    assert found.vectors is not None
    assert found.vectors.shape == index.vectors.shape
