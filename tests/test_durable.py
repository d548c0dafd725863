"""Durable writes: what they leave behind, and what they say when the system refuses."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from synthstore.errors import DiskFullError, OperationError, PermissionDeniedError
from synthstore.files import durable, space
from synthstore.files.durable import atomic_write, hash_file, make_dirs, synced, write_new
from synthstore.files.failure import access_remedy, failure
from synthstore.files.inside import Tree
from synthstore.files.walk import IrregularFileError
from tests.mounts import small_disk

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def write_batch(folder: Path, paths: list[Path]) -> None:
    with synced(folder, paths):
        for path in paths:
            write_new(path, b"x", mode=0o600, sync=False)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "size=64k") as folder:
        yield folder


def test_a_new_file_has_its_bytes_mode_and_time(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert write_new(path, b"x" * 10, mode=0o640, mtime_ns=1_000_000_001) == sha(b"x" * 10)
    assert path.read_bytes() == b"x" * 10
    assert mode(path) == 0o640
    assert path.stat().st_mtime_ns == 1_000_000_001


def test_the_umask_has_no_say(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_new(tmp_path / "a", b"", mode=0o666)
        make_dirs(tmp_path / "d", 0o775)
    finally:
        os.umask(before)
    assert (mode(tmp_path / "a"), mode(tmp_path / "d")) == (0o666, 0o775)


def test_streamed_content_is_written_whole_and_hashed(tmp_path: Path) -> None:
    numbers = os.urandom(1_200_000)
    matrix = memoryview(numbers).cast("f", (1000, 300))

    def send(out: BinaryIO) -> None:
        out.write(b"head")
        out.write(matrix)
        out.write(matrix[:0])

    digest = write_new(tmp_path / "a", send, mode=0o600)
    assert (tmp_path / "a").read_bytes() == b"head" + numbers
    assert digest == hash_file(tmp_path / "a")


def test_an_existing_file_is_never_written_into(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "new")
    for name in ("a", "link"):
        with pytest.raises(OperationError):
            write_new(tmp_path / name, b"new", mode=0o600)
    assert (tmp_path / "a").read_bytes() == b"old"
    assert not (tmp_path / "new").exists()


def test_content_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def send(out: BinaryIO) -> None:
        out.write(b"begun")
        raise OperationError("no more")

    with pytest.raises(OperationError, match="no more"):
        write_new(tmp_path / "a", send, mode=0o600)
    assert list(tmp_path.iterdir()) == []


@NEEDS_ROOT
def test_a_full_disk_leaves_nothing_and_is_logged(
    disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(DiskFullError) as caught:
        write_new(disk / "a", b"x" * 200_000, mode=0o600)
    assert str(disk / "a") in caught.value.message
    assert caught.value.exit_code == 4
    assert list(disk.iterdir()) == []
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL]


@NEEDS_ROOT
def test_a_full_disk_leaves_the_old_file(disk: Path) -> None:
    atomic_write(disk / "a", b"old", 0o600)
    with pytest.raises(DiskFullError):
        atomic_write(disk / "a", b"x" * 200_000, 0o600)
    assert [p.name for p in disk.iterdir()] == ["a"]
    assert (disk / "a").read_bytes() == b"old"


def test_room_is_asked_for_before_the_first_byte(tmp_path: Path) -> None:
    space.require_room(tmp_path, [1000], files=1)
    with pytest.raises(DiskFullError, match=r"\d+ bytes needed, \d+ available"):
        space.require_room(tmp_path, [2**60], files=1)


@NEEDS_ROOT
def test_inodes_count_as_room(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk", "size=8m,nr_inodes=8") as folder,
        pytest.raises(DiskFullError, match="9 inodes needed, 7 available"),
    ):
        space.require_room(folder, [1], files=9)


@NEEDS_ROOT
def test_a_read_only_file_system_is_refused(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk", "size=64k,ro") as folder,
        pytest.raises(PermissionDeniedError, match="read-only"),
    ):
        space.require_writable(folder)


@pytest.mark.parametrize(
    ("code", "kind", "hint"),
    [
        (errno.ENOSPC, DiskFullError, "free space"),
        (errno.EDQUOT, DiskFullError, "quota"),
        (errno.EACCES, PermissionDeniedError, "chmod u+rw"),
        (errno.EROFS, PermissionDeniedError, "remount"),
        (errno.EIO, OperationError, "check the disk"),
    ],
)
def test_errors_have_a_type_and_a_remedy(
    tmp_path: Path, code: int, kind: type[OperationError], hint: str
) -> None:
    (tmp_path / "a").touch()
    told = failure(OSError(code, os.strerror(code)), tmp_path / "a", "write")
    assert type(told) is kind
    assert str(tmp_path / "a") in told.message
    assert hint in str(told.hint)


@pytest.mark.parametrize(
    ("mode", "uid", "hint"),
    [
        (0o600, 4_242_424, "run it as its owner: `sudo -u '#4242424' synthstore ...`"),
        (0o400, 4_242_424, "`sudo chmod u+rw it`, then run it as its owner: `sudo -u"),
    ],
)
def test_the_owner_is_to_run_what_another_may_not(mode: int, uid: int, hint: str) -> None:
    status = os.stat_result((0o100000 | mode, 1, 1, 1, uid, uid, 0, 0, 0, 0))
    told = access_remedy(Path("it"), status, write=True)
    assert told.startswith(hint)
    assert "chown" not in told


def test_folders_are_made_with_their_parents(tmp_path: Path) -> None:
    made = make_dirs(tmp_path / "a" / "b", 0o750)
    assert made == [tmp_path / "a", tmp_path / "a" / "b"]
    assert mode(tmp_path / "a") == 0o750
    assert make_dirs(tmp_path / "a" / "b", 0o700) == []


def test_only_regular_files_are_hashed(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("/dev/zero")
    for name in ("fifo", "link"):
        with pytest.raises(IrregularFileError):
            hash_file(tmp_path / name)
    with pytest.raises(OperationError):
        hash_file(tmp_path / "none")


@pytest.mark.parametrize("count", [0, 3, 40])
def test_a_batch_is_synced(tmp_path: Path, count: int) -> None:
    paths = [tmp_path / str(n) for n in range(count)]
    write_batch(tmp_path, paths)
    assert all(path.read_bytes() == b"x" for path in paths)


@pytest.mark.parametrize("count", [1, 40])
def test_a_failed_fsync_is_never_taken_for_a_success(
    tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.EIO, "lost")

    paths = [tmp_path / str(n) for n in range(count)]
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OperationError, match="lost"):
        write_batch(tmp_path, paths)


def test_a_tree_is_removed_without_following_links(tmp_path: Path) -> None:
    keep = tmp_path / "keep"
    keep.mkdir()
    (keep / "a").touch()
    gone = tmp_path / "gone"
    (gone / "sub").mkdir(parents=True)
    (gone / "first").touch()
    (gone / "sub" / "link").symlink_to(keep)
    durable.remove_tree(gone, first="first")
    durable.remove_tree(gone)
    assert not gone.exists()
    assert (keep / "a").exists()


def test_a_kept_file_is_linked_or_copied(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one")
    with Tree(tmp_path) as tree:
        assert tree.keep("a", tmp_path / "kept")
        assert not tree.keep("a", tmp_path / "copy")
    assert (tmp_path / "kept").samefile(tmp_path / "a")
    assert (tmp_path / "copy").read_bytes() == b"one"
    assert (tmp_path / "copy").stat().st_nlink == 1


@pytest.mark.parametrize("code", [errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP])
def test_a_file_is_copied_where_links_fail(
    tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    (tmp_path / "a").write_bytes(b"one")
    monkeypatch.setattr(os, "link", refuse)
    with Tree(tmp_path) as tree:
        assert not tree.keep("a", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"one"


@NEEDS_ROOT
def test_a_rename_reaches_into_another_file_system(tmp_path: Path) -> None:
    root = tmp_path / "store"
    root.mkdir()
    write_new(root / "staged", b"new", mode=0o640, mtime_ns=1_000_000_000)
    with small_disk(root / "memories", "size=1m") as folder:
        (folder / "a.json").write_bytes(b"old")
        with Tree(root) as tree:
            tree.put("memories/a.json", root / "staged")
        assert [p.name for p in folder.iterdir()] == ["a.json"]
        assert (folder / "a.json").read_bytes() == b"new"
        assert mode(folder / "a.json") == 0o640


def test_no_room_for_a_kept_file_is_told_of_where_it_was_to_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    (tmp_path / "a").write_bytes(b"1")
    monkeypatch.setattr(os, "link", refuse)
    with Tree(tmp_path) as tree, pytest.raises(DiskFullError) as caught:
        tree.keep("a", tmp_path / "kept")
    assert f"cannot write {tmp_path / 'kept'}: " in caught.value.message


def test_nothing_is_changed_behind_a_link(tmp_path: Path) -> None:
    root, outside = tmp_path / "store", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "a").write_bytes(b"theirs")
    (root / "memories").symlink_to(outside)
    (root / "staged").write_bytes(b"ours")
    with Tree(root) as tree:
        for change in (
            lambda: tree.put("memories/a", root / "staged"),
            lambda: tree.take("memories/a"),
            lambda: tree.make_folder("memories/sub", 0o700, None, None),
            lambda: tree.keep("memories/a", root / "kept"),
        ):
            with pytest.raises(OperationError):
                change()
        tree.drop_folder("memories/sub")
        assert tree.find("memories/a").stat is None
    assert [p.name for p in outside.iterdir()] == ["a"]
    assert (outside / "a").read_bytes() == b"theirs"


def test_only_empty_folders_are_dropped(tmp_path: Path) -> None:
    with Tree(tmp_path) as tree:
        tree.make_folder("a", 0o700, None, None)
        tree.make_folder("a", 0o755, None, None)
        (tmp_path / "a" / "file").touch()
        tree.drop_folder("a")
        assert mode(tmp_path / "a") == 0o700
        (tmp_path / "a" / "file").unlink()
        tree.drop_folder("a")
        tree.drop_folder("a")
    assert not (tmp_path / "a").exists()


def test_a_path_without_a_name_cannot_be_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OperationError):
        atomic_write(Path(), b"new", 0o600)
    assert list(tmp_path.iterdir()) == []
