"""The child that loads strange indexes: whatever it answers, only the file is to blame."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthstore.errors import OperationError
from synthstore.store import faiss_process
from synthstore.store.vectors import read_index
from tests.faiss_reference import INDEX, assert_holds, assert_unreadable, put_index, sample

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
    if "sleep" in program:
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
    monkeypatch.setattr(faiss_process, "START_SECONDS", 1)
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
