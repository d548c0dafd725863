"""Backups against restic and borg, where these are installed."""

from __future__ import annotations

import shutil
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.benchmarks.metering import run
from tests.benchmarks.table import Row

REACH = {"full": 0.6, "unchanged": 0.5, "restore": 1.0, "check": 1.0}
SIZE = 0.35
"""Of the store, whatever the peers need."""


def size(folder: Path) -> int:
    """Bytes of all files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def ours(store: Path, scratch: Path) -> Iterator[tuple[str, float]]:
    """The product's own commands, start-up included."""
    repo = scratch / "ours"
    program = [sys.executable, "-m", "synthstore"]
    yield "full", run([*program, "backup", store, "--repo", repo, "-q"]).wall
    yield "unchanged", run([*program, "backup", store, "--repo", repo, "-q"]).wall
    yield "restore", run([*program, "restore", scratch / "ours-out", "--repo", repo, "-q"]).wall
    yield "check", run([*program, "snapshots", "check", "--read-data", "--repo", repo, "-q"]).wall


def restic(store: Path, scratch: Path) -> Iterator[tuple[str, float]]:
    """The same with restic."""
    repo = scratch / "restic"
    environ = {"RESTIC_PASSWORD": "x", "RESTIC_CACHE_DIR": str(scratch / "restic-cache")}
    program = ["restic", "-r", repo, "-q"]
    run([*program, "init"], environ)
    yield "full", run([*program, "backup", store], environ).wall
    yield "unchanged", run([*program, "backup", store], environ).wall
    back = [*program, "restore", "latest", "--target", scratch / "restic-out"]
    yield "restore", run(back, environ).wall
    yield "check", run([*program, "check", "--read-data"], environ).wall


def borg(store: Path, scratch: Path) -> Iterator[tuple[str, float]]:
    """The same with borg."""
    repo = scratch / "borg"
    environ = {"BORG_BASE_DIR": str(scratch), "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
    run(["borg", "init", "-e", "none", repo], environ)
    for number, what in enumerate(("full", "unchanged")):
        one = ["borg", "create", "-C", "zstd,3", f"{repo}::{number}", store]
        yield what, run(one, environ).wall
    (scratch / "borg-out").mkdir()
    into = f'cd "{scratch}/borg-out" && borg extract "{repo}::0"'
    yield "restore", run(["sh", "-c", into], environ).wall
    yield "check", run(["borg", "check", "--verify-data", repo], environ).wall


PEERS = {"ours": ours, "restic": restic, "borg": borg}


def measure(store: Path, scratch: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Every peer that there is: medians of seconds by step, and the repository's share.

    Nothing in ``scratch`` is removed, as some file systems make files slowly soon after that.
    """
    there = [name for name in PEERS if name == "ours" or shutil.which(name) is not None]
    seconds: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in there}
    whole, share = size(store), {}
    for number in range(rounds):
        # The other way round every other time: whoever comes later may find the disk busy.
        for name in there if number % 2 else there[::-1]:
            own = scratch / f"{name}-{number}"
            own.mkdir()
            for what, wall in PEERS[name](store, own):
                seconds[name][what].append(wall)
            share[name] = size(own / name) / whole
    return {
        name: {what: statistics.median(walls) for what, walls in steps.items()}
        | {"size": share[name]}
        for name, steps in seconds.items()
    }


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
