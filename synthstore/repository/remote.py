"""Repositories by name: a directory, or any fsspec URL (extra ``remote``)."""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from synthstore.errors import LockedError, OperationError, PermissionDeniedError, UsageError
from synthstore.repository.place import LocalPlace, Place

LOCKS = "locks"
STALE_SECONDS = 24 * 3600.0
"""A lock this old has no owner any more: nobody frees it when a process dies on another machine."""

_PAUSE = 0.5


def place_of(name: str) -> Place:
    """The place that ``--repo`` names; raises UsageError where fsspec is wanted and missing."""
    path = name.removeprefix("file://")
    if "://" not in path:
        return LocalPlace(Path(path))
    return RemotePlace(name)


class RemotePlace:
    """A repository behind fsspec: an object store, where a file appears whole or not at all."""

    def __init__(self, url: str) -> None:
        self.where = url.rstrip("/")
        self._system, self._root = _file_system(self.where)

    def __reduce__(self) -> tuple[type[RemotePlace], tuple[str]]:
        return RemotePlace, (self.where,)

    def taken(self) -> bool:
        """Whether anything stands there."""
        with _told(self.where):
            return bool(self._system.exists(self._root) and self._system.find(self._root))

    def prepare(self) -> None:
        """Object stores need no folders."""

    def names(self, folder: str) -> Mapping[str, int]:
        """The files of a folder and their sizes."""
        path = f"{self._root}/{folder}".rstrip("/")
        try:
            with _told(self.where):
                self._system.invalidate_cache()
                entries = self._system.ls(path, detail=True)
        except FileNotFoundError:
            return {}
        found = ((e["name"].rpartition("/")[2], e) for e in entries if e["type"] == "file")
        return {name: int(e["size"]) for name, e in found if name and not name.startswith(".")}

    def read(self, name: str, start: int = 0, size: int | None = None) -> bytes:
        """Bytes of a file; raises FileNotFoundError."""
        end = None if size is None else start + size
        with _told(self.where):
            if not start and end is None:
                return bytes(self._system.cat_file(f"{self._root}/{name}"))
            return bytes(self._system.cat_file(f"{self._root}/{name}", start=start, end=end))

    def write(self, name: str, content: bytes) -> None:
        """Put a whole file there in one request."""
        try:
            with _told(self.where):
                self._system.pipe_file(f"{self._root}/{name}", content)
        except FileNotFoundError as error:
            # No file needs to be there for that: a bucket is missing.
            raise _failed(self.where, error) from error

    def remove(self, name: str) -> None:
        """Remove a file."""
        try:
            with _told(self.where):
                self._system.rm_file(f"{self._root}/{name}")
        except FileNotFoundError:
            return

    def sweep(self) -> int:
        """Nothing is ever left half written."""
        return 0

    def locked(self, *, shared: bool, wait: float) -> AbstractContextManager[object]:
        """Hold the repository by a file of our own among the others'."""
        return self._locked(shared=shared, wait=wait)

    @contextmanager
    def _locked(self, *, shared: bool, wait: float) -> Iterator[None]:
        deadline = time.monotonic() + wait
        name = f"{LOCKS}/{secrets.token_hex(8)}"
        owner = {"pid": os.getpid(), "host": socket.gethostname()}
        note = {"shared": shared, "time": time.time(), **owner}
        self.write(name, json.dumps(note).encode())
        try:
            # Each writes first and looks then, so of two that exclude each other one sees it.
            while (other := self._other(name, shared=shared)) is not None:
                if time.monotonic() > deadline:
                    raise LockedError(
                        f"{self.where} is held by {other}",
                        hint="wait until it is done, or wait for it with --lock-wait 30s",
                    )
                time.sleep(_PAUSE)
            yield
        finally:
            self.remove(name)

    def _other(self, own: str, *, shared: bool) -> str | None:
        for name in self.names(LOCKS):
            path = f"{LOCKS}/{name}"
            if path == own:
                continue
            try:
                note = json.loads(self.read(path))
            except (FileNotFoundError, ValueError):
                continue
            if _is_stale(note):
                self.remove(path)
            elif not (shared and note["shared"]):
                return f"process {note['pid']} on {note['host']}"
        return None


def _is_stale(note: Mapping[str, Any]) -> bool:
    """Whether the owner of a lock is gone: told at once for one that ran on this machine."""
    if time.time() - note["time"] > STALE_SECONDS:
        return True
    if note["host"] != socket.gethostname():
        return False
    try:
        os.kill(note["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _file_system(url: str) -> tuple[Any, str]:
    try:
        import fsspec  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise UsageError(
            f"{url} needs the extra 'remote'", hint="pip install 'synthstore[remote]'"
        ) from error
    try:
        system, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise UsageError(f"{url}: {error}", hint="pip install 'synthstore[remote]'") from error
    return system, str(path).rstrip("/")


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Turn what a file system raises into the project's own error, a missing file aside."""
    try:
        yield
    except FileNotFoundError:
        raise
    except PermissionError as error:
        raise PermissionDeniedError(
            f"{where}: {error}", hint="check what these credentials may do there"
        ) from error
    except Exception as error:
        # Each file system's client has errors of its own, which have nothing else in common.
        raise _failed(where, error) from error


def _failed(where: str, error: Exception) -> OperationError:
    hint = "check the network, the address and the credentials"
    return OperationError(f"{where}: {error}", hint=hint)
