"""The new store while it is made: a folder beside the target that says whose it is."""

from __future__ import annotations

import json
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

from synthstore.errors import OperationError, UsageError
from synthstore.files.durable import (
    Content,
    atomic_write,
    fsync_dir,
    hash_content,
    hash_file,
    make_dirs,
    remove,
    remove_tree,
    replace,
    synced,
    write_new,
)
from synthstore.files.folders import dress_folder
from synthstore.files.space import require_room, require_writable
from synthstore.files.walk import is_empty, list_folder, read_file
from synthstore.layout.base import OWN_FOLDER
from synthstore.model.facts import Stat
from synthstore.model.paths import folder_of
from synthstore.shell import path_word

MARKER = ".tmp-migration"
"""In the root, and the last thing to go: named like what ``verify`` takes for a leftover."""

_PRIVATE_FOLDER, _PRIVATE_FILE = 0o700, 0o600
_DIGEST = 32


@dataclass(frozen=True, slots=True)
class Errand:
    """Whose unfinished migration a folder is."""

    source: str
    """Relative to the folder that the target is in: both may lie elsewhere tomorrow."""
    layout: str

    @classmethod
    def of(cls, root: Path, target: Path, layout: str) -> Self:
        """The errand of bringing the store at ``root`` to ``target``."""
        return cls(os.path.relpath(root, target.parent), layout)

    @property
    def spelt(self) -> bytes:
        """The marker's bytes."""
        # The folder's name may be no UTF-8: only this writer takes that.
        return json.dumps({"source": self.source, "layout": self.layout}).encode("ascii")


@dataclass(frozen=True, slots=True)
class Parcel:
    """One file of the new store."""

    path: str
    content: Content
    size: int
    """Expected, in bytes."""
    attire: Stat
    """Whose mode, and for root whose owner, it gets."""
    keeps_time: bool = False
    """Whether it gets the mtime too."""


class Outline(NamedTuple):
    """The files of the new store, so far as to make room for them."""

    paths: Sequence[str]
    sizes: Sequence[int]
    """Expected, in bytes."""

    @classmethod
    def of(cls, parcels: Iterable[Parcel]) -> Self:
        """What is known of ``parcels``, each of which may be made for this only."""
        paths, sizes = [], array("q")
        for parcel in parcels:
            paths.append(parcel.path)
            sizes.append(parcel.size)
        return cls(paths, sizes)


class Aside:
    """The folder in which the new store for ``target`` is made."""

    def __init__(self, target: Path, errand: Errand) -> None:
        self.target, self.errand = target, errand
        self.path = target.with_name(f".{target.name}.migrating")
        self.placed = _marker(target) == errand
        """Whether an earlier try came as far as putting it in its place."""
        self.resumed = self.placed or _marker(self.path) == errand
        self._written: list[str] = []
        self._digests = bytearray()
        """The sha256 of each file, as it was written."""

    def require_free(self) -> None:
        """Raise UsageError unless the target and the folder beside it are free for the errand."""
        if self.placed:
            return
        blank = self.target.is_dir() and is_empty(self.target, "")
        if os.path.lexists(self.target) and not blank:
            raise UsageError(
                f"{self.target} is not empty", hint="name a new directory, or an empty one"
            )
        other = _marker(self.path)
        if other is not None and other != self.errand:
            raise UsageError(
                f"{self.path} is the unfinished migration of {self._shown(other)}",
                hint=f"finish that one first, or remove the folder: rm -r {path_word(self.path)}",
            )
        if other is None and os.path.lexists(self.path) and not _is_begun(self.path):
            raise UsageError(
                f"{self.path} stands where the new store is to be made",
                hint=f"move {path_word(self.path)} out of the way",
            )

    def _shown(self, errand: Errand) -> str:
        source = os.path.normpath(self.target.parent / errand.source)
        return f"{source} into layout {errand.layout}"

    def require_room(self, outline: Outline) -> None:
        """Raise DiskFullError unless what is not there yet fits."""
        folder = self.target.parent
        while not folder.exists():
            folder = folder.parent
        require_writable(folder)
        sizes = [size - self._have(path) for path, size in zip(*outline, strict=True)]
        require_room(folder, (max(size, 0) for size in sizes), files=len(sizes) + 8)

    def _have(self, path: str) -> int:
        try:
            return (self.path / path).lstat().st_size
        except OSError:
            return 0

    @contextmanager
    def making(self, paths: Sequence[str], folders: Iterable[str]) -> Iterator[None]:
        """Have the folder ready for ``paths``, and make them durable when the body ends."""
        make_dirs(self.target.parent, _PRIVATE_FOLDER)
        make_dirs(self.path, _PRIVATE_FOLDER)
        if _marker(self.path) != self.errand:
            atomic_write(self.path / MARKER, self.errand.spelt, _PRIVATE_FILE)
        self._clear(frozenset(paths))
        for folder in sorted({*folders, *map(folder_of, paths)}):
            make_dirs(self.path / folder, _PRIVATE_FOLDER)
        with synced(self.path, [self.path / path for path in paths]):
            yield

    def _clear(self, wanted: frozenset[str]) -> None:
        """Remove what an earlier try left and this one does not want."""
        self.clear_own()
        waiting = [""]
        while waiting:
            for entry in list_folder(self.path, waiting.pop()):
                if entry.kind == "dir" and entry.path != OWN_FOLDER:
                    waiting.append(entry.path)
                elif entry.kind != "dir" and entry.path not in {MARKER, *wanted}:
                    remove(self.path / entry.path)

    def clear_own(self, *kept: str) -> None:
        """Remove what is ours in it, but what is ``kept``."""
        entries = list_folder(self.path, OWN_FOLDER)
        for entry in (entry for entry in entries if entry.path not in kept):
            _remove(self.path / entry.path, is_folder=entry.kind == "dir")
        if not {entry.path for entry in entries} & {*kept}:
            remove_tree(self.path / OWN_FOLDER)

    def settle(self, parcel: Parcel) -> str:
        """Write one file, unless an earlier try left these very bytes; their sha256."""
        digest = self._settled(parcel)
        self._written.append(parcel.path)
        self._digests += bytes.fromhex(digest)
        return digest

    def _settled(self, parcel: Parcel) -> str:
        path, attire = self.path / parcel.path, parcel.attire
        if os.path.lexists(path):
            digest = hash_content(parcel.content)
            if hash_file(path) == digest and _dressed(path, parcel):
                return digest
            remove(path)
        root_runs = os.geteuid() == 0
        return write_new(
            path,
            parcel.content,
            mode=attire.mode,
            uid=attire.uid if root_runs and attire.uid >= 0 else None,
            gid=attire.gid if root_runs and attire.gid >= 0 else None,
            mtime_ns=attire.mtime_ns if parcel.keeps_time else None,
            sync=False,
        )

    def prove(self) -> None:
        """Read every file back; raises OperationError where the disk gives other bytes."""
        for at, path in enumerate(self._written):
            digest = self._digests[at * _DIGEST : (at + 1) * _DIGEST]
            if hash_file(self.path / path) != digest.hex():
                raise OperationError(
                    f"{self.path / path} reads back wrong",
                    hint="check the disk, then run the same command again",
                )

    def dress(self, folders: Iterable[tuple[str, int, int | None]]) -> None:
        """Give each (folder, mode, mtime in ns or None) what it had, the innermost first."""
        for folder, mode, mtime_ns in sorted(folders, reverse=True):
            path = self.path / folder
            dress_folder(path, mode, path.stat().st_mtime_ns if mtime_ns is None else mtime_ns)

    def place(self) -> None:
        """Put the new store where it belongs, at once and durably."""
        replace(self.path, self.target)
        fsync_dir(self.target.parent)
        self.placed = True

    def finish(self, mode: int, mtime_ns: int | None) -> None:
        """Forget whose it was; from here on it is a store like any other."""
        remove(self.target / MARKER)
        now = self.target.stat().st_mtime_ns
        dress_folder(self.target, mode, now if mtime_ns is None else mtime_ns)


def _remove(path: Path, *, is_folder: bool) -> None:
    if is_folder:
        remove_tree(path)
    else:
        remove(path)


def _marker(folder: Path) -> Errand | None:
    try:
        value = json.loads(read_file(folder, MARKER)[0])
        return Errand(value["source"], value["layout"])
    except (OSError, OperationError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _names(folder: Path) -> set[str]:
    return {entry.path for entry in list_folder(folder, "")}


def _is_begun(folder: Path) -> bool:
    """Whether a try died here before it could say whose it was."""
    names = _names(folder) if folder.is_dir() else {""}
    return all(name.startswith(f".{MARKER}.") for name in names)


def _dressed(path: Path, parcel: Parcel) -> bool:
    status = path.lstat()
    fits = status.st_mode & 0o7777 == parcel.attire.mode
    return fits and (not parcel.keeps_time or status.st_mtime_ns == parcel.attire.mtime_ns)
