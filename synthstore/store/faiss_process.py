"""Starts the FAISS child within its limits, and takes its answer apart."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Final, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from synthstore.errors import OperationError
from synthstore.store import faiss_child

PROGRAM: Path = Path(faiss_child.__file__)
"""The script that the child runs."""

START_SECONDS: int = 60
"""How long the child may take until it is ready to look at a file."""

READ_SECONDS: int = 60
"""How long one reading of a damaged file may take; sound large files are given more."""

_BUILD_SECONDS: Final = 3600
_BYTES_A_SECOND: Final = 10_000_000
_BASE_MEMORY: Final = 1 << 30
_COPIES: Final = 8
_MAX_HEADER: Final = 1 << 16
_BLOCK: Final = 1 << 20
# More threads would make the same vectors give other bytes, and every thread takes memory.
_ONE_THREAD: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

_Buffer = npt.NDArray[np.float32] | npt.NDArray[np.int64]


class ChildFailure(Exception):  # noqa: N818 - a verdict on the file, turned into a fact
    """The child died, hung, answered nonsense or refused; ``kind`` says which, the text why."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class FaissUnavailableError(OperationError):
    """The child could not even start: the machine's fault, no file's."""


class Source(NamedTuple):
    """An open index file for the child to read."""

    fd: int
    size: int


class Conversation:
    """The parent's end of one task."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._in = cast("FileIO", process.stdin)
        self._out = cast("FileIO", process.stdout)
        self._hung = threading.Event()
        self._set_clock(START_SECONDS)

    def _set_clock(self, seconds: int) -> None:
        self._seconds = seconds
        self._clock = threading.Timer(seconds, self._give_up)
        self._clock.start()

    def _give_up(self) -> None:
        self._hung.set()
        self._process.kill()

    def begin(self, seconds: int) -> None:
        """Wait until the child is ready, and give it ``seconds`` from then on.

        Raises FaissUnavailableError where it never is.
        """
        if self._take(len(faiss_child.MAGIC), starting=True) != faiss_child.MAGIC:
            raise ChildFailure("garbage", "FAISS answered nonsense")
        self._clock.cancel()
        self._set_clock(seconds)

    def send(self, arrays: Sequence[_Buffer]) -> None:
        """Give the child ``arrays``, as little-endian numbers; a dead one is noticed later."""
        with suppress(BrokenPipeError), self._in:
            for array in arrays:
                _pour(self._in, array)

    def header(self) -> dict[str, object]:
        """The child's JSON header."""
        length = faiss_child.LENGTH.unpack(self._take(faiss_child.LENGTH.size))[0]
        if length > _MAX_HEADER:
            raise ChildFailure("garbage", "FAISS answered nonsense")
        header = _parse(self._take(length))
        if "refused" in header:
            raise ChildFailure(str(header["refused"]), str(header.get("message")))
        return header

    def _take(self, count: int, *, starting: bool = False) -> bytes:
        taken = bytearray(count)
        if self._fill(memoryview(taken)) < count:
            raise self._failure(starting=starting)
        return bytes(taken)

    def fill(self, array: _Buffer) -> None:
        """Fill a contiguous ``array`` with what follows the header."""
        if array.size and self._fill(array.data.cast("B")) < array.nbytes:
            raise self._failure()

    def _fill(self, view: memoryview) -> int:
        at = 0
        while at < len(view):
            count = self._out.readinto(view[at:])
            if not count:
                break
            at += count
        return at

    def rest(self) -> list[bytes]:
        """All that follows the header, in pieces; the child must have ended well."""
        pieces = []
        while piece := self._out.read(_BLOCK):
            pieces.append(piece)
        if self._process.wait() != 0:
            raise self._failure()
        return pieces

    def _failure(self, *, starting: bool = False) -> Exception:
        code = self._process.wait()
        if self._hung.is_set():
            ended = f"did not finish within {self._seconds} seconds"
        elif code < 0:
            ended = f"was killed by signal {-code}"
        else:
            ended = f"ended with status {code}"
        if starting:
            return FaissUnavailableError(
                f"FAISS did not start in a process of its own, which {ended}",
                hint=f"see whether this works: {sys.executable} -c 'import faiss'",
            )
        kind = "hung" if self._hung.is_set() else "died"
        return ChildFailure(kind, f"FAISS {ended} before its answer was whole")

    def close(self) -> None:
        """End the child, whatever it is doing."""
        self._clock.cancel()
        self._process.kill()
        self._process.wait()


def _pour(pipe: FileIO, array: _Buffer) -> None:
    rows = max(1, _BLOCK // max(1, array[:1].nbytes))
    kind = array.dtype.newbyteorder("<")
    for start in range(0, len(array), rows):
        raw = np.ascontiguousarray(array[start : start + rows], dtype=kind).view(np.uint8).data
        view = raw.cast("B")
        while view:
            view = view[pipe.write(view) :]


def _parse(text: bytes) -> dict[str, object]:
    try:
        header = json.loads(text)
    except ValueError:
        header = None
    if not isinstance(header, dict):
        raise ChildFailure("garbage", "FAISS answered nonsense")
    return header


@contextmanager
def reading(source: Source, task: Mapping[str, object]) -> Iterator[Conversation]:
    """Have the child read ``source``."""
    seconds = READ_SECONDS + source.size // _BYTES_A_SECOND
    with _talk({**task, "task": "read"}, source, source.size, seconds) as child:
        yield child


@contextmanager
def building(
    source: Source | None, task: Mapping[str, object], payload: int
) -> Iterator[Conversation]:
    """Have the child build an index of ``payload`` bytes of vectors, from ``source`` if given."""
    size = payload + (source.size if source else 0)
    with _talk({**task, "task": "build"}, source, size, _BUILD_SECONDS) as child:
        yield child


@contextmanager
def _talk(
    task: Mapping[str, object], source: Source | None, size: int, seconds: int
) -> Iterator[Conversation]:
    # Its own limit comes second to our clock: it counts only if we are gone.
    limits = {"memory": _BASE_MEMORY + _COPIES * size, "seconds": seconds + 5}
    place = {"fd": source.fd, "size": source.size} if source else {}
    with _start(json.dumps({**task, **limits, **place}), (source.fd,) if source else ()) as process:
        child = Conversation(process)
        try:
            child.begin(seconds)
            yield child
        finally:
            child.close()


def _start(task: str, fds: tuple[int, ...]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 - our own interpreter and program
            # -P: the modules beside the program are no modules of its own.
            [sys.executable, "-P", "-W", "ignore", str(PROGRAM), task],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=fds,
            bufsize=0,
            env={**os.environ, **_ONE_THREAD},
        )
    except OSError as error:
        raise FaissUnavailableError(
            f"FAISS could not be started in a process of its own: {error.strerror}",
            hint="see how many processes and how much memory this user may have",
        ) from error
