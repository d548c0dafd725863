"""What the system refused, as a typed error that names the file and the remedy."""

from __future__ import annotations

import errno
import logging
import os
import stat
from pathlib import Path

from synthstore.errors import DiskFullError, OperationError, PermissionDeniedError
from synthstore.shell import AGAIN, as_owner, cited, owner_name, path_word

_log = logging.getLogger("synthstore")

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})

_BITS = {"r": stat.S_IRUSR, "w": stat.S_IWUSR, "x": stat.S_IXUSR}


def failure(error: OSError, path: Path | str, doing: str) -> OperationError:
    """The error to raise for ``error``, met while ``doing`` (``read``, ``write``) ``path``.

    A full disk is logged as critical as well.
    """
    message = f"cannot {doing} {path}: {error.strerror or error}"
    if error.errno in _FULL:
        critical(message)
        return DiskFullError(message, hint=_room(error))
    if error.errno in _DENIED:
        return PermissionDeniedError(message, hint=_denied(error, Path(path), doing))
    if error.errno == errno.ENOTDIR:
        return OperationError(message, hint="a file stands where a folder is meant: name another")
    return OperationError(message, hint="check the disk and the system's log, then try again")


def critical(message: str) -> None:
    """Log what an operator must see even if the caller swallows the error: a full disk."""
    _log.critical("%s", message)


def _room(error: OSError) -> str:
    if error.errno == errno.EDQUOT:
        return "the user's quota is used up: free some of it, then try again"
    return "free space or inodes on this file system, then try again"


def _denied(error: OSError, path: Path, doing: str) -> str:
    if error.errno == errno.EROFS:
        return "the file system is read-only: mount it writable (mount -o remount,rw)"
    blocked = _blocking(path)
    try:
        return access_remedy(blocked, blocked.lstat(), write=doing != "read")
    except OSError:
        return f"run it as the user who owns {blocked}: {cited(f'sudo -u OWNER {AGAIN}')}"


def _blocking(path: Path) -> Path:
    """The nearest of ``path`` and its parents that exists and can be seen."""
    while path != path.parent and not os.path.lexists(path):
        path = path.parent
    return path


def access_remedy(path: Path, status: os.stat_result, *, write: bool) -> str:
    """The exact command that helps where this user may not enter ``path``, and whose it is now.

    What is another's stays so: its owner, who may, is to run what was refused.
    """
    quoted, folder = path_word(path), stat.S_ISDIR(status.st_mode)
    wanted = ("rw" if write else "r") + ("x" if folder else "")
    now = f"now {stat.filemode(status.st_mode)}, owner {owner_name(status.st_uid)}"
    if status.st_uid == os.geteuid():
        return f"chmod u+{wanted} {quoted} ({now})"
    bits = sum(_BITS[letter] for letter in wanted)
    open_first = f"{cited(f'sudo chmod u+{wanted} {quoted}')}, then "
    closed = "" if status.st_mode & bits == bits else open_first
    return f"{closed}run it as its owner: {as_owner(status.st_uid)} ({now})"
