"""Indexes of every type, read whatever their state and built anew; and the mappings."""

from __future__ import annotations

import hashlib
import io
import json
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

from synthstore.errors import OperationError, UsageError
from synthstore.model.embedding import FloatMatrix, IdArray
from synthstore.model.facts import IndexFacts, PartStatus
from synthstore.model.ids import numeric_id
from synthstore.store import faiss_process
from synthstore.store.vectors import (
    IndexContent,
    flat_content,
    mapping_content,
    read_back,
    read_index,
    read_mapping,
    rebuild_content,
)
from tests.faiss_reference import faiss, make_index, sample, serialized, write_index

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
INDEX = "vector_index/memory_vectors.faiss"
MAPPING = "vector_index/mapping.json"

EXACT = ["IDMap2,HNSW8", "IDMap,HNSW8", "IVF4,Flat", "IDMap2,IVF4,Flat", "IDMap,IVF4_HNSW4,Flat"]
LOSSY = ["IDMap2,SQ8", "IDMap2,PQ4x4np", "IVF4,SQ8", "IDMap2,PCA4,Flat", "PCA4,IVF4,Flat"]


def put(root: Path, raw: bytes, path: str = INDEX) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(raw)


def put_index(root: Path, factory: str, metric: str, ids: IdArray, vectors: FloatMatrix) -> bytes:
    return write_index(root / INDEX, factory, metric, ids, vectors)


def written(content: IndexContent) -> bytes:
    out = io.BytesIO()
    content(out)
    assert content.size == len(out.getvalue())
    return out.getvalue()


def by_id(facts: IndexFacts) -> dict[int, FloatMatrix]:
    assert facts.ids is not None
    assert facts.vectors is not None
    return dict(zip(facts.ids.tolist(), facts.vectors, strict=True))


def assert_holds(facts: IndexFacts, ids: IdArray, vectors: FloatMatrix) -> None:
    assert (facts.status, facts.problem) == (PartStatus.OK, None)
    assert (facts.ntotal, facts.dim) == vectors.shape
    found = by_id(facts)
    assert len(found) == len(ids)
    for number, vector in zip(ids.tolist(), vectors, strict=True):
        assert np.array_equal(found[number], vector)


def assert_unreadable(facts: IndexFacts, root: Path, because: str) -> None:
    assert facts.status is PartStatus.UNREADABLE
    assert because in (facts.problem or "")
    assert (facts.ids, facts.vectors) == (None, None)
    assert facts.sha256 == hashlib.sha256((root / INDEX).read_bytes()).hexdigest()


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
    found = by_id(facts)
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
    assert np.array_equal(facts.vectors, vectors, equal_nan=True)


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
    for harmed in (raw[:30], raw[: len(raw) // 2], raw[:-1], raw + b"\0\0"):
        put(tmp_path, harmed)
        assert_unreadable(read_index(tmp_path, INDEX), tmp_path, "")


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
    assert_unreadable(read_index(tmp_path, INDEX), tmp_path, "")
    assert_unreadable(read_index(tmp_path, INDEX, with_vectors=False), tmp_path, "")


@pytest.mark.parametrize("factory", ["IDMap2,HNSW8", "IVF4,Flat"])
@pytest.mark.parametrize(("offset", "claim"), [(4, 2**30), (4, 0), (8, 2**40), (8, -1)])
def test_huge_claims_are_unreadable(factory: str, offset: int, claim: int, tmp_path: Path) -> None:
    raw = bytearray(put_index(tmp_path, factory, "l2", *sample(60, 8)))
    struct.pack_into("<i" if offset == 4 else "<q", raw, offset, claim)
    put(tmp_path, bytes(raw))
    assert_unreadable(read_index(tmp_path, INDEX), tmp_path, "")


@pytest.mark.parametrize("factory", ["IDMap2,HNSW8", "IVF4,Flat", "IDMap2,PCA4,Flat"])
def test_a_mutation_is_unreadable_or_has_its_shape(factory: str, tmp_path: Path) -> None:
    rng = random.Random(5)
    raw = put_index(tmp_path, factory, "l2", *sample(60, 8))
    for _ in range(12):
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
    assert_unreadable(read_index(tmp_path, INDEX), tmp_path, "")
    assert (tmp_path / "elsewhere").read_bytes() == before


# What stands there instead of a file


def test_nothing_there_is_missing(tmp_path: Path) -> None:
    assert read_index(tmp_path, INDEX) == IndexFacts(PartStatus.MISSING, INDEX)
    assert read_mapping(tmp_path, MAPPING).status is PartStatus.MISSING
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
    for facts in (read_index(tmp_path, "odd"), read_mapping(tmp_path, "odd")):
        assert (facts.status, facts.sha256) == (PartStatus.UNREADABLE, None)
    assert what in (read_index(tmp_path, "odd").problem or "")


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


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_unreadable(tmp_path: Path) -> None:
    put_index(tmp_path, "Flat", "ip", *sample(3, 2))
    (tmp_path / INDEX).chmod(0)
    facts = read_index(tmp_path, INDEX)
    assert (facts.status, facts.sha256) == (PartStatus.UNREADABLE, None)


# The child's answer

READY = (
    "import sys, time, os, signal, struct, json; out = sys.stdout.buffer\nout.write(b'FSSCHILD')\n"
)
SEND = "def send(h):\n  t = json.dumps(h).encode(); out.write(struct.pack('<I', len(t)) + t)\n"
SOUND = {
    "description": "IDMap2,HNSW8",
    "metric": "l2",
    "dim": 8,
    "ntotal": 3,
    "has_ids": True,
    "exact": True,
    "vectors": True,
}

BAD_ANSWERS = {
    "nothing": ("", "status 0"),
    "a crash": ("out.flush(); os.kill(os.getpid(), signal.SIGSEGV)", "signal 11"),
    "an exit": ("sys.exit(3)", "status 3"),
    "half a length": ("out.write(b'ab')", "status 0"),
    "an endless header": ("out.write(b'\\xff' * 100)", "nonsense"),
    "no JSON": ("out.write(struct.pack('<I', 5) + b'hello')", "nonsense"),
    "a list": ("send([1])", "nonsense"),
    "an empty header": ("send({})", "nonsense"),
    "no vectors": (f"send({SOUND})", "status 0"),
    "half the vectors": (f"send({SOUND}); out.write(bytes(24 + 50))", "status 0"),
    "too many vectors": (f"send({SOUND | {'ntotal': 10**15}})", "nonsense"),
    "a huge dimension": (f"send({SOUND | {'dim': 10**9}})", "nonsense"),
    "a negative number": (f"send({SOUND | {'ntotal': -1}})", "nonsense"),
    "a number as text": (f"send({SOUND | {'dim': '8'}})", "nonsense"),
    "too many in all": (f"send({SOUND | {'dim': 2**20, 'ntotal': 500}})", "nonsense"),
    "a refusal": ("send({'refused': 'damaged', 'message': 'it is odd'})", "it is odd"),
    "a hang": ("out.flush(); time.sleep(60)", "within 1 seconds"),
    "a hang in the middle": (f"send({SOUND}); out.flush(); time.sleep(60)", "within 1 seconds"),
    "a hang after closing": ("out.close(); time.sleep(60)", "within 1 seconds"),
}


def set_child(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str) -> None:
    (tmp_path / "child.py").write_text(program)
    monkeypatch.setattr(faiss_process, "PROGRAM", tmp_path / "child.py")
    monkeypatch.setattr(faiss_process, "READ_SECONDS", 1)


@pytest.mark.parametrize(("does", "because"), BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
def test_a_bad_answer_makes_the_file_unreadable(
    does: str, because: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_index(tmp_path, "IDMap2,HNSW8", "l2", *sample(60, 8))
    set_child(monkeypatch, tmp_path, READY + SEND + does)
    assert_unreadable(read_index(tmp_path, INDEX), tmp_path, because)


@pytest.mark.parametrize("program", ["import no_such_module", "import time; time.sleep(60)"])
def test_a_child_that_never_starts_is_no_damage(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_index(tmp_path, "IDMap2,HNSW8", "l2", *sample(60, 8))
    set_child(monkeypatch, tmp_path, program)
    with pytest.raises(OperationError, match="did not start") as caught:
        read_index(tmp_path, INDEX)
    assert "import faiss" in (caught.value.hint or "")


def test_another_program_is_no_damage_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_index(tmp_path, "IDMap2,HNSW8", "l2", *sample(60, 8))
    set_child(monkeypatch, tmp_path, "print('hello, world')")
    assert_unreadable(read_index(tmp_path, INDEX), tmp_path, "nonsense")


def test_the_surroundings_do_not_reach_the_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, vectors = sample(60, 8)
    put_index(tmp_path, "IDMap2,HNSW8", "l2", ids, vectors)
    (tmp_path / "json.py").write_text("raise SystemExit('taken for the standard library')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    assert_holds(read_index(tmp_path, INDEX), ids, vectors)


# Building


def rebuilt(root: Path, facts: IndexFacts | None, ids: IdArray, vectors: FloatMatrix) -> bytes:
    metric = facts.metric if facts is not None and facts.metric else "ip"
    content = rebuild_content(
        root, facts, None, metric, ids, vectors, default_factory="IDMap2,Flat"
    )
    return written(content)


@pytest.mark.parametrize("factory", ["IDMap2,Flat", "IDMap,Flat"])
@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_a_flat_index_is_rebuilt_as_it_was(factory: str, metric: str, tmp_path: Path) -> None:
    put_index(tmp_path, factory, metric, *sample(10, 4))
    ids, vectors = sample(12, 6, seed=1)
    raw = rebuilt(tmp_path, read_index(tmp_path, INDEX), ids, vectors)
    assert raw == serialized(make_index(factory, metric, ids, vectors))


def test_a_bare_flat_index_stays_bare_only_for_positions(tmp_path: Path) -> None:
    put_index(tmp_path, "Flat", "l2", *sample(10, 4))
    facts = read_index(tmp_path, INDEX)
    ids, vectors = sample(8, 4)
    positions = np.arange(8)
    assert rebuilt(tmp_path, facts, positions, vectors) == serialized(
        make_index("Flat", "l2", positions, vectors)
    )
    assert rebuilt(tmp_path, facts, ids, vectors) == serialized(
        make_index("IDMap2,Flat", "l2", ids, vectors)
    )


@pytest.mark.parametrize("factory", [*EXACT, "HNSW8"])
def test_another_type_is_rebuilt_as_it_was(factory: str, tmp_path: Path) -> None:
    put_index(tmp_path, factory, "l2", *sample(100, 8))
    ids, vectors = sample(90, 8, seed=1)
    put(tmp_path, rebuilt(tmp_path, read_index(tmp_path, INDEX), ids, vectors), "new")
    facts = read_back(tmp_path / "new")
    assert_holds(facts, ids, vectors)
    assert facts.metric == "l2"
    assert facts.description == (factory if factory != "HNSW8" else "IDMap2,HNSW8")


def test_training_is_kept(tmp_path: Path) -> None:
    """An IVF index too small to be trained again keeps the clusters that it has."""
    put_index(tmp_path, "IVF16,Flat", "ip", *sample(100, 8))
    old = faiss.read_index(str(tmp_path / INDEX))
    ids, vectors = sample(3, 8, seed=1)
    put(tmp_path, rebuilt(tmp_path, read_index(tmp_path, INDEX), ids, vectors))
    assert_holds(read_index(tmp_path, INDEX), ids, vectors)
    new = faiss.read_index(str(tmp_path / INDEX))
    before, after = (index.quantizer.reconstruct_n(0, 16) for index in (old, new))
    assert np.array_equal(before, after)


def test_a_type_is_kept_in_another_dimension_and_metric(tmp_path: Path) -> None:
    put_index(tmp_path, "IDMap2,HNSW8", "l2", *sample(40, 8))
    ids, vectors = sample(50, 6, seed=1)
    facts = read_index(tmp_path, INDEX)
    content = rebuild_content(tmp_path, facts, None, "ip", ids, vectors, default_factory="Flat")
    put(tmp_path, written(content))
    facts = read_index(tmp_path, INDEX)
    assert_holds(facts, ids, vectors)
    assert (facts.description, facts.metric) == ("IDMap2,HNSW8", "ip")


def test_another_metric_is_kept(tmp_path: Path) -> None:
    ids, vectors = sample(10, 4)
    index = faiss.index_factory(4, "IDMap2,Flat", faiss.METRIC_Lp)
    index.index.metric_arg = index.metric_arg = 3.0
    index.add_with_ids(vectors, ids)
    put(tmp_path, serialized(index))
    facts = read_index(tmp_path, INDEX)
    put(tmp_path, rebuilt(tmp_path, facts, ids[:5], vectors[:5]))
    assert_holds(read_index(tmp_path, INDEX), ids[:5], vectors[:5])
    assert faiss.read_index(str(tmp_path / INDEX)).metric_arg == 3.0


@pytest.mark.parametrize("status", [None, PartStatus.MISSING, PartStatus.UNREADABLE])
@pytest.mark.parametrize("default", ["IDMap2,Flat", "IDMap,Flat"])
def test_without_an_old_index_the_default_is_written(
    status: PartStatus | None, default: str, tmp_path: Path
) -> None:
    facts = None if status is None else IndexFacts(status, INDEX)
    ids, vectors = sample(10, 4)
    content = rebuild_content(tmp_path, facts, None, "l2", ids, vectors, default_factory=default)
    assert written(content) == serialized(make_index(default, "l2", ids, vectors))


@pytest.mark.parametrize("factory", ["IDMap2,Flat", "IDMap2,HNSW8", "IVF4,Flat", "HNSW8"])
def test_a_type_asked_for_is_made(factory: str, tmp_path: Path) -> None:
    put_index(tmp_path, "IDMap,Flat", "ip", *sample(10, 4))
    facts = read_index(tmp_path, INDEX)
    ids, vectors = sample(60, 8, seed=1)
    content = rebuild_content(tmp_path, facts, factory, "l2", ids, vectors, default_factory="Flat")
    put(tmp_path, written(content))
    facts = read_index(tmp_path, INDEX)
    assert_holds(facts, ids, vectors)
    assert facts.metric == "l2"
    assert facts.description == (factory if factory != "HNSW8" else "IDMap2,HNSW8")


@pytest.mark.parametrize("factory", ["IDMap2,HNSW8", "IVF4,Flat"])
def test_the_same_vectors_make_the_same_bytes(factory: str, tmp_path: Path) -> None:
    ids, vectors = sample(200, 8)
    first, second = (
        written(rebuild_content(tmp_path, None, factory, "l2", ids, vectors, default_factory=""))
        for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize("factory", ["IDMap2,Flat", "IDMap2,HNSW8"])
def test_all_vectors_may_go(factory: str, tmp_path: Path) -> None:
    put_index(tmp_path, factory, "ip", *sample(20, 8))
    empty = np.empty((0, 0), np.float32)
    put(tmp_path, rebuilt(tmp_path, read_index(tmp_path, INDEX), np.empty(0, np.int64), empty))
    facts = read_index(tmp_path, INDEX)
    assert (facts.status, facts.ntotal, facts.dim) == (PartStatus.OK, 0, 8)


@pytest.mark.parametrize(
    ("factory", "count", "message", "hint"),
    [
        ("IVF64,Flat", 10, "cannot be made of 10 vectors", "at least 64"),
        ("IDMap2,PQ4", 100, "cannot be made of 100 vectors", "at least 256"),
        ("IDMap2,SQ8", 0, "cannot be made of 0 vectors", "at least 1;"),
        ("IDMap2,NSG8", 20, "cannot be made of 20 vectors", "at least 100"),
        ("Nonsense32", 10, "makes no index of type 'Nonsense32'", "index factory"),
        ("", 10, "makes no index of type ''", "index factory"),
        ("IDMap2,PQ3", 300, "multiple of the number", "index factory"),
    ],
)
def test_a_type_that_cannot_be_made_is_a_usage_error(
    factory: str, count: int, message: str, hint: str, tmp_path: Path
) -> None:
    ids, vectors = sample(count, 8)
    with pytest.raises(UsageError, match=message) as caught:
        rebuild_content(tmp_path, None, factory, "ip", ids, vectors, default_factory="Flat")
    assert hint in (caught.value.hint or "")
    assert "cpp" not in caught.value.message


def test_a_metric_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cosine"):
        rebuild_content(tmp_path, None, None, "cosine", *sample(3, 4), default_factory="Flat")


def test_a_crash_while_building_is_an_operation_error(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="signal 6"):
        rebuild_content(tmp_path, None, "HNSW0", "ip", *sample(10, 4), default_factory="Flat")


def test_an_old_index_that_went_away_is_an_operation_error(tmp_path: Path) -> None:
    put_index(tmp_path, "IDMap2,HNSW8", "ip", *sample(10, 4))
    facts = read_index(tmp_path, INDEX)
    (tmp_path / INDEX).unlink()
    with pytest.raises(OperationError, match="again"):
        rebuilt(tmp_path, facts, *sample(10, 4))


# Mappings


def put_mapping(root: Path, raw: bytes) -> None:
    put(root, raw, MAPPING)


def test_a_mapping_is_read(tmp_path: Path) -> None:
    entries = {"b": 2, "a": 2**63 - 1, "asm:asm:c": 0}
    raw = json.dumps(entries).encode()
    put_mapping(tmp_path, raw)
    facts = read_mapping(tmp_path, MAPPING)
    assert (facts.status, facts.problem, facts.path) == (PartStatus.OK, None, MAPPING)
    assert facts.entries == entries
    assert list(facts.entries or ()) == ["b", "a", "asm:asm:c"]
    assert (facts.raw, facts.sha256) == (raw, hashlib.sha256(raw).hexdigest())
    assert (facts.duplicate_keys, facts.bad_entries) == ((), ())


def test_an_empty_mapping_is_sound(tmp_path: Path) -> None:
    put_mapping(tmp_path, b"{}")
    assert read_mapping(tmp_path, MAPPING).entries == {}


def test_keys_that_occur_twice_are_named(tmp_path: Path) -> None:
    put_mapping(tmp_path, b'{"a": 1, "b": 2, "a": 3, "c": 4, "c": 4}')
    facts = read_mapping(tmp_path, MAPPING)
    assert facts.duplicate_keys == ("a", "c")
    assert facts.entries == {"a": 3, "b": 2, "c": 4}


@pytest.mark.parametrize("value", ["-1", str(2**63), str(10**30), "1.0", "true", '"5"', "null"])
def test_a_value_that_no_id_can_be_is_named(value: str, tmp_path: Path) -> None:
    put_mapping(tmp_path, f'{{"good": 7, "bad": {value}}}'.encode())
    facts = read_mapping(tmp_path, MAPPING)
    assert (facts.status, facts.bad_entries) == (PartStatus.OK, ("bad",))
    assert facts.problem
    assert facts.entries == ({"good": 7, "bad": -1} if value == "-1" else {"good": 7})


UNREADABLE_MAPPINGS = {
    "empty": b"",
    "torn": b'{"a": 1, "b',
    "zeros": bytes(100),
    "list": b"[1, 2]",
    "number": b"7",
    "bytes": b"\xff\xfe\xfa",
    "texts": b'{"a": "x", "b": "y"}',
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("raw", UNREADABLE_MAPPINGS.values(), ids=UNREADABLE_MAPPINGS.keys())
def test_what_is_no_mapping_is_unreadable(raw: bytes, tmp_path: Path) -> None:
    put_mapping(tmp_path, raw)
    facts = read_mapping(tmp_path, MAPPING)
    assert (facts.status, facts.entries, facts.raw) == (PartStatus.UNREADABLE, None, raw)
    assert facts.problem
    assert facts.sha256 == hashlib.sha256(raw).hexdigest()


@pytest.mark.parametrize("raw", [b'\xef\xbb\xbf{"a": 1}', '{"a": 1}'.encode("utf-16")])
def test_other_encodings_are_understood(raw: bytes, tmp_path: Path) -> None:
    put_mapping(tmp_path, raw)
    assert read_mapping(tmp_path, MAPPING).entries == {"a": 1}


OLD = {"é": 1, "a": 2}
SPELLINGS = {
    "core": json.dumps(OLD).encode(),
    "escaped, indented": json.dumps(OLD, indent=4).encode(),
    "unescaped": json.dumps(OLD, ensure_ascii=False).encode(),
    "compact": json.dumps(OLD, ensure_ascii=False, separators=(",", ":")).encode(),
    "native": json.dumps(OLD, indent=2, ensure_ascii=False).encode(),
    "with a newline": json.dumps(OLD, indent=2, ensure_ascii=False).encode() + b"\n",
}


@pytest.mark.parametrize("like", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_a_mapping_keeps_its_spelling(like: bytes) -> None:
    assert mapping_content(OLD, like) == like
    longer = mapping_content({**OLD, "ü": 2**63 - 1}, like)
    assert json.loads(longer) == {**OLD, "ü": 2**63 - 1}
    assert mapping_content(OLD, longer) == like


@pytest.mark.parametrize("like", [None, b"", b'{"a": 1', b"[[["])
def test_without_a_spelling_to_keep_it_is_the_layouts_own(like: bytes | None) -> None:
    assert mapping_content({"a": 1, "b": 2}, like) == b'{"a": 1, "b": 2}'
    native = mapping_content({"a": 1}, like, default="native")
    assert native == b'{\n  "a": 1\n}'


# Stores that real Memory Cores left


def real(name: str) -> Path:
    if not DATA.is_dir():
        pytest.skip("the real stores are not beside this checkout")
    return DATA / name


@pytest.mark.parametrize(
    ("name", "count", "metric"), [("core-4-sixty", 66, "l2"), ("core-3-string-members", 22, "ip")]
)
def test_a_real_index_is_read_and_written_alike(name: str, count: int, metric: str) -> None:
    raw = (real(name) / "faiss_index.bin").read_bytes()
    facts = read_index(real(name), "faiss_index.bin")
    assert (facts.status, facts.ntotal, facts.dim) == (PartStatus.OK, count, 768)
    assert (facts.description, facts.metric) == ("IDMap,Flat", metric)
    assert facts.sha256 == hashlib.sha256(raw).hexdigest()
    assert facts.ids is not None
    assert facts.vectors is not None
    assert rebuilt(real(name), facts, facts.ids, facts.vectors) == raw

    mapping = read_mapping(real(name), "faiss_index.bin.mapping.json")
    assert mapping.entries is not None
    assert mapping.raw is not None
    assert sorted(mapping.entries.values()) == sorted(facts.ids.tolist())
    assert all(numeric_id(key) == value for key, value in mapping.entries.items())
    assert mapping_content(mapping.entries, mapping.raw) == mapping.raw


@pytest.mark.parametrize(
    ("name", "count"), [("faiss_index.bin.mapping.json", 56), ("id_to_index_mapping.json", 46)]
)
def test_real_mappings_without_an_index(name: str, count: int) -> None:
    mapping = read_mapping(real("core-3-drifted"), name)
    assert (mapping.status, mapping.problem) == (PartStatus.OK, None)
    assert len(mapping.entries or ()) == count
    assert mapping_content(mapping.entries or {}, mapping.raw) == mapping.raw
    assert read_index(real("core-3-drifted"), "faiss_index.bin").status is PartStatus.MISSING
