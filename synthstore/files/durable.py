"""Writes that survive a kill and a power cut, each failure with a name and a remedy.

Beside ``inside`` and ``lock`` this is the only code of the project that changes a file system. A
failed fsync is never tried again: the kernel has dropped the pages by then and would report
success. Whoever meets one writes a new file.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from synthstore.files.failure import failure
from synthstore.files.syncing import sync_file_system
from synthstore.files.walk import IrregularFileError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

Content = bytes | Callable[[BinaryIO], None]
"""A file's bytes, or what writes them to a stream, preferably in large pieces."""

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_BLOCK = 1 << 20
_AT_ONCE = 1 << 22
"""Bytes that the disk is given at a time: enough for its full speed."""

_PRIVATE = 0o600
_BATCH = 16


@contextmanager
def told(path: Path | str, doing: str = "write") -> Iterator[None]:
    """Turn an OSError met while ``doing`` ``path`` into the project's typed error."""
    try:
        yield
    except OSError as error:
        raise failure(error, path, doing) from error


class _Out(io.RawIOBase):
    """A stream onto a descriptor: writes all that it is given."""

    def __init__(self, fd: int, shown: Path | None = None) -> None:
        """Write to ``fd``; an error names ``shown``, where nobody else does."""
        super().__init__()
        self._fd = fd
        self._shown = shown

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        whole = memoryview(data)
        if not whole.nbytes:
            return 0
        with told(self._shown) if self._shown is not None else contextlib.nullcontext():
            write_whole(self._fd, whole.cast("B"))
        return whole.nbytes


class _Outlet(_Out):
    """A stream onto ``shown``, whose bytes the disk begins with while more of them come."""

    def __init__(self, fd: int, shown: Path) -> None:
        super().__init__(fd, shown)
        self._begun = self._end = 0

    def write(self, data: ReadableBuffer, /) -> int:
        written = super().write(data)
        self._end += written
        if self._end - self._begun >= _AT_ONCE:
            # The fsync at the end then finds little left to do. It is but a hint.
            with contextlib.suppress(OSError):
                os.posix_fadvise(self._fd, self._begun, 0, os.POSIX_FADV_DONTNEED)
            self._begun = self._end
        return written


class _Sink(_Out):
    """A stream that hashes on the way what it writes."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self._hash = hashlib.sha256()

    def write(self, data: ReadableBuffer, /) -> int:
        written = super().write(data)
        self._hash.update(data)
        return written

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


def write_new(
    path: Path | str,
    content: Content,
    *,
    mode: int,
    uid: int | None = None,
    gid: int | None = None,
    mtime_ns: int | None = None,
    sync: bool = True,
    dir_fd: int | None = None,
    shown: Path | str | None = None,
    sha256: str | None = None,
) -> str:
    """Write a file that must not exist yet; the sha256 of its bytes.

    It is fsynced unless ``sync`` is off, and gone again if anything fails. The directory is not
    fsynced. With ``dir_fd`` a relative ``path`` is meant below that open folder. Errors name
    ``shown`` in the place of ``path``. Bytes whose ``sha256`` the caller knows are not hashed.
    """
    # Bulk writers come here for every file, so without a context manager for each step.
    try:
        fd = os.open(path, _NEW, _PRIVATE, dir_fd=dir_fd)
        try:
            try:
                digest = _fill(fd, content, sha256)
                dress(fd, mode, uid, gid)
                if mtime_ns is not None:
                    os.utime(fd, ns=(mtime_ns, mtime_ns))
                if sync:
                    os.fsync(fd)
            finally:
                os.close(fd)
        except BaseException:
            discard(path, dir_fd=dir_fd)
            raise
    except OSError as error:
        raise failure(error, shown or path, "write") from error
    return digest


def _fill(fd: int, content: Content, sha256: str | None) -> str:
    if isinstance(content, bytes):
        write_whole(fd, memoryview(content))
        return sha256 or hashlib.sha256(content).hexdigest()
    with _Sink(fd) as sink:
        content(cast("BinaryIO", sink))
        return sink.hexdigest()


def write_whole(fd: int, left: memoryview) -> None:
    """Write all of ``left``, however little the system takes at a time."""
    while left:
        left = left[os.write(fd, left) :]


def dress(fd: int, mode: int, uid: int | None, gid: int | None) -> None:
    """Give an open file its permission bits and its owner; None keeps what it has."""
    now = os.fstat(fd)
    wanted = now.st_uid if uid is None else uid, now.st_gid if gid is None else gid
    if wanted != (now.st_uid, now.st_gid):
        os.fchown(fd, *wanted)
        # It drops the set-id bits.
        now = os.fstat(fd)
    if mode != stat.S_IMODE(now.st_mode):
        os.fchmod(fd, mode)


def discard(path: Path | str, *, dir_fd: int | None = None) -> None:
    """Unlink what a failed write left, as far as that goes."""
    with contextlib.suppress(OSError):
        os.unlink(path, dir_fd=dir_fd)


def replace(source: Path, target: Path) -> None:
    """Rename ``source`` over ``target``; durable once the directory is fsynced."""
    with told(target):
        source.replace(target)


def remove(path: Path) -> None:
    """Unlink ``path``; one that is not there is fine."""
    with told(path, "remove"):
        path.unlink(missing_ok=True)


def remove_tree(path: Path, first: str | None = None) -> None:
    """Remove a folder of ours and all in it, never through links; ``first`` names what goes first.

    A folder that is not there is fine.
    """
    with told(path, "remove"):
        if first is not None and os.path.lexists(path / first):
            (path / first).unlink()
            fsync_dir(path)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(path)


def fsync_dir(path: Path) -> None:
    """Make the names in a directory durable."""
    with told(path):
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def make_dirs(
    path: Path, mode: int, *, uid: int | None = None, gid: int | None = None
) -> list[Path]:
    """Make a directory and its missing parents durably; those made, outermost first."""
    made: list[Path] = []
    missing = [path, *path.parents]
    for folder in reversed([step for step in missing if not os.path.lexists(step)]):
        with told(folder, "make"):
            try:
                folder.mkdir(_PRIVATE | stat.S_IXUSR)
            except FileExistsError:
                continue
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                dress(fd, mode, uid, gid)
                os.fsync(fd)
            finally:
                os.close(fd)
        fsync_dir(folder.parent)
        made.append(folder)
    return made


def atomic_write(
    path: Path, content: Content, mode: int, *, uid: int | None = None, gid: int | None = None
) -> str:
    """Replace or make ``path`` so that a reader sees the old bytes or the new; the new sha256."""
    # Not with_name, which raises for a path without a name, such as the root.
    aside = path.parent / f".{path.name}.{secrets.token_hex(4)}.tmp"
    with ExitStack() as undo:
        digest = write_new(aside, content, mode=mode, uid=uid, gid=gid, shown=path)
        undo.callback(discard, aside)
        replace(aside, path)
        undo.pop_all()
    fsync_dir(path.parent)
    return digest


@contextmanager
def replacing(path: Path, mode: int) -> Iterator[BinaryIO]:
    """A stream whose bytes take the place of ``path`` durably once the body ends well.

    As ``atomic_write``, for bytes that come in their own time; only what is done to the file
    itself is told as an error of it.
    """
    aside = path.parent / f".{path.name}.{secrets.token_hex(4)}.tmp"
    with ExitStack() as undo:
        with told(path):
            fd = os.open(aside, _NEW, _PRIVATE)
        undo.callback(discard, aside)
        try:
            with _Outlet(fd, path) as out:
                yield cast("BinaryIO", out)
            with told(path):
                dress(fd, mode, None, None)
                os.fsync(fd)
        finally:
            os.close(fd)
        replace(aside, path)
        undo.pop_all()
    fsync_dir(path.parent)


def copier(source: Path) -> Callable[[BinaryIO], None]:
    """Content that streams the regular file ``source``."""

    def send(out: BinaryIO) -> None:
        with _reading(source) as fd:
            send_fd(fd, out)

    return send


def send_fd(fd: int, out: BinaryIO) -> None:
    """Stream what is left to read of an open file."""
    while block := os.read(fd, _BLOCK):
        out.write(block)


class _Digest(io.RawIOBase):
    """A stream that keeps nothing of what is written but its hash."""

    def __init__(self) -> None:
        super().__init__()
        self.sha256 = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        self.sha256.update(data)
        return memoryview(data).nbytes


def hash_content(content: Content) -> str:
    """The sha256 that a file of ``content`` would have; nothing is written."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    sink = _Digest()
    content(cast("BinaryIO", sink))
    return sink.sha256.hexdigest()


def hash_file(path: Path | str) -> str:
    """The sha256 of a regular file; raises IrregularFileError for anything else."""
    with _reading(path) as fd:
        return hash_fd(fd)


def hash_fd(fd: int) -> str:
    """The sha256 of what is left to read of an open file."""
    digest = hashlib.sha256()
    # Room for a large block costs more than to read a small file.
    room = min(os.fstat(fd).st_size + 1, _BLOCK)
    while block := os.read(fd, room):
        digest.update(block)
    return digest.hexdigest()


@contextmanager
def _reading(path: Path | str) -> Iterator[int]:
    with told(path, "read"):
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise IrregularFileError(f"{path} is no regular file")
        fd = os.open(path, _READ)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise IrregularFileError(f"{path} is no regular file")
            yield fd
        finally:
            os.close(fd)


@contextmanager
def synced(folder: Path, paths: Sequence[Path | str]) -> Iterator[None]:
    """Make ``paths``, all below ``folder`` and written in the body, durable when it ends.

    Many files go to the disk in one syncfs, a tenth of the cost, where that is as good as an fsync
    of each.
    """
    with told(folder):
        # Opened before the first write: syncfs tells only of errors since then.
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield
            if len(paths) <= _BATCH or not sync_file_system(fd):
                for path in paths:
                    _fsync_file(path)
            os.fsync(fd)
        finally:
            os.close(fd)


def _fsync_file(path: Path | str) -> None:
    with told(path):
        fd = os.open(path, _READ)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
