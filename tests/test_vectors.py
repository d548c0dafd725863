"""Indexes of every type, read whatever their state."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import random
import socket
import struct
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from synthstore.model.facts import IndexFacts, PartStatus
from synthstore.store.flat_index import flat_content
from synthstore.store.vectors import read_back, read_index
from tests.faiss_reference import (
    EXACT,
    INDEX,
    LOSSY,
    assert_holds,
    assert_unreadable,
    faiss,
    make_index,
    put,
    put_index,
    real_store,
    sample,
    serialized,
    written,
)
from tests.users import as_nobody

# Reading


@pytest.mark.parametrize("factory", ["IDMap2,Flat", "IDMap,Flat", "Flat"])
def test_a_flat_index_is_read(factory: str, tmp_path: Path) -> None:
    ids, vectors = sample(30, 8)
    raw = put_index(tmp_path, factory, "l2", ids, vectors)
    facts = read_index(tmp_path, INDEX)
    bare = factory == "Flat"
    assert_holds(facts, np.arange(30) if bare else ids, vectors)
    assert (facts.path, facts.description, facts.metric) == (INDEX, factory, "l2")
    assert (facts.has_ids, facts.exact) == (not bare, True)
    assert facts.sha256 == hashlib.sha256(raw).hexdigest()
    assert facts.stat is not None
    assert facts.stat.size == len(raw)


@pytest.mark.parametrize("factory", EXACT)
def test_another_type_is_read_by_a_child(factory: str, tmp_path: Path) -> None:
    ids, vectors = sample(120, 8)
    metric = "ip" if factory.startswith("IDMap2") else "l2"
    raw = put_index(tmp_path, factory, metric, ids, vectors)
    facts = read_index(tmp_path, INDEX)
    assert_holds(facts, ids, vectors)
    assert (facts.description, facts.metric) == (factory, metric)
    assert (facts.has_ids, facts.exact) == (True, True)
    assert facts.sha256 == hashlib.sha256(raw).hexdigest()


@pytest.mark.parametrize("factory", LOSSY)
def test_a_lossy_type_says_so(factory: str, tmp_path: Path) -> None:
    ids, vectors = sample(300, 8)
    put_index(tmp_path, factory, "l2", ids, vectors)
    facts = read_index(tmp_path, INDEX)
    assert facts.status is PartStatus.OK
    assert not facts.exact
    assert facts.ids is not None
    assert facts.vectors is not None
    found = dict(zip(facts.ids.tolist(), facts.vectors[:], strict=True))
    assert sorted(found) == sorted(ids.tolist())
    near = np.array([found[number] for number in ids.tolist()])
    assert np.corrcoef(near.ravel(), vectors.ravel())[0, 1] > 0.6


def test_a_type_that_cannot_give_its_vectors_still_gives_its_ids(tmp_path: Path) -> None:
    ids, vectors = sample(300, 8)
    raw = put_index(tmp_path, "IVF4,PQ4x4fs", "l2", ids, vectors)
    facts = read_index(tmp_path, INDEX)
    assert (facts.status, facts.vectors, facts.exact) == (PartStatus.OK, None, False)
    assert facts.ids is not None
    assert sorted(facts.ids.tolist()) == sorted(ids.tolist())
    assert facts.sha256 == hashlib.sha256(raw).hexdigest()


def test_a_bare_index_of_another_type_has_positions(tmp_path: Path) -> None:
    _, vectors = sample(50, 8)
    put_index(tmp_path, "HNSW8", "ip", np.arange(50), vectors)
    facts = read_index(tmp_path, INDEX)
    assert_holds(facts, np.arange(50), vectors)
    assert (facts.description, facts.has_ids) == ("HNSW8", False)


def test_another_metric_keeps_its_number(tmp_path: Path) -> None:
    ids, vectors = sample(10, 4)
    index = faiss.index_factory(4, "IDMap2,Flat", faiss.METRIC_L1)
    index.add_with_ids(vectors, ids)
    put(tmp_path, serialized(index))
    facts = read_index(tmp_path, INDEX)
    assert_holds(facts, ids, vectors)
    assert (facts.description, facts.metric) == ("IDMap2,Flat", "2")


@pytest.mark.parametrize("factory", ["IDMap2,Flat", "IDMap2,HNSW8", "IVF4,Flat"])
def test_a_quick_look_leaves_the_vectors(factory: str, tmp_path: Path) -> None:
    ids, vectors = sample(60, 8)
    put_index(tmp_path, factory, "ip", ids, vectors)
    facts = read_index(tmp_path, INDEX, with_vectors=False)
    assert facts.status is PartStatus.OK
    assert facts.ids is not None
    assert sorted(facts.ids.tolist()) == sorted(ids.tolist())
    assert (facts.vectors, facts.sha256, facts.exact) == (None, None, True)


@pytest.mark.parametrize("factory", ["IDMap2,Flat", "IDMap2,HNSW8"])
def test_whoever_replaces_nothing_needs_no_hash(factory: str, tmp_path: Path) -> None:
    ids, vectors = sample(60, 8)
    put_index(tmp_path, factory, "ip", ids, vectors)
    facts = read_index(tmp_path, INDEX, hashed=False)
    assert_holds(facts, ids, vectors)
    assert facts.sha256 is None
    put(tmp_path, (tmp_path / INDEX).read_bytes()[:-1])
    # That of a damaged one shows that its bytes could be read.
    assert read_index(tmp_path, INDEX, hashed=False).sha256 is not None


@pytest.mark.parametrize("factory", ["IDMap2,Flat", "IDMap2,HNSW8"])
def test_bad_ids_and_numbers_are_left_to_the_rules(factory: str, tmp_path: Path) -> None:
    _, vectors = sample(20, 4)
    vectors[3] = np.nan
    ids = np.array([7, 7, -1, *range(17)])
    put_index(tmp_path, factory, "l2", ids, vectors)
    facts = read_index(tmp_path, INDEX)
    assert facts.status is PartStatus.OK
    assert facts.ids is not None
    assert facts.ids.tolist() == ids.tolist()
    assert facts.vectors is not None
    assert np.array_equal(facts.vectors[:], vectors, equal_nan=True)


@pytest.mark.parametrize("factory", ["IVF4,Flat", "IDMap2,IVF4,Flat"])
def test_a_vector_that_faiss_counted_but_did_not_keep_is_not_there(
    factory: str, tmp_path: Path
) -> None:
    """It puts a vector with a NaN into none of its lists."""
    ids, vectors = sample(20, 4)
    index = make_index(factory, "l2", ids, vectors)
    index.add_with_ids(np.full((1, 4), np.nan, np.float32), np.array([5]))
    assert index.ntotal == 21
    put(tmp_path, serialized(index))
    assert_holds(read_index(tmp_path, INDEX), ids, vectors)


@pytest.mark.parametrize("factory", ["IDMap2,HNSW8", "IVF4,Flat", "IDMap2,IVF4,Flat", "IDMap,SQ8"])
def test_an_empty_index_of_another_type_is_sound(factory: str, tmp_path: Path) -> None:
    index = make_index(factory, "ip", *sample(100, 8))
    index.reset()
    put(tmp_path, serialized(index))
    facts = read_index(tmp_path, INDEX)
    assert (facts.status, facts.ntotal, facts.dim) == (PartStatus.OK, 0, 8)


def test_a_file_outside_any_store_is_read_back(tmp_path: Path) -> None:
    ids, vectors = sample(10, 4)
    content = flat_content("IDMap2,Flat", "ip", ids, vectors)
    (tmp_path / "staged").write_bytes(written(content))
    assert_holds(read_back(tmp_path / "staged"), ids, vectors)
    assert read_back(tmp_path / "none").status is PartStatus.MISSING


# Damage


@pytest.mark.parametrize("factory", ["IDMap2,HNSW8", "IVF4,Flat"])
def test_a_cut_or_lengthened_file_is_unreadable(factory: str, tmp_path: Path) -> None:
    raw = put_index(tmp_path, factory, "l2", *sample(60, 8))
    for harmed in (raw[:30], raw[:-1], raw + b"\0\0"):
        put(tmp_path, harmed)
        assert_unreadable(read_index(tmp_path, INDEX), tmp_path)


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.json", "{}" * 1000)
    return out.getvalue()


NO_INDEXES = {
    "empty": b"",
    "short": b"Ix",
    "zeros": bytes(10_000),
    "random": random.Random(3).randbytes(10_000),
    "words": b"these are not the vectors" * 100,
    "json": b'{"a": 1}',
    "pickle": pickle.dumps(list(range(1000))),
    "zip": zipped(),
    "null": b"null",
}


@pytest.mark.parametrize("raw", NO_INDEXES.values(), ids=NO_INDEXES.keys())
def test_what_is_no_index_is_unreadable(raw: bytes, tmp_path: Path) -> None:
    put(tmp_path, raw)
    assert_unreadable(read_index(tmp_path, INDEX), tmp_path)
    assert_unreadable(read_index(tmp_path, INDEX, with_vectors=False), tmp_path)


@pytest.mark.parametrize("factory", ["IDMap2,HNSW8", "IVF4,Flat"])
@pytest.mark.parametrize(("offset", "claim"), [(4, 2**30), (4, 0), (8, 2**40), (8, -1)])
def test_huge_claims_are_unreadable(factory: str, offset: int, claim: int, tmp_path: Path) -> None:
    raw = bytearray(put_index(tmp_path, factory, "l2", *sample(60, 8)))
    struct.pack_into("<i" if offset == 4 else "<q", raw, offset, claim)
    put(tmp_path, bytes(raw))
    assert_unreadable(read_index(tmp_path, INDEX), tmp_path)


@pytest.mark.parametrize("factory", ["IDMap2,HNSW8", "IVF4,Flat", "IDMap2,PCA4,Flat"])
def test_a_mutation_is_unreadable_or_has_its_shape(factory: str, tmp_path: Path) -> None:
    rng = random.Random(5)
    raw = put_index(tmp_path, factory, "l2", *sample(60, 8))
    for _ in range(6):
        harmed = bytearray(raw)
        at = rng.choice((rng.randrange(200), rng.randrange(len(raw))))
        harmed[at : at + 4] = rng.randbytes(4)
        put(tmp_path, bytes(harmed))
        started = time.monotonic()
        facts = read_index(tmp_path, INDEX)
        assert time.monotonic() - started < 10
        assert facts.status is not PartStatus.MISSING
        if facts.vectors is not None:
            assert facts.vectors.shape == (facts.ntotal, facts.dim)


def test_a_sparse_file_larger_than_the_memory_is_not_read(tmp_path: Path) -> None:
    put(tmp_path, b"IxM2")
    try:
        os.truncate(tmp_path / INDEX, 8 * 2**40)
    except OSError:
        pytest.skip("this file system has no files of that size")
    facts = read_index(tmp_path, INDEX)
    assert facts.status is PartStatus.UNREADABLE
    assert facts.sha256 is None
    assert "too large" in (facts.problem or "")


def test_an_index_that_names_another_file_does_not_get_it(tmp_path: Path) -> None:
    ids, vectors = sample(60, 8)
    index = make_index("IVF4,Flat", "l2", ids, vectors)
    lists = faiss.OnDiskInvertedLists(index.nlist, index.code_size, str(tmp_path / "elsewhere"))
    lists.merge_from(index.invlists, 0)
    index.replace_invlists(lists)
    put(tmp_path, serialized(index))
    before = (tmp_path / "elsewhere").read_bytes()
    assert_unreadable(read_index(tmp_path, INDEX), tmp_path)
    assert (tmp_path / "elsewhere").read_bytes() == before


# What stands there instead of a file


def test_nothing_there_is_missing(tmp_path: Path) -> None:
    assert read_index(tmp_path, INDEX) == IndexFacts(PartStatus.MISSING, INDEX)
    (tmp_path / "vector_index").mkdir()
    assert read_index(tmp_path, INDEX) == IndexFacts(PartStatus.MISSING, INDEX)


def make_link(path: Path) -> None:
    put_index(path.parent, "Flat", "ip", *sample(3, 2))
    path.symlink_to(path.parent / INDEX)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


IRREGULAR: Mapping[str, Callable[[Path], object]] = {
    "symbolic link": make_link,
    "FIFO": os.mkfifo,
    "directory": Path.mkdir,
    "socket": make_socket,
}


@pytest.mark.parametrize("what", IRREGULAR)
def test_what_is_no_regular_file_is_never_opened(what: str, tmp_path: Path) -> None:
    IRREGULAR[what](tmp_path / "odd")
    facts = read_index(tmp_path, "odd")
    assert (facts.status, facts.sha256) == (PartStatus.UNREADABLE, None)
    assert what in (facts.problem or "")


def test_a_device_is_never_opened() -> None:
    facts = read_index(Path("/dev"), "zero")
    assert facts.status is PartStatus.UNREADABLE
    assert "character device" in (facts.problem or "")


def test_a_folder_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    put_index(tmp_path / "real", "Flat", "ip", *sample(3, 2))
    (tmp_path / "vector_index").symlink_to(tmp_path / "real" / "vector_index")
    facts = read_index(tmp_path, INDEX)
    assert facts.status is PartStatus.UNREADABLE
    assert "vector_index" in (facts.problem or "")
    assert "symbolic link" in (facts.problem or "")


def test_a_file_that_may_not_be_read_is_unreadable(tmp_path: Path) -> None:
    put_index(tmp_path, "Flat", "ip", *sample(3, 2))
    (tmp_path / INDEX).chmod(0)
    with as_nobody():
        facts = read_index(tmp_path, INDEX)
    assert (facts.status, facts.sha256) == (PartStatus.UNREADABLE, None)


# Stores that real Memory Cores left


@pytest.mark.parametrize(
    ("name", "count", "metric"), [("core-4-sixty", 66, "l2"), ("core-3-string-members", 22, "ip")]
)
def test_a_real_index_is_read_and_written_alike(name: str, count: int, metric: str) -> None:
    raw = (real_store(name) / "faiss_index.bin").read_bytes()
    facts = read_index(real_store(name), "faiss_index.bin")
    assert (facts.status, facts.ntotal, facts.dim) == (PartStatus.OK, count, 768)
    assert (facts.description, facts.metric) == ("IDMap,Flat", metric)
    assert facts.sha256 == hashlib.sha256(raw).hexdigest()
    assert facts.ids is not None
    assert facts.vectors is not None
    content = flat_content(facts.description, facts.metric, facts.ids, facts.vectors)
    assert written(content) == raw
