"""The commands against the bare loop: time, memory, growth, start-up and workers."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from synthstore.scan.listing import list_store
from synthstore.scan.pool import executor_for, shards, usable_cores
from synthstore.scan.shard import DEFAULT_CAPS, read_shard
from synthstore.store.evidence import recognise
from tests.benchmarks import bare, building
from tests.benchmarks.metering import MEGA, Usage, run
from tests.benchmarks.table import Row

PROGRAM = (sys.executable, "-m", "synthstore")
KILO = 1000
FLOAT = 4


@dataclass(frozen=True, slots=True)
class Store:
    """A store to measure on."""

    root: Path
    memories: int
    dim: int

    @property
    def vectors(self) -> float:
        """Megabytes of float32."""
        return FLOAT * self.memories * self.dim / MEGA

    def __str__(self) -> str:
        return f"{self.memories} x {self.dim}"


@dataclass(frozen=True, slots=True)
class Task:
    """One command, what it may cost in bare loops, and what it may hold."""

    name: str
    words: tuple[object, ...]
    target: float
    base: float = 250
    """Megabytes allowed besides a kilobyte a memory."""
    vectors: bool = True
    """Whether the vectors may be held as well."""
    before: Callable[[], object] = int

    def run(self, *, memory: bool = False) -> Usage:
        """Run it once."""
        self.before()
        return run([*PROGRAM, *self.words, "--quiet"], memory=memory)

    def allowed(self, store: Store) -> float:
        """Megabytes."""
        own = self.base + KILO * store.memories / MEGA
        return own + store.vectors if self.vectors else own


def tasks(store: Store, scratch: Path) -> Iterator[Task]:
    """Every command that there is."""
    root = store.root
    yield Task("verify", ("verify", root), 0.8)
    yield Task("verify --quick", ("verify", root, "--quick"), 0.25, vectors=False)
    lose = partial(building.lose_parts, root)
    yield Task("rebuild-index", ("rebuild-index", root, "-y"), 1.5, before=lose)
    rows, new = scratch / "rows.jsonl", scratch / "imported"
    if _exists("export"):
        export = ("export", root, "-o", rows)
        away = partial(rows.unlink, missing_ok=True)
        yield Task("export", export, 1.0, base=300, vectors=False, before=away)
    if _exists("import"):
        aside = partial(_put_aside, new)
        yield Task("import", ("import", new, rows, "--create"), 3.0, before=aside)


def _put_aside(folder: Path) -> None:
    """Out of the way, but not deleted: some file systems make files slowly soon after that."""
    if folder.exists():
        folder.rename(folder.with_name(f"{folder.name}-{time.monotonic_ns()}"))


def _exists(command: str) -> bool:
    done = subprocess.run([*PROGRAM, command, "--help"], capture_output=True, check=False)
    return done.returncode == 0


def against_bare(store: Store, scratch: Path, rounds: int) -> Iterator[Row]:
    """Each command against F, the loop run again before every one of them; then its memory."""
    bare.loop(store.root)
    for task in tasks(store, scratch):
        pairs = [(bare.loop(store.root), task.run()) for _ in range(rounds)]
        walls, cpus = ([[pick(one) for one in pair] for pair in pairs] for pick in (_wall, _cpu))
        floor, wall = map(statistics.median, zip(*walls, strict=True))
        yield Row(f"{task.name}, {store}, against F", wall, floor, task.target)
        floor, cpu = map(statistics.median, zip(*cpus, strict=True))
        yield Row("  processor time, all cores together, against F's", cpu, floor)
        peak = task.run(memory=True).peak
        yield Row("  peak memory, against what is allowed", peak, task.allowed(store), 1, "MB")


def _wall(usage: Usage) -> float:
    return usage.wall


def _cpu(usage: Usage) -> float:
    return usage.cpu


def growth(small: Store, large: Store, scratch: Path, rounds: int) -> Iterator[Row]:
    """What a store of several times the size costs, and what it holds."""
    bound = 4.3 / 4 * large.memories / small.memories
    peaks: dict[str, float] = {}
    for name, task in _growing(scratch):
        pairs = [(run(task(large)), run(task(small))) for _ in range(rounds)]
        more, less = (statistics.median(pair[n].cpu for pair in pairs) for n in (0, 1))
        yield Row(f"{name}, {large}, against {small.memories}, processor", more, less, bound)
        peaks[name] = run(task(large), memory=True).peak
    repair = [*PROGRAM, "rebuild-index", large.root, "-y", "-q"]
    building.lose_parts(large.root)
    peaks["rebuild-index"] = run(repair, memory=True).peak
    allowed = 250 + KILO * large.memories / MEGA + large.vectors
    for name, peak in peaks.items():
        yield Row(f"  peak memory of {name}, {large}", peak, allowed, 1, "MB")


def _growing(scratch: Path) -> Iterator[tuple[str, Callable[[Store], list[object]]]]:
    """Commands that go through a whole store, each into a place of its own."""

    def new() -> Path:
        return scratch / f"new-{time.monotonic_ns()}"

    yield "verify", lambda store: [*PROGRAM, "verify", store.root, "-q"]
    yield "verify --quick", lambda store: [*PROGRAM, "verify", store.root, "-q", "--quick"]
    yield "stats", lambda store: [*PROGRAM, "stats", store.root]
    yield "export", lambda store: [*PROGRAM, "export", store.root, "-o", new(), "-q"]
    yield "backup", lambda store: [*PROGRAM, "backup", store.root, "--repo", new(), "-q"]
    copy = ["-y", "-q"]
    yield "migrate", lambda store: [*PROGRAM, "migrate", store.root, new(), *copy]
    other = ["--layout", "core-4", *copy]
    yield (
        "migrate --layout core-4",
        lambda store: [*PROGRAM, "migrate", store.root, new(), *other],
    )


def start_up(rounds: int) -> Iterator[Row]:
    """The help page against the imports that no such program is without."""
    floor = [sys.executable, "-c", "import typer, rich.console"]
    pairs = [(run([*PROGRAM, "--help"]), run(floor)) for _ in range(4 * rounds)]
    ours, theirs = (statistics.median(pair[n].wall for pair in pairs) for n in (0, 1))
    yield Row("--help, against importing typer and rich.console", ours, theirs, 1.2)


def workers(store: Store, rounds: int) -> Iterator[Row]:
    """Parsing by two processes against one thread: files a second."""
    if usable_cores() > 1:
        pairs = [(_parsing(store, 1), _parsing(store, 2)) for _ in range(rounds)]
        one, two = (statistics.median(pair[n] for pair in pairs) for n in (0, 1))
        what = f"parsing {store} by 2 workers, against 1: files a second"
        yield Row(what, store.memories / two, store.memories / one, 1.4, "/s", at_least=True)


def _parsing(store: Store, jobs: int) -> float:
    layout = recognise(store.root)
    candidates = list_store(store.root, layout).candidates
    with executor_for(len(candidates), jobs) as executor:
        _warm(executor, jobs)
        start = time.perf_counter()
        parts = [
            executor.submit(read_shard, str(store.root), layout, part, DEFAULT_CAPS)
            for part in shards(candidates)
        ]
        for part in parts:
            part.result()
        return time.perf_counter() - start


def _warm(executor: Executor, jobs: int) -> None:
    for ready in [executor.submit(time.sleep, 0.2) for _ in range(jobs)]:
        ready.result()
