"""Commands run and measured as wholes: wall time, processor time and memory of all they start."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MEGA = 1_000_000
_KIBI = 1024
_PR_SET_CHILD_SUBREAPER = 36
_SAMPLE_SECONDS = 0.05
_REST = 10


@dataclass(frozen=True, slots=True)
class Usage:
    """What one run took."""

    wall: float
    """Seconds."""
    cpu: float
    """Seconds, user and system, of the command and everything that it started."""
    peak: float = 0.0
    """Megabytes that all its processes held at once, shared pages counted once; 0: not looked."""


def adopt_orphans() -> None:
    """Make the kernel give this process what its children leave behind, so that it is counted."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run(
    command: Sequence[object],
    environ: Mapping[str, str] | None = None,
    *,
    memory: bool = False,
    codes: Sequence[int] = (0,),
) -> Usage:
    """Run a command that must end with one of ``codes``, its output thrown away.

    Looking at ``memory`` takes time itself, so such a run's times are not worth quoting.
    """
    words = [str(word) for word in command]
    # What those before left to be written is theirs, and would be waited for by whoever syncs.
    os.sync()
    settings = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    before, start = _used(), time.perf_counter()
    process = subprocess.Popen(
        words,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**settings, **(environ or {})},
    )
    watch = _Watch(process.pid) if memory else None
    told = process.communicate()[1]
    wall = time.perf_counter() - start
    if process.returncode not in codes:
        raise SystemExit(f"{' '.join(words)} gave {process.returncode}: {told.decode()[-2000:]}")
    _reap()
    return Usage(wall, _used() - before, watch.stop() if watch is not None else 0.0)


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _reap() -> None:
    """Wait for what the command left running, such as a server of worker processes."""
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return


class _Watch:
    """Looks, every now and then, how much memory a process and its descendants hold."""

    def __init__(self, pid: int) -> None:
        self._pid, self._peak, self._done = pid, 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """The most that was seen, in megabytes."""
        self._done.set()
        self._thread.join()
        return self._peak / MEGA

    def _watch(self) -> None:
        pause = _SAMPLE_SECONDS
        while not self._done.wait(pause):
            start = time.perf_counter()
            self._peak = max(self._peak, sum(map(_proportional, _family(self._pid))))
            # The kernel walks every page for it, which takes long where there are millions.
            pause = max(_SAMPLE_SECONDS, _REST * (time.perf_counter() - start))


def _family(pid: int) -> list[int]:
    found, fresh = [], [pid]
    while fresh:
        found += fresh
        fresh = [child for parent in fresh for child in _children(parent)]
    return found


def _children(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(one) for task in tasks for one in (task / "children").read_text().split()]
    except OSError:
        return []


def _proportional(pid: int) -> int:
    """Bytes of a process, pages that several share counted in parts (proportional set size)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    sizes = [int(line.split()[1]) for line in lines if line.startswith("Pss:")]
    return sum(sizes) * _KIBI
