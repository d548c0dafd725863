"""Where a repository's files stand: folders of whole files that are written once."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from synthstore.errors import PermissionDeniedError
from synthstore.files.durable import (
    discard,
    fsync_dir,
    make_dirs,
    remove,
    replace,
    told,
    write_new,
)
from synthstore.files.lock import Lock
from synthstore.files.walk import IrregularFileError
from synthstore.shell import AGAIN, cited, owner_name, path_word

CONFIG = "config"
PACKS = "packs"
SNAPSHOTS = "snapshots"
DAMAGE = "damage"
FOLDERS = (PACKS, SNAPSHOTS, DAMAGE)

_LOCK = "lock"
_TEMPORARY = ".tmp-"
_FILE_MODE, _FOLDER_MODE = 0o600, 0o700


class Place(Protocol):
    """A repository's storage; every method raises OperationError where the system fails."""

    where: str
    """For people and commands."""

    def taken(self) -> bool:
        """Whether anything stands there but the beginnings of a repository."""

    def prepare(self) -> None:
        """Make the folders."""

    def names(self, folder: str) -> Mapping[str, int]:
        """The whole files of a folder and their sizes; empty where there is no such folder."""

    def read(self, name: str, start: int = 0, size: int | None = None) -> bytes:
        """Bytes of a file, fewer where it ends; raises FileNotFoundError."""

    def write(self, name: str, content: bytes) -> None:
        """Put a whole file there, durably; one of that name is replaced."""

    def remove(self, name: str) -> None:
        """Remove a file; one that is not there is fine."""

    def sweep(self) -> int:
        """Remove what writers that died left half written; how many files that were."""

    def locked(self, *, shared: bool, wait: float) -> AbstractContextManager[object]:
        """Hold the repository: shared to add to it, alone to take from it."""


class LocalPlace:
    """A repository in a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.where = str(root)

    def taken(self) -> bool:
        """Whether anything stands there but empty folders of ours."""
        with told(self.root, "read"):
            if not self.root.is_dir():
                return self.root.exists()
            names = {path.name for path in self.root.iterdir()}
        strange = {name for name in names - {*FOLDERS, _LOCK} if not name.startswith(_TEMPORARY)}
        return bool(strange) or any(self.names(folder) for folder in FOLDERS)

    def prepare(self) -> None:
        """Make the folders, private to this user."""
        try:
            for folder in FOLDERS:
                make_dirs(self.root / folder, _FOLDER_MODE)
        except PermissionDeniedError as error:
            if AGAIN in (error.hint or "") and not self.root.exists():
                # As whoever may write there it would be another's, and closed to the next backup.
                error.hint = f"name a folder that you may write; or have it made: {self._made()}"
            raise

    def _made(self) -> str:
        return cited(f"sudo install -d -m 700 -o {owner_name(os.geteuid())} {path_word(self.root)}")

    def names(self, folder: str) -> Mapping[str, int]:
        """The whole files of a folder and their sizes."""
        where = self.root / folder
        with told(where, "read"):
            if not where.is_dir():
                return {}
            with os.scandir(where) as entries:
                return dict(_sizes(entries))

    def read(self, name: str, start: int = 0, size: int | None = None) -> bytes:
        """Bytes of a file; raises FileNotFoundError."""
        path = self.root / name
        with told(path, "read"):
            there, regular = path.exists(), path.is_file()
        if not there:
            raise FileNotFoundError(f"{path} is missing")
        if not regular:
            # To open a pipe would wait for whoever writes into it.
            raise IrregularFileError(f"{path} is no regular file")
        with told(path, "read"), path.open("rb") as stream:
            stream.seek(start)
            return stream.read(-1 if size is None else size)

    def write(self, name: str, content: bytes) -> None:
        """Write aside, fsync, rename, fsync the folder."""
        path = self.root / name
        aside = path.with_name(f"{_TEMPORARY}{secrets.token_hex(8)}")
        with ExitStack() as undo:
            # Nobody asks for the digest that it would work out.
            write_new(aside, content, mode=_FILE_MODE, sha256=path.name)
            undo.callback(discard, aside)
            replace(aside, path)
            undo.pop_all()
        fsync_dir(path.parent)

    def remove(self, name: str) -> None:
        """Unlink durably."""
        path = self.root / name
        remove(path)
        fsync_dir(path.parent)

    def sweep(self) -> int:
        """Remove temporary files; nobody else may be writing."""
        found = [p for f in ("", *FOLDERS) for p in (self.root / f).glob(f"{_TEMPORARY}*")]
        for path in found:
            remove(path)
        return len(found)

    @contextmanager
    def locked(self, *, shared: bool, wait: float) -> Iterator[None]:
        """Hold ``lock`` in the repository; the kernel frees it when the owner dies."""
        lock = Lock(self.root / _LOCK, shared=shared)
        lock.acquire(wait)
        try:
            yield
        finally:
            lock.release()


def _sizes(entries: Iterator[os.DirEntry[str]]) -> Iterator[tuple[str, int]]:
    for entry in entries:
        if not entry.name.startswith(".") and entry.is_file():
            # Prune may take a file away while its folder is listed.
            with suppress(FileNotFoundError):
                yield entry.name, entry.stat().st_size
