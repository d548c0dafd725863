"""Backups against restic and borg, where these are installed.

``python -m tests.benchmarks.backup [--memories N] [--dim D] [--store DIR]`` prints a table, and
writes JSON with ``--json FILE``. Every figure is of one run: absolute times drift.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests import stores
from tests.vaults import settle

KILO = 1000
REACH = {"full": 0.6, "unchanged": 0.5, "restore": 1.0, "check": 1.0}


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


def told(found: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """The table."""
    steps = ("full", "unchanged", "restore", "check")
    yield f"{'':8}" + "".join(f"{step:>20}" for step in steps) + f"{'size':>8}"
    for name, line in found.items():
        cells = (f"{line[step]:8.2f} s {line[f'{step} MB']:6.0f} MB" for step in steps)
        yield f"{name:8}" + "".join(f"{cell:>20}" for cell in cells) + f"{line['size']:8.3f}"
    if "restic" in found:
        ratios = {step: found["ours"][step] / found["restic"][step] for step in steps}
        cells = (f"{ratio:.2f} x (reach {REACH[step]})" for step, ratio in ratios.items())
        yield f"{'ratio':8}" + "".join(f"{cell:>20}" for cell in cells)


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memories", type=int, default=20_000)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--store", type=Path, help="made here unless it exists")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="backup-bench-") as scratch:
        store = given.store or Path(scratch) / "store"
        if not store.exists():
            stores.build("native", store, memories=given.memories, assemblies=0, dim=given.dim)
            settle(store)
        found = measure(store)
    sys.stdout.write("\n".join(told(found)) + "\n")
    if given.json:
        given.json.write_text(json.dumps({"numpy": np.__version__, "runs": found}, indent=2))


if __name__ == "__main__":
    main()
