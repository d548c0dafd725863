"""Many trials over many processes: what came of them, and what must not have."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from mmap import mmap
from pathlib import Path
from tempfile import mkdtemp
from typing import cast

from tests.faults.bench import MEMORY_FILES
from tests.faults.supervisor import Outcome, observe
from tests.fuzz.grounds import watched
from tests.fuzz.probes import PROBES
from tests.fuzz.targets import TARGETS

CHUNK = 500
"""Trials that share a process."""
_WORD = 8
_SECONDS_A_CHUNK = 3600.0
_ROOT = Path("/")
_HARMLESS = ("dev/null", "memfd:", "dev/zero")
_MEMORY = re.compile(r"proc/\d+/fd/\d+")
"""Memory that processes share: whoever opens it makes sure by device and inode that it is that."""


@dataclass(frozen=True, slots=True)
class Share:
    """Some trials of one target."""

    target: str
    start: int
    stop: int


@dataclass(slots=True)
class Score:
    """What came of trials."""

    target: str
    tried: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: dict[int, str] = field(default_factory=dict)
    """By the number of the trial."""
    seconds: float = 0.0

    def add(self, other: Score) -> None:
        """Take up what came of other trials."""
        self.tried += other.tried
        self.outcomes += other.outcomes
        self.failures |= other.failures
        self.seconds += other.seconds


def run(share: Share) -> Score:
    """Run trials in a forked, filtered child; this process must have no threads."""
    began = time.perf_counter()
    score = Score(share.target)
    for part in _tried(share):
        score.add(part)
    score.seconds = time.perf_counter() - began
    return score


def _tried(share: Share) -> Iterator[Score]:
    """The scores of a share: where a trial ends its process, what is left begins in another."""
    where = MEMORY_FILES if MEMORY_FILES.is_dir() else None
    folder = Path(mkdtemp(prefix="synthstore-fuzz-", dir=where))
    progress = mmap(-1, _WORD)
    start = share.start
    try:
        while start < share.stop:
            rest = Share(share.target, start, share.stop)
            outcome = observe(lambda: _go(rest, folder, progress), _ROOT, seconds=_SECONDS_A_CHUNK)  # noqa: B023
            score = _score(rest, outcome, folder, int.from_bytes(progress[:], "little"))
            yield score
            start += max(1, score.tried)
            shutil.rmtree(folder)
            folder.mkdir()
    finally:
        shutil.rmtree(folder)
        progress.close()


def _go(share: Share, folder: Path, progress: mmap) -> list[str]:
    """In the child: the outcome of each trial, or what it failed by."""
    target = (TARGETS | PROBES)[share.target]
    os.chdir(folder)
    target.settle(folder)
    told = []
    for number in range(share.start, share.stop):
        progress[:] = number.to_bytes(_WORD, "little")
        try:
            told.append(watched(target, number))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
            told.append(f"! {type(error).__name__}: {error}")
    return told


def _score(share: Share, outcome: Outcome, folder: Path, last: int) -> Score:
    score = Score(share.target)
    told = cast("list[str] | None", outcome.value)
    if told is None:
        # What came before it is counted as passed: it would have ended the process as well.
        score.tried = last - share.start + 1
        score.outcomes["before one that ended the process"] = score.tried - 1
        score.failures[last] = _end(outcome)
    else:
        score.tried = len(told)
        for number, text in enumerate(told, start=share.start):
            if text.startswith("!"):
                score.failures[number] = text[2:]
            else:
                score.outcomes[text] += 1
    inside = folder.relative_to(_ROOT).as_posix()
    for path in sorted({call.path for call in outcome.calls}):
        known = path == inside or path.startswith((*_HARMLESS, f"{inside}/"))
        if not known and not _MEMORY.fullmatch(path):
            score.failures[share.start] = f"outside its folder, in these trials: {path}"
    return score


def _end(outcome: Outcome) -> str:
    if outcome.code is not None and outcome.code < 0:
        name = signal.Signals(-outcome.code).name
        return "hangs" if name == "SIGALRM" else f"crash: {name}"
    return f"ended with {outcome.code}: {outcome.error.strip().rpartition(chr(10))[2]}"


def shares(target: str, count: int) -> Iterator[Share]:
    """Cut the first ``count`` trials of a target into shares."""
    for start in range(0, count, CHUNK):
        yield Share(target, start, min(start + CHUNK, count))
