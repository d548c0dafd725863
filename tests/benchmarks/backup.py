"""Backups against restic and borg, where these are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.table import Row

KILO = 1000
REACH = {"full": 0.6, "unchanged": 0.5, "restore": 1.0, "check": 1.0}
SIZE = 0.35
"""Of the store, whatever the peers need."""


@dataclass(frozen=True, slots=True)
class Run:
    """One command: seconds and megabytes of its largest process."""

    seconds: float
    megabytes: float


def run(command: Sequence[object], environ: Mapping[str, str] | None = None) -> Run:
    """Run a command that must succeed."""
    start = time.perf_counter()
    words = [str(word) for word in command]
    process = subprocess.Popen(
        words, stdout=subprocess.DEVNULL, env={**os.environ, **(environ or {})}
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} gave {process.returncode}")
    return Run(time.perf_counter() - start, usage.ru_maxrss / KILO)


def size(folder: Path) -> int:
    """Bytes of all files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def ours(store: Path, scratch: Path) -> Iterator[tuple[str, Run]]:
    """The product's own commands, start-up included."""
    repo = scratch / "ours"
    program = [sys.executable, "-m", "synthstore"]
    yield "full", run([*program, "backup", store, "--repo", repo, "-q"])
    yield "unchanged", run([*program, "backup", store, "--repo", repo, "-q"])
    yield "restore", run([*program, "restore", scratch / "ours-out", "--repo", repo, "-q"])
    yield "check", run([*program, "snapshots", "check", "--read-data", "--repo", repo, "-q"])


def restic(store: Path, scratch: Path) -> Iterator[tuple[str, Run]]:
    """The same with restic."""
    repo = scratch / "restic"
    environ = {"RESTIC_PASSWORD": "x", "RESTIC_CACHE_DIR": str(scratch / "restic-cache")}
    program = ["restic", "-r", repo, "-q"]
    run([*program, "init"], environ)
    yield "full", run([*program, "backup", store], environ)
    yield "unchanged", run([*program, "backup", store], environ)
    yield (
        "restore",
        run([*program, "restore", "latest", "--target", scratch / "restic-out"], environ),
    )
    yield "check", run([*program, "check", "--read-data"], environ)


def borg(store: Path, scratch: Path) -> Iterator[tuple[str, Run]]:
    """The same with borg."""
    repo = scratch / "borg"
    environ = {"BORG_BASE_DIR": str(scratch), "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
    run(["borg", "init", "-e", "none", repo], environ)
    for number, what in enumerate(("full", "unchanged")):
        yield what, run(["borg", "create", "-C", "zstd,3", f"{repo}::{number}", store], environ)
    (scratch / "borg-out").mkdir()
    into = f'cd "{scratch}/borg-out" && borg extract "{repo}::0"'
    yield "restore", run(["sh", "-c", into], environ)
    yield "check", run(["borg", "check", "--verify-data", repo], environ)


PEERS = {"ours": ours, "restic": restic, "borg": borg}


def measure(store: Path) -> dict[str, dict[str, float]]:
    """Every peer that there is: seconds and megabytes by step, and the repository's share."""
    found: dict[str, dict[str, float]] = {}
    whole = size(store)
    for name, steps in PEERS.items():
        if name != "ours" and shutil.which(name) is None:
            continue
        with tempfile.TemporaryDirectory(prefix="backup-bench-") as scratch:
            line: dict[str, float] = {}
            for what, one in steps(store, Path(scratch)):
                line[what] = one.seconds
                line[f"{what} MB"] = one.megabytes
                if what == "full":
                    line["size"] = size(Path(scratch) / name) / whole
            found[name] = line
    return found


def rows(found: Mapping[str, Mapping[str, float]]) -> Iterator[Row]:
    """Ours against each peer; only restic's are targets."""
    yield Row("backup: size, against the store", found["ours"]["size"], 1.0, SIZE, "of it")
    for step, bound in REACH.items():
        ours = found["ours"][step]
        for peer in sorted(found.keys() - {"ours"}):
            target = bound if peer == "restic" else None
            yield Row(f"backup: {step}, against {peer}", ours, found[peer][step], target)


def once(store: Path, scratch: Path) -> list[object]:
    """The command of one full backup."""
    return [sys.executable, "-m", "synthstore", "backup", store, "--repo", scratch / "repo", "-q"]
