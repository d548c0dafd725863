"""Changes below a root by relative path: every folder on the way is opened without links.

What a check saw and what a change touches are then the same folder, whatever is renamed meanwhile.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from synthstore.errors import PermissionDeniedError
from synthstore.files.durable import copier, discard, dress, hash_fd, send_fd, told, write_new
from synthstore.files.failure import access_remedy, failure
from synthstore.files.walk import open_folder, stat_of
from synthstore.model.facts import Stat

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NOTHING = frozenset({errno.ENOENT, errno.ENAMETOOLONG})
_LEFT = frozenset({errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR})
_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS})


@dataclass(frozen=True, slots=True)
class Found:
    """What stands at a path now."""

    sha256: str | None = None
    """None where nothing stands there, or nothing regular; empty where it was not asked for."""
    stat: Stat | None = None
    """None where nothing stands there."""
    device: int = 0

    @property
    def irregular(self) -> bool:
        """Whether something other than a regular file stands there."""
        return self.stat is not None and self.sha256 is None


_ABSENT = Found()


def split(path: str) -> tuple[str, str]:
    """The folder (``""``: the root) and the name of a relative path."""
    folder, _, name = path.rpartition("/")
    return folder, name


class Tree:
    """The tree below ``root``; each folder in it is opened once, and then held until the end."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._held = ExitStack()
        self._fds: dict[str, int] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._fds.clear()
        self._held.close()

    def _folder(self, folder: str) -> int:
        fd = self._fds.get(folder)
        if fd is None:
            fd = self._held.enter_context(open_folder(self.root, folder, listing=True))
            self._fds[folder] = fd
        return fd

    def has_folder(self, folder: str) -> bool:
        """Whether a real folder stands there, reached without links."""
        # Asked for each of many files, as the methods below are: without a context manager.
        try:
            return self._folder(folder) >= 0
        except FileNotFoundError:
            return False

    def find(self, path: str, *, hashed: bool = True) -> Found:
        """What stands at ``path``; its bytes are read only if ``hashed``."""
        folder, name = split(path)
        try:
            return _find(self._folder(folder), name, hashed=hashed)
        except OSError as error:
            if error.errno in _NOTHING:
                return _ABSENT
            raise failure(error, self.root / path, "read") from error

    def keep(self, path: str, target: Path) -> bool:
        """Give the new file ``target`` the bytes at ``path``: by hard link (True), else a copy.

        A file with several names is copied, for whoever writes through another would change both.
        """
        folder, name = split(path)
        with told(self.root / path, "read"):
            fd = self._folder(folder)
            if os.stat(name, dir_fd=fd, follow_symlinks=False).st_nlink == 1:
                try:
                    os.link(name, target, src_dir_fd=fd, follow_symlinks=False)
                except OSError as error:
                    if error.errno not in _NO_LINK:
                        # What there is no room for is the name there, not the file.
                        raise failure(error, target, "write") from error
                else:
                    return True
            write_new(target, _sender(fd, name), mode=0o600)
        return False

    def put(self, path: str, staged: Path | str) -> None:
        """Rename ``staged`` to ``path``, over what stands there.

        Where another file system is mounted on the way, its bytes are first copied beside it.
        """
        folder, name = split(path)
        try:
            os.replace(staged, name, dst_dir_fd=self._folder(folder))
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise failure(error, self.root / path, "write") from error
            with told(self.root / path):
                _carry(Path(staged), name, self._folder(folder))

    def take(self, path: str) -> None:
        """Unlink ``path``."""
        folder, name = split(path)
        with told(self.root / path, "remove"):
            os.unlink(name, dir_fd=self._folder(folder))

    def sync(self, folder: str) -> None:
        """Make the names in ``folder`` durable; one that is gone needs nothing."""
        with told(self.root / folder), suppress(FileNotFoundError):
            os.fsync(self._folder(folder))

    def make_folder(self, path: str, mode: int, uid: int | None, gid: int | None) -> None:
        """Make a directory durably below an existing folder; one that is there is fine."""
        folder, name = split(path)
        with told(self.root / path, "make"):
            fd = self._folder(folder)
            try:
                os.mkdir(name, 0o700, dir_fd=fd)
            except FileExistsError:
                return
            made = self._folder(path)
            dress(made, mode, uid, gid)
            os.fsync(made)
            os.fsync(fd)

    def drop_folder(self, path: str) -> None:
        """Remove a directory durably if it is empty, else leave it."""
        folder, name = split(path)
        with told(self.root / path, "remove"):
            try:
                os.rmdir(name, dir_fd=self._folder(folder))
            except OSError as error:
                if error.errno not in _LEFT:
                    raise
        self.sync(folder)

    def require_writable(self, folder: str) -> None:
        """Raise PermissionDeniedError where this user may not change names in a folder."""
        path = self.root / folder
        with told(path):
            fd = self._folder(folder)
            if not os.access(".", os.W_OK | os.X_OK, dir_fd=fd):
                remedy = access_remedy(path, os.fstat(fd), write=True)
                raise PermissionDeniedError(f"cannot write in {path}", hint=remedy)


def _find(folder: int, name: str, *, hashed: bool) -> Found:
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        return Found(None, stat_of(status), status.st_dev)
    if not hashed:
        return Found("", stat_of(status), status.st_dev)
    fd = os.open(name, _READ, dir_fd=folder)
    try:
        return Found(hash_fd(fd), stat_of(os.fstat(fd)), status.st_dev)
    finally:
        os.close(fd)


def _sender(folder: int, name: str) -> Callable[[BinaryIO], None]:
    def send(out: BinaryIO) -> None:
        fd = os.open(name, _READ, dir_fd=folder)
        try:
            send_fd(fd, out)
        finally:
            os.close(fd)

    return send


def _carry(staged: Path, name: str, folder: int) -> None:
    aside = Path(f".tmp-{secrets.token_hex(8)}")
    was = stat_of(staged.lstat())
    write_new(
        aside,
        copier(staged),
        mode=was.mode,
        uid=was.uid,
        gid=was.gid,
        mtime_ns=was.mtime_ns,
        dir_fd=folder,
    )
    with ExitStack() as undo:
        undo.callback(discard, aside, dir_fd=folder)
        os.replace(aside, name, src_dir_fd=folder, dst_dir_fd=folder)
        undo.pop_all()
