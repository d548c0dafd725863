"""A small durable writer by the same protocol, with bugs that can be switched on.

It proves the harness: without a bug no fault may raise an alarm, and each bug must be found.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path

CATALOG = "memory_index.json"


class Bug(StrEnum):
    """What a writer may get wrong."""

    IN_PLACE = "in-place write"
    CATALOG_FIRST = "catalog before file"
    UNLINK_FIRST = "unlink before write"
    SHORT_WRITE = "swallowed short write"
    FSYNC_IGNORED = "ignored fsync error"
    JOURNAL_IGNORED = "ignored journal"
    NOT_SYNCED = "no fsync"


BUGS: set[Bug] = set()
"""Those switched on in this process."""


class ToyError(Exception):
    """The system failed; the next start completes what was committed."""

    exit_code = 4


def build(store: Path) -> None:
    """Write a store of four entities, one of them not listed, and one row without a file."""
    for name, raw in _bodies("old", 4).items():
        _plain(store / name, raw)
    _plain(store / CATALOG, _catalog(["memories/m0.json", "memories/m1.json", "memories/gone"]))


def update(store: Path) -> None:
    """Rewrite one entity, add one, remove one, and list what is there."""
    with _told():
        recover(store)
        wanted = _wanted(store)
        if any(_bytes(store / path) != raw for path, raw in wanted.items()):
            _run(store, wanted)


def recover(store: Path) -> None:
    """Remove what was only begun, complete what was committed."""
    with _told():
        for run in sorted((store / ".synthstore" / "runs").glob("*")):
            if not (run / "committed").exists():
                shutil.rmtree(run)
            elif not (run / "done").exists() and Bug.JOURNAL_IGNORED not in BUGS:
                _complete(store, run)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ToyError(str(error)) from error


def _wanted(store: Path) -> dict[str, bytes | None]:
    kept = _bodies("old", 4)
    new = {"memories/m1.json": _bodies("new", 2)["memories/m1.json"], "memories/m9.json": b"{}"}
    listed = [path for path in kept if path != "memories/m3.json"] + ["memories/m9.json"]
    return {**new, CATALOG: _catalog(listed), "memories/m3.json": None}


def _bodies(text: str, count: int) -> dict[str, bytes]:
    ids = [f"m{n}" for n in range(count)]
    return {f"memories/{i}.json": json.dumps({"id": i, "text": text}).encode() for i in ids}


def _catalog(paths: list[str]) -> bytes:
    return json.dumps({path: {"path": path, "type": "memory"} for path in paths}).encode()


def _plain(path: Path, raw: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    path.chmod(0o600)


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _run(store: Path, wanted: Mapping[str, bytes | None]) -> None:
    runs = store / ".synthstore" / "runs"
    run = runs / f"{len(list(runs.glob('*'))):04}"
    for folder in (run / "new", run / "old"):
        folder.mkdir(parents=True)
    for slot, (path, raw) in enumerate(wanted.items()):
        if raw is not None:
            _write(run / "new" / str(slot), raw)
        if (store / path).exists():
            os.link(store / path, run / "old" / str(slot))
    _write(run / "plan", json.dumps([(p, raw is None) for p, raw in wanted.items()]).encode())
    for folder in (run / "new", run / "old", run, runs, runs.parent, store):
        _sync(folder)
    (run / "plan").replace(run / "committed")
    _sync(run)
    _complete(store, run)


def _complete(store: Path, run: Path) -> None:
    plan: list[tuple[str, bool]] = json.loads((run / "committed").read_bytes())
    steps = [(path, gone, run / "new" / str(slot)) for slot, (path, gone) in enumerate(plan)]
    if Bug.CATALOG_FIRST in BUGS:
        steps.sort(key=lambda step: step[0] != CATALOG)
    for path, gone, staged in steps:
        if gone:
            (store / path).unlink(missing_ok=True)
        elif staged.exists():
            _put(store / path, staged)
    for folder in {(store / path).parent for path, _ in plan}:
        _sync(folder)
    _write(run / "finished", b"{}")
    (run / "finished").replace(run / "done")
    _sync(run)


def _put(target: Path, staged: Path) -> None:
    if Bug.IN_PLACE in BUGS:
        target.write_bytes(staged.read_bytes())
        target.chmod(0o600)
        return
    if Bug.UNLINK_FIRST in BUGS:
        target.unlink(missing_ok=True)
    staged.replace(target)


def _write(path: Path, raw: bytes) -> None:
    path.unlink(missing_ok=True)
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        left = memoryview(raw)
        while left:
            left = left[os.write(number, left) :]
            if Bug.SHORT_WRITE in BUGS:
                break
        _fsync(number)
    finally:
        os.close(number)


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        _fsync(number)
    finally:
        os.close(number)


def _fsync(number: int) -> None:
    if Bug.NOT_SYNCED in BUGS:
        return
    with contextlib.suppress(*([OSError] if Bug.FSYNC_IGNORED in BUGS else [])):
        os.fsync(number)
