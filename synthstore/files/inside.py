"""Changes below a root by relative path: every folder on the way is opened without links.

What a check saw and what a change touches are then the same folder, whatever is renamed meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from synthstore.errors import PermissionDeniedError
from synthstore.files.durable import copier, discard, dress, hash_fd, told, write_new
from synthstore.files.failure import access_remedy, failure
from synthstore.files.walk import open_folder, stat_of
from synthstore.model.facts import Stat

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NOTHING = frozenset({errno.ENOENT, errno.ENAMETOOLONG})
_LEFT = frozenset({errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR})
_BLOCK = 1 << 20
_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS})


@dataclass(frozen=True, slots=True)
class Found:
    """What stands at a path now."""

    sha256: str | None = None
    """None where nothing stands there, or nothing regular."""
    stat: Stat | None = None
    """None where nothing stands there."""
    device: int = 0

    @property
    def irregular(self) -> bool:
        """Whether something other than a regular file stands there."""
        return self.stat is not None and self.sha256 is None


def split(path: str) -> tuple[str, str]:
    """The folder (``""``: the root) and the name of a relative path."""
    folder, _, name = path.rpartition("/")
    return folder, name


def find(root: Path, path: str, *, hashed: bool = True) -> Found:
    """What stands at ``path``; without ``hashed`` the sha256 of a regular file is empty."""
    folder, name = split(path)
    try:
        with open_folder(root, folder) as fd:
            return _find(fd, name, hashed=hashed)
    except OSError as error:
        if error.errno in _NOTHING:
            return Found()
        raise failure(error, root / path, "read") from error


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


def keep(root: Path, path: str, target: Path) -> bool:
    """Give the new file ``target`` the bytes at ``path``: by hard link (True) or a durable copy.

    A file with several names is copied, for whoever writes through another would change both.
    """
    folder, name = split(path)
    with told(root / path), open_folder(root, folder) as fd:
        if os.stat(name, dir_fd=fd, follow_symlinks=False).st_nlink == 1:
            try:
                os.link(name, target, src_dir_fd=fd, follow_symlinks=False)
            except OSError as error:
                if error.errno not in _NO_LINK:
                    raise
            else:
                return True
        write_new(target, _sender(fd, name), mode=0o600)
    return False


def _sender(folder: int, name: str) -> Callable[[BinaryIO], None]:
    def send(out: BinaryIO) -> None:
        fd = os.open(name, _READ, dir_fd=folder)
        try:
            while block := os.read(fd, _BLOCK):
                out.write(block)
        finally:
            os.close(fd)

    return send


def put(root: Path, path: str, staged: Path) -> None:
    """Rename ``staged`` to ``path``, over what stands there.

    Where another file system is mounted on the way, its bytes are first copied beside ``path``.
    """
    folder, name = split(path)
    with told(root / path), open_folder(root, folder) as fd:
        try:
            os.replace(staged, name, dst_dir_fd=fd)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _carry(staged, name, fd)


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


def require_writable_folder(root: Path, folder: str) -> None:
    """Raise PermissionDeniedError where this user may not change names in an existing folder."""
    with told(root / folder), open_folder(root, folder) as fd:
        if not os.access(".", os.W_OK | os.X_OK, dir_fd=fd):
            raise PermissionDeniedError(
                f"cannot write in {root / folder}",
                hint=access_remedy(root / folder, os.fstat(fd), write=True),
            )


def take(root: Path, path: str) -> None:
    """Unlink ``path``."""
    folder, name = split(path)
    with told(root / path, "remove"), open_folder(root, folder) as fd:
        os.unlink(name, dir_fd=fd)


def sync(root: Path, folder: str) -> None:
    """Make the names in ``folder`` durable; one that is gone needs nothing."""
    gone = contextlib.suppress(FileNotFoundError)
    with told(root / folder), gone, open_folder(root, folder, listing=True) as fd:
        os.fsync(fd)


def make_folder(root: Path, path: str, mode: int, uid: int | None, gid: int | None) -> None:
    """Make a directory durably below an existing folder; one that is there is fine."""
    folder, name = split(path)
    with told(root / path, "make"), open_folder(root, folder, listing=True) as fd:
        try:
            os.mkdir(name, 0o700, dir_fd=fd)
        except FileExistsError:
            return
        made = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
        try:
            dress(made, mode, uid, gid)
            os.fsync(made)
        finally:
            os.close(made)
        os.fsync(fd)


def drop_folder(root: Path, path: str) -> None:
    """Remove a directory durably if it is empty, else leave it."""
    folder, name = split(path)
    with told(root / path, "remove"):
        try:
            with open_folder(root, folder, listing=True) as fd:
                os.rmdir(name, dir_fd=fd)
                os.fsync(fd)
        except OSError as error:
            if error.errno not in _LEFT:
                raise
