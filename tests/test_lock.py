"""The lock: who holds it, who waits, and that death frees it."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from synthstore.errors import LockedError, OperationError
from synthstore.files.lock import Lock, is_locked


def hold_in_a_child(path: Path) -> int:
    """Fork a child that holds the lock until it is killed."""
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        Lock(path, command="synthstore repair").acquire()
        os.write(tell, b"x")
        time.sleep(60)
        os._exit(0)
    os.close(tell)
    assert os.read(ready, 1) == b"x"
    os.close(ready)
    return child


def end(child: int) -> None:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_the_owner_is_named_and_its_death_frees_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    child = hold_in_a_child(path)
    try:
        with pytest.raises(LockedError) as caught:
            Lock(path).acquire()
    finally:
        end(child)
    assert f"process {child} on " in caught.value.message
    assert "synthstore repair" in caught.value.message
    assert "--lock-wait" in str(caught.value.hint)
    assert caught.value.exit_code == 11
    with Lock(path):
        assert path.exists()


def test_waiting_outlasts_the_owner(tmp_path: Path) -> None:
    first = Lock(tmp_path / "lock")
    first.acquire()
    threading.Timer(0.3, first.release).start()
    begun = time.monotonic()
    second = Lock(tmp_path / "lock")
    second.acquire(wait=10)
    second.release()
    assert 0.2 < time.monotonic() - begun < 5


def test_shared_locks_share_and_keep_writers_out(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with Lock(path, shared=True), Lock(path, shared=True), pytest.raises(LockedError):
        Lock(path).acquire()
    with Lock(path), pytest.raises(LockedError):
        Lock(path, shared=True).acquire()


def test_asking_writes_nothing_and_hinders_nobody(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert is_locked(path) is None
    assert not path.exists()
    with Lock(path, command="someone"):
        before = path.stat()
        assert "someone" in str(is_locked(path))
        assert path.stat() == before
    assert is_locked(path) is None


def test_a_look_at_the_lock_does_not_turn_a_writer_away(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    looker = Lock(path, shared=True)
    looker.acquire()
    threading.Timer(0.03, looker.release).start()
    Lock(path).acquire()


def test_a_lock_file_that_was_replaced_is_not_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with Lock(path):
        path.unlink()
        with Lock(path):
            assert is_locked(path) is not None


def test_a_link_is_no_lock_file(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("theirs")
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OperationError):
        Lock(tmp_path / "lock").acquire()
    assert (tmp_path / "victim").read_text() == "theirs"


def test_release_is_idempotent(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "lock")
    lock.release()
    lock.acquire()
    lock.release()
    lock.release()
    assert is_locked(tmp_path / "lock") is None
