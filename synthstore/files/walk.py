"""Look into a directory tree without ever leaving it, following a link or opening a device."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby, islice
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from synthstore.errors import OperationError
from synthstore.files.failure import failure
from synthstore.model.facts import Stat
from synthstore.model.paths import folder_of

EntryKind = Literal["file", "dir", "link", "fifo", "socket", "block", "char"]

_KINDS: dict[int, EntryKind] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "dir",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFBLK: "block",
    stat.S_IFCHR: "char",
}
_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# What a path that does not lead to a real folder gives: a link, a file in the way, a long name.
_NO_SUCH_FOLDER = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG})
_TRIES = 3
_STAT_FIELDS = attrgetter(
    "st_size", "st_mtime_ns", "st_mode", "st_uid", "st_gid", "st_nlink", "st_ino"
)

T = TypeVar("T")


class IrregularFileError(OperationError):
    """A link, device, FIFO, socket or directory stands where a file was to be read."""


class OversizeError(OperationError):
    """The file is larger than the caller's cap; ``stat`` says how large."""

    def __init__(self, message: str, found: Stat) -> None:
        super().__init__(message)
        self.stat = found


class UnsteadyFileError(OperationError):
    """The file kept changing while it was read."""


class Entry(NamedTuple):
    """One name in a folder."""

    path: str
    """Relative to the root, POSIX; bytes that are no UTF-8 as lone surrogates."""
    kind: EntryKind
    stat: Stat


def kind_of(mode: int) -> EntryKind:
    """What a file of this ``st_mode`` is."""
    return _KINDS[stat.S_IFMT(mode)]


def stat_of(status: os.stat_result) -> Stat:
    """The part of a status that the project keeps."""
    return Stat(
        status.st_size,
        status.st_mtime_ns,
        stat.S_IMODE(status.st_mode),
        status.st_uid,
        status.st_gid,
        status.st_nlink,
        status.st_ino,
    )


@contextmanager
def open_folder(root: Path, folder: str, *, listing: bool = False) -> Iterator[int]:
    """A descriptor of a folder below ``root`` (``""``: the root itself), reached without links.

    It serves for looking names up, with ``listing`` for scandir and fsync too. Raises
    FileNotFoundError where no real folder stands there.
    """
    fd = _descend(root, folder, os.O_RDONLY if listing else os.O_PATH)
    try:
        yield fd
    finally:
        os.close(fd)


def _descend(root: Path, folder: str, access: int) -> int:
    parts = folder.split("/") if folder else []
    try:
        # The root is the user's own word, so it may be a link; nothing below it may.
        fd = os.open(root, (os.O_PATH if parts else access) | os.O_DIRECTORY | os.O_CLOEXEC)
        for left, part in zip(range(len(parts) - 1, -1, -1), parts, strict=True):
            above = fd
            try:
                fd = os.open(part, _FOLDER | (os.O_PATH if left else access), dir_fd=above)
            finally:
                os.close(above)
    except OSError as error:
        if error.errno in _NO_SUCH_FOLDER:
            raise FileNotFoundError(errno.ENOENT, "no such folder", str(root / folder)) from None
        raise failure(error, root / folder, "read") from error
    return fd


def is_folder(root: Path, folder: str) -> bool:
    """Whether ``folder`` is a real directory below ``root``, reached without links."""
    try:
        with open_folder(root, folder):
            return True
    except FileNotFoundError:
        return False


NOT_LOOKED_AT = Stat(0, 0, 0, 0, 0, 0, 0)
"""The status of a regular file of which only the name was asked."""


def list_folder(root: Path, folder: str, *, names_only: bool = False) -> list[Entry]:
    """What stands in ``folder`` (``""``: the root), sorted by path; nothing where it is missing.

    With ``names_only``, at a third of the cost, regular files have NOT_LOOKED_AT for a status.
    Raises PermissionDeniedError where this user may not list it.
    """
    prefix = folder + "/" if folder else ""
    make = _name if names_only else _entry

    def take(fd: int, entries: Iterable[os.DirEntry[str]]) -> list[Entry]:
        found = [entry for item in entries if (entry := make(prefix, item)) is not None]
        if names_only and found:
            _require_access(fd, found[0].path.removeprefix(prefix))
        return found

    return sorted(_scanned(root, folder, take), key=itemgetter(0))


def is_empty(root: Path, folder: str) -> bool:
    """Whether nothing stands in ``folder``, or it is missing; raises as ``list_folder`` does."""
    return not _scanned(root, folder, lambda _, entries: list(islice(entries, 1)))


def list_names(root: Path, folder: str) -> tuple[list[str], list[Entry]]:
    """The names of the regular files in ``folder``, and what else stands there; both sorted.

    Nothing where it is missing. Raises PermissionDeniedError where this user may not list it, or
    where names are all that can be had.
    """
    prefix = folder + "/" if folder else ""
    others: list[Entry] = []

    def take(fd: int, entries: Iterable[os.DirEntry[str]]) -> list[str]:
        items = list(entries)
        names = [item.name for item in items if item.is_file(follow_symlinks=False)]
        if len(names) < len(items):
            rest = (item for item in items if not item.is_file(follow_symlinks=False))
            others.extend(entry for item in rest if (entry := _entry(prefix, item)) is not None)
        for name in names[:1]:
            _require_access(fd, name)
        return names

    return sorted(_scanned(root, folder, take)), sorted(others, key=itemgetter(0))


class FileNames:
    """Names of the regular files in folders below a root, at a third of the cost of entries.

    Each folder is listed once, however often it is asked for.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._listed: dict[str, list[str]] = {}

    def of(self, folder: str) -> Sequence[str]:
        """Those in ``folder``, sorted; none where it is missing.

        Raises PermissionDeniedError where this user may not list it.
        """
        if folder not in self._listed:
            self._listed[folder] = sorted(_scanned(self.root, folder, _regular))
        return self._listed[folder]

    def readable(self, folder: str) -> Sequence[str]:
        """As ``of``, but raises PermissionDeniedError too where names are all that can be had."""
        names = self.of(folder)
        try:
            with open_folder(self.root, folder) as fd:
                for name in names[:1]:
                    _require_access(fd, name)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise failure(error, self.root / folder, "read") from error
        return names


def _regular(_fd: int, entries: Iterable[os.DirEntry[str]]) -> list[str]:
    return [item.name for item in entries if item.is_file(follow_symlinks=False)]


def _scanned(
    root: Path, folder: str, take: Callable[[int, Iterable[os.DirEntry[str]]], list[T]]
) -> list[T]:
    """What ``take`` makes of an open folder and its entries; nothing where it is missing."""
    try:
        with open_folder(root, folder, listing=True) as fd, os.scandir(fd) as entries:
            return take(fd, entries)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise failure(error, root / folder, "read") from error


def _require_access(fd: int, name: str) -> None:
    # Names can be had of a folder in which nothing can be looked at.
    stat_at(fd, name)


def _name(prefix: str, item: os.DirEntry[str]) -> Entry | None:
    if item.is_file(follow_symlinks=False):
        return Entry(prefix + item.name, "file", NOT_LOOKED_AT)
    return _entry(prefix, item)


def _entry(prefix: str, item: os.DirEntry[str]) -> Entry | None:
    try:
        status = item.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return Entry(prefix + item.name, kind_of(status.st_mode), stat_of(status))


def look(root: Path, path: str) -> Entry | None:
    """What stands at ``path`` itself, links not followed; None where nothing does."""
    folder, _, name = path.rpartition("/")
    try:
        with open_folder(root, folder) as fd:
            return _look(fd, name, path)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return None
        raise failure(error, root / path, "read") from error


def statuses(root: Path, paths: Iterable[str]) -> Iterator[tuple[str, os.stat_result]]:
    """Those of the ``paths`` below ``root`` at which a regular file stands, and its status.

    Each folder is opened once where those in it stand together. What is gone is left out. Raises
    PermissionDeniedError or OperationError.
    """
    for folder, group in groupby(paths, key=folder_of):
        start = len(folder) + 1 if folder else 0
        with suppress(FileNotFoundError), open_folder(root, folder) as fd:
            for path in group:
                try:
                    status = os.stat(path[start:], dir_fd=fd, follow_symlinks=False)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    raise failure(error, path, "read") from error
                if stat.S_ISREG(status.st_mode):
                    yield path, status


def stat_columns(found: Iterable[os.stat_result]) -> Sequence[Sequence[int]]:
    """Each field of the ``stat_of`` of all of them; at least one."""
    sizes, times, modes, *others = zip(*map(_STAT_FIELDS, found), strict=True)
    return sizes, times, tuple(map(stat.S_IMODE, modes)), *others


def stat_at(fd: int, name: str) -> Stat | None:
    """The status of what has this ``name`` in an open folder; None where nothing has."""
    try:
        return stat_of(os.stat(name, dir_fd=fd, follow_symlinks=False))
    except FileNotFoundError:
        return None


def _look(fd: int, name: str, path: str) -> Entry:
    status = os.stat(name, dir_fd=fd, follow_symlinks=False)
    return Entry(path, kind_of(status.st_mode), stat_of(status))


def read_file(
    root: Path, path: str, cap: int | None = None, *, growing: bool = False
) -> tuple[bytes, Stat]:
    """The bytes and status of the regular file at ``path`` below ``root``.

    ``growing``: others only ever append to it, so what it holds by now is enough. Raises
    FileNotFoundError, IrregularFileError, OversizeError (beyond ``cap`` bytes), UnsteadyFileError,
    PermissionDeniedError or OperationError.
    """
    folder, _, name = path.rpartition("/")
    with open_folder(root, folder) as fd:
        return read_at(fd, name, root / path, cap, growing=growing)


def read_at(
    fd: int, name: str, shown: Path | str, cap: int | None = None, *, growing: bool = False
) -> tuple[bytes, Stat]:
    """As ``read_file``, for a name in an open folder; ``shown`` is what messages call it."""
    raw, status = _read_steady(fd, name, shown, cap, growing=growing)
    return raw, stat_of(status)


def read_listed(fd: int, name: str, shown: str, cap: int) -> tuple[bytes, Stat]:
    """As ``read_at``, for what a listing has just told to be a regular file."""
    raw, status = _read_steady(fd, name, shown, cap, listed=True)
    return raw, stat_of(status)


def bytes_at(fd: int, name: str, shown: Path | str, cap: int | None = None) -> bytes:
    """As ``read_listed``, for those who ask for nothing but the bytes."""
    return _read_steady(fd, name, shown, cap, listed=True)[0]


def _read_steady(
    fd: int,
    name: str,
    shown: Path | str,
    cap: int | None,
    *,
    growing: bool = False,
    listed: bool = False,
) -> tuple[bytes, os.stat_result]:
    for _ in range(_TRIES):
        try:
            if not listed:
                # Looking first keeps devices closed: opening some of them does something.
                _require_regular(os.stat(name, dir_fd=fd, follow_symlinks=False), shown)
            raw, before, after = _read_once(fd, name, shown, cap)
        except FileNotFoundError:
            raise
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise FileNotFoundError(errno.ENOENT, "no such file", str(shown)) from None
            raise failure(error, shown, "read") from error
        steady = before.st_mtime_ns == after.st_mtime_ns and len(raw) == after.st_size
        if steady or growing:
            return raw, after
    raise UnsteadyFileError(f"{shown} kept changing while it was read", hint="try again later")


def _read_once(
    fd: int, name: str, shown: Path | str, cap: int | None
) -> tuple[bytes, os.stat_result, os.stat_result]:
    """The bytes, and the file's status before and after."""
    try:
        file = os.open(name, _FILE, dir_fd=fd)
    except OSError:
        # It may have become a link or a socket.
        _require_regular(os.stat(name, dir_fd=fd, follow_symlinks=False), shown)
        raise
    try:
        before = os.fstat(file)
        _require_regular(before, shown)
        size = before.st_size
        if cap is not None and size > cap:
            raise OversizeError(f"{shown} is larger than {cap} bytes", stat_of(before))
        return _read_whole(file, size), before, os.fstat(file)
    finally:
        os.close(file)


def _require_regular(status: os.stat_result, shown: Path | str) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = kind_of(status.st_mode)
        raise IrregularFileError(f"{shown} is no regular file but a {kind}")


def _read_whole(file: int, size: int) -> bytes:
    raw = os.read(file, size + 1)
    if len(raw) == size:
        return raw
    # One call moves at most 2 GB, and a file may grow.
    chunks = [raw]
    while chunk := os.read(file, 1 << 24):
        chunks.append(chunk)
    return b"".join(chunks)
