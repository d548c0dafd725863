"""Whether a store is ours to write, asked before the first change; and how ours is made."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from synthstore.errors import OperationError, PermissionDeniedError
from synthstore.files.durable import make_dirs, told
from synthstore.files.failure import access_remedy
from synthstore.files.space import require_writable
from synthstore.files.walk import is_folder
from synthstore.layout.base import OWN_FOLDER
from synthstore.shell import as_owner, owner_name, path_word

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600
_NO_EXECUTION = 0o666
_OWN_FOLDERS = (OWN_FOLDER, f"{OWN_FOLDER}/runs", f"{OWN_FOLDER}/quarantine")


@dataclass(frozen=True, slots=True)
class Custody:
    """Who owns what we make in a store, and who may read it."""

    uid: int | None
    """The store's owner where we are root; None: ourselves."""
    gid: int | None
    folder_mode: int
    """Of an entity folder: as the store's own."""

    @property
    def file_mode(self) -> int:
        """Of a file that replaces none: as the store's folder, without execution."""
        return self.folder_mode & _NO_EXECUTION

    def make_private(self, folder: Path) -> None:
        """Make a folder of ours, with missing parents, that only its owner may enter."""
        make_dirs(folder, PRIVATE_FOLDER, uid=self.uid, gid=self.gid)


def admit(root: Path) -> Custody:
    """Who owns and reads what we make at ``root``.

    Raises PermissionDeniedError for a store that others could write meanwhile, that belongs to
    another user, or that cannot be written; root may write those of others.
    """
    with told(root, "read"):
        status = root.stat()
    mode = stat.S_IMODE(status.st_mode)
    require_writable(root)
    if os.geteuid() == 0:
        _require_real_folders(root)
        return Custody(status.st_uid, status.st_gid, mode)
    _require_own(root, status)
    _require_real_folders(root)
    return Custody(None, None, mode)


def _require_own(root: Path, status: os.stat_result) -> None:
    quoted = path_word(root)
    if status.st_uid != os.geteuid():
        raise PermissionDeniedError(
            f"{root} belongs to {owner_name(status.st_uid)}, who alone may change it",
            hint=f"run it as its owner: {as_owner(status.st_uid)}",
        )
    if status.st_mode & stat.S_IWOTH:
        raise PermissionDeniedError(
            f"{root} is writable by everyone, so anybody could change it meanwhile",
            hint=f"chmod o-w {quoted}",
        )
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        raise PermissionDeniedError(
            f"cannot write {root}: Permission denied",
            hint=access_remedy(root, status, write=True),
        )


def _require_real_folders(root: Path) -> None:
    for folder in _OWN_FOLDERS:
        own = root / folder
        if os.path.lexists(own) and not is_folder(root, folder):
            raise OperationError(
                f"{own} is no real folder", hint=f"move {path_word(own)} out of the way"
            )
