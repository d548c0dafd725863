"""Files put in place at once, one or many: written aside, synced, renamed, their folders synced.

Each file is old or new at any moment; together they are not atomic.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from synthstore.errors import OperationError, PermissionDeniedError
from synthstore.files.durable import discard, dress, told, write_new, write_whole
from synthstore.files.failure import access_remedy, failure
from synthstore.files.space import require_writable
from synthstore.files.syncing import sync_file_system
from synthstore.files.walk import open_folder, stat_of
from synthstore.model.facts import Stat
from synthstore.model.paths import folder_of

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PRIVATE = 0o600
_ALONE = 4
"""Fewer files than this are cheaper to sync one by one."""


class Attire(NamedTuple):
    """Permission bits and owner of a file; None for an owner: whoever writes it."""

    mode: int
    uid: int | None = None
    gid: int | None = None

    def fits(self, found: Stat) -> bool:
        """Whether a file of this status has it already."""
        mode, uid, gid = self
        return mode == found.mode and uid in (None, found.uid) and gid in (None, found.gid)


@dataclass(frozen=True, slots=True)
class Put:
    """One file to be: a store-relative path, its bytes, and how they are dressed."""

    path: str
    content: bytes
    attire: Attire


def put_files(root: Path, files: Sequence[Put]) -> None:
    """Write ``files`` durably below ``root``, each over what stands at its path.

    Their folders must exist. Raises a typed error with every file old or new, none torn.
    """
    ordered = sorted(files, key=lambda file: folder_of(file.path))
    for folder, group in groupby(ordered, key=lambda file: folder_of(file.path)):
        with _opened(root, folder) as fd:
            _put_into(fd, root / folder, list(group))


def write_proved(
    path: str,
    content: bytes,
    attire: Attire,
    mtime_ns: int | None = None,
    *,
    dir_fd: int | None = None,
    shown: str | None = None,
) -> Stat:
    """Write a file that must not exist yet, and read it back; its status.

    Neither it nor its folder is synced; it is gone again if anything fails. With ``dir_fd`` a
    relative ``path`` is meant below that open folder. Errors name ``shown`` in its place.
    """
    try:
        fd = os.open(path, _NEW, _PRIVATE, dir_fd=dir_fd)
    except OSError as error:
        raise failure(error, shown or path, "write") from error
    try:
        return _proved(fd, shown or path, content, attire, mtime_ns)
    except BaseException as error:
        discard(path, dir_fd=dir_fd)
        if isinstance(error, OSError):
            raise failure(error, shown or path, "write") from error
        raise
    finally:
        os.close(fd)


def _proved(fd: int, shown: str, content: bytes, attire: Attire, mtime_ns: int | None) -> Stat:
    write_whole(fd, memoryview(content))
    if mtime_ns is not None:
        os.utime(fd, ns=(mtime_ns, mtime_ns))
    if not _reads_back(fd, content):
        raise reads_back_wrong(shown)
    found = stat_of(os.fstat(fd))
    if attire.fits(found):
        return found
    dress(fd, attire.mode, attire.uid, attire.gid)
    return stat_of(os.fstat(fd))


def reads_back_wrong(path: Path | str) -> OperationError:
    """The error for a file that does not hold what was written to it."""
    return OperationError(f"{path} reads back wrong", hint="check the disk, then try again")


def _reads_back(fd: int, content: bytes) -> bool:
    found = os.pread(fd, len(content) + 1, 0)
    if len(found) == len(content):
        return found == content
    # One call moves at most 2 GB.
    while len(found) < len(content) and (more := os.pread(fd, len(content) + 1, len(found))):
        found += more
    return found == content


def take_file(root: Path, path: str) -> bool:
    """Unlink ``path`` below ``root`` durably; False where nothing is there."""
    folder, _, name = path.rpartition("/")
    with _opened(root, folder) as fd, told(root / path, "remove"):
        try:
            os.unlink(name, dir_fd=fd)
        except FileNotFoundError:
            return False
        os.fsync(fd)
    return True


@contextmanager
def _opened(root: Path, folder: str) -> Iterator[int]:
    try:
        with open_folder(root, folder, listing=True) as fd:
            _require_writable(fd, root / folder)
            yield fd
    except FileNotFoundError as error:
        raise OperationError(
            f"{root / folder} is no folder", hint="bring the folder back, then try again"
        ) from error


def _require_writable(fd: int, folder: Path) -> None:
    """Raise PermissionDeniedError with the remedy for the folder; a failed call names less."""
    if not os.access(".", os.W_OK | os.X_OK, dir_fd=fd):
        require_writable(folder)
        remedy = access_remedy(folder, os.fstat(fd), write=True)
        raise PermissionDeniedError(f"cannot write in {folder}", hint=remedy)


def _put_into(fd: int, folder: Path, files: Sequence[Put]) -> None:
    with ExitStack() as undo:
        asides = _write_aside(fd, folder, files, undo)
        for file in files:
            name = file.path.rpartition("/")[2]
            with told(folder / name):
                os.replace(asides[file.path], name, src_dir_fd=fd, dst_dir_fd=fd)
        with told(folder):
            os.fsync(fd)
        undo.pop_all()


def _write_aside(
    fd: int, folder: Path, files: Sequence[Put], undo: ExitStack
) -> Mapping[str, Path]:
    """The temporary names of ``files``, whose bytes are on the disk."""
    each = len(files) < _ALONE
    asides = {}
    for file in files:
        aside = Path(f".tmp-{secrets.token_hex(8)}")
        attire = file.attire
        with _shown(folder):
            write_new(
                aside,
                file.content,
                mode=attire.mode,
                uid=attire.uid,
                gid=attire.gid,
                sync=each,
                dir_fd=fd,
            )
        undo.callback(discard, aside, dir_fd=fd)
        asides[file.path] = aside
    if not each:
        _sync_all(fd, folder, asides.values())
    return asides


@contextmanager
def _shown(folder: Path) -> Iterator[None]:
    """Name the folder in a failure: a temporary name below it means nothing to anybody."""
    try:
        yield
    except OperationError as error:
        error.message = f"{error.message} (in {folder})"
        error.args = (error.message,)
        raise


def _sync_all(fd: int, folder: Path, asides: Iterable[Path]) -> None:
    with told(folder):
        if sync_file_system(fd):
            return
        for aside in asides:
            one = os.open(aside, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
            try:
                os.fsync(one)
            finally:
                os.close(one)
