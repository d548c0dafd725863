"""Libraries share a store: each change alone, what one left when it died finished by the next."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from synthstore.errors import LockedError
from synthstore.files.lock import Lock, is_locked, is_shared
from synthstore.files.putting import Attire, Put, put_files, take_file
from synthstore.store import session as module
from synthstore.store.journal import LOCK, WRITE_LOCK
from synthstore.store.runs import ENTITY, Change, list_runs, unfinished_runs
from synthstore.store.session import Session
from synthstore.testing.stores import build


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return build("native", tmp_path / "store").root


def change(name: str) -> Change:
    return Change(f"memories/{name}.json", None, name.encode(), ENTITY)


def test_libraries_share_and_commands_do_not(root: Path) -> None:
    with Session(root, shared=True) as one, Session(root, shared=True) as other:
        assert is_shared(root / LOCK)
        assert is_locked(root / LOCK) is None
        with pytest.raises(LockedError, match="held by process"):
            Session.open(root)
        with one.changing(), pytest.raises(LockedError), other.changing(wait=0.0):
            pass
        with other.changing():
            other.run("test", [change("other")])
    assert is_shared(root / LOCK) is None
    with Session(root):
        assert is_locked(root / LOCK)
        assert is_shared(root / LOCK) is None
        with pytest.raises(LockedError):
            Session.open(root, shared=True)


def test_a_shared_session_changes_nothing_outside_its_turn(root: Path) -> None:
    with Session(root, shared=True) as session, pytest.raises(ValueError, match="changing"):
        session.run("test", [change("new")])
    assert list_runs(root) == []


def test_opening_twice_is_fine(root: Path) -> None:
    session = Session.open(root, shared=True)
    with session:
        pass
    Session.open(root).close()


def _die_half_way(root: str) -> None:
    module.complete = lambda *_, **__: os._exit(9)  # type: ignore[attr-defined]
    with Session(Path(root), shared=True) as session, session.changing():
        session.run("test", [change("begun")])


def test_the_next_one_finishes_what_a_dead_one_began(root: Path) -> None:
    with Session(root, shared=True) as session:
        process = multiprocessing.get_context("spawn").Process(
            target=_die_half_way, args=(str(root),)
        )
        process.start()
        process.join()
        assert process.exitcode == 9
        assert [run.owner_alive for run in unfinished_runs(root)] == [False]
        with session.changing():
            assert [run.owner_alive for run in unfinished_runs(root)] == [True]
            session.run("test", [change("next")])
        assert (root / "memories" / "begun.json").read_bytes() == b"begun"
        assert [run.state for run in list_runs(root)] == ["done", "done"]


def test_the_write_lock_is_not_signed(root: Path) -> None:
    with Session(root, shared=True) as session, session.changing():
        assert (root / WRITE_LOCK).read_bytes() == b""
    with Lock(root / "other", shared=True):
        assert b"process" in (root / "other").read_bytes()


@pytest.mark.parametrize("count", [1, 3, 40])
def test_files_are_put_in_place_with_their_modes(root: Path, count: int) -> None:
    names = [f"memories/put-{n}.json" for n in range(count)]
    for content in (b"first", b"second"):
        put_files(root, [Put(name, content, Attire(0o640)) for name in names])
        assert {(root / name).read_bytes() for name in names} == {content}
        assert {(root / name).stat().st_mode & 0o777 for name in names} == {0o640}
    assert not [path for path in (root / "memories").iterdir() if path.name.startswith(".tmp")]
    assert take_file(root, names[0]) is True
    assert take_file(root, names[0]) is False


def test_a_link_in_place_of_a_folder_is_not_followed(root: Path, tmp_path: Path) -> None:
    from synthstore.errors import OperationError  # noqa: PLC0415

    (tmp_path / "elsewhere").mkdir()
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OperationError, match="no folder"):
        put_files(root, [Put("linked/x.json", b"x", Attire(0o600))])
    assert list((tmp_path / "elsewhere").iterdir()) == []
