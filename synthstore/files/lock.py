"""Who may write: an flock on a file, which the kernel frees when its owner dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from synthstore.errors import LockedError
from synthstore.files.durable import dress, told

_OPEN = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PAUSE = 0.02
_SHORT_PAUSE = 0.001
# Whoever asks whether the lock is held holds it, shared, for a moment.
_GRACE = 0.1
_MAX_TEXT = 500


class Lock:
    """An exclusive or shared lock on the file ``path``, made where missing, never removed."""

    def __init__(
        self,
        path: Path,
        *,
        shared: bool = False,
        command: str | None = None,
        mode: int = 0o600,
        uid: int | None = None,
        gid: int | None = None,
        pause: float = _PAUSE,
        signed: bool = True,
    ) -> None:
        self._path = path
        self._pause = pause
        self._signed = signed
        self._how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        self._command = command or _own_command()
        self._dress = (mode, uid, gid)
        self._fd: int | None = None

    def acquire(self, wait: float = 0.0) -> None:
        """Take the lock, trying for ``wait`` seconds; raises LockedError naming the owner."""
        deadline = time.monotonic() + max(wait, _GRACE)
        while not self._try():
            if time.monotonic() > deadline:
                raise _taken(self._path)
            time.sleep(self._pause)

    def _try(self) -> bool:
        held = False
        with told(self._path):
            fd = _open(self._path, self._dress)
            try:
                fcntl.flock(fd, self._how | fcntl.LOCK_NB)
                # The file may have been replaced between the two calls.
                held = os.path.samestat(os.fstat(fd), self._path.lstat())
            except (BlockingIOError, FileNotFoundError):
                return False
            finally:
                if not held:
                    os.close(fd)
        if not held:
            return False
        self._fd = fd
        if self._signed:
            _sign(fd, self._command)
        return True

    def release(self) -> None:
        """Let the lock go; one that is not held is fine."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Self:
        if self._fd is None:
            self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _open(path: Path, attire: tuple[int, int | None, int | None]) -> int:
    if os.path.lexists(path):
        return os.open(path, _OPEN & ~os.O_CREAT)
    fd = os.open(path, _OPEN, 0o600)
    dress(fd, *attire)
    return fd


def _own_command() -> str:
    program, *arguments = sys.argv or ["python"]
    return " ".join([Path(program).name or "python", *arguments[:1]])


def _sign(fd: int, command: str) -> None:
    # The text is for messages only, so a full disk must not stop anyone here.
    with contextlib.suppress(OSError):
        os.ftruncate(fd, 0)
        text = f"process {os.getpid()} on {socket.gethostname()}: {command}\n"
        os.pwrite(fd, text.encode("utf-8", "replace"), 0)


@contextlib.contextmanager
def held_still(path: Path, *, shared: bool = False, wait: float = 0.0) -> Iterator[None]:
    """Keep others from taking the lock ``path`` while the body lasts, if there is one.

    ``shared``: from taking it exclusively. Makes and writes nothing. Raises LockedError where
    somebody holds it for longer than ``wait`` seconds.
    """
    how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    deadline = time.monotonic() + wait
    # Where nobody ever took it there is none; a writer that comes now makes it.
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            fd = os.open(path, _LOOK)
            stack.callback(os.close, fd)
            while not _held(fd, how):
                if time.monotonic() >= deadline:
                    raise _taken(path)
                time.sleep(_SHORT_PAUSE)
        yield


def _held(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _taken(path: Path) -> LockedError:
    return LockedError(
        f"{path} is held by {_owner(path)}",
        hint="wait until it is done, or wait for it with --lock-wait 30s",
    )


def _owner(path: Path) -> str:
    return is_locked(path) or is_shared(path) or "another process"


def is_locked(path: Path) -> str | None:
    """Who holds the lock ``path`` exclusively, for people; None if nobody does. Writes nothing."""
    try:
        fd = os.open(path, _LOOK)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _text(fd)
    else:
        return None
    finally:
        os.close(fd)


def is_shared(path: Path) -> str | None:
    """Who holds the lock ``path`` shared, for people; None if nobody does. Writes nothing."""
    try:
        fd = os.open(path, _LOOK)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _text(fd)
    else:
        return None
    finally:
        os.close(fd)


def _text(fd: int) -> str:
    text = os.pread(fd, _MAX_TEXT, 0).decode("utf-8", "replace").strip()
    return text or "another process"
