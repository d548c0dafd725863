"""Heavy work where it blocks nobody: in this thread for small stores, else in another process.

A parser that reads six megabytes in one go holds up the event loop for 25 ms from whatever thread
it is called; a process of its own holds up nobody, and answers in portions.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import orjson

import synthstore
from synthstore import errors
from synthstore.errors import OperationError, SynthstoreError
from synthstore.layout.base import CATALOG_NAME, Layout
from synthstore.persistence import folds
from synthstore.persistence.folds import Identity, Rows
from synthstore.persistence.listed import Listed

HEAVY_BYTES: int = 1 << 20
"""A catalog beyond this is parsed elsewhere."""

Answer = dict[str, Any]
_ROW_BYTES = 350
_log = logging.getLogger("synthstore")


def heavy(root: Path, pending: int = 0) -> bool:
    """Whether the store's catalog, with ``pending`` rows more, is too much for this process."""
    try:
        size = (root / CATALOG_NAME).stat().st_size
    except OSError:
        size = 0
    return size + _ROW_BYTES * pending > HEAVY_BYTES and bool(sys.executable)


def settle(root: Path, *, auto_repair: bool, backups: tuple[int, int]) -> Answer:
    """As ``tasks.settle``."""
    if heavy(root):
        return _one({"task": "settle", "auto_repair": auto_repair}, root, backups)
    from synthstore.persistence import tasks  # noqa: PLC0415 - its imports take as long as opening

    return tasks.settle(root, auto_repair=auto_repair, backups=backups)


def mend(root: Path, *, backups: tuple[int, int]) -> Answer:
    """As ``tasks.mend``."""
    if heavy(root):
        return _one({"task": "mend"}, root, backups)
    from synthstore.persistence import tasks  # noqa: PLC0415

    return tasks.mend(root, backups=backups)


def bring_in(
    root: Path, layout: Layout, pending: int, *, backups: tuple[int, int]
) -> tuple[Rows | None, Identity]:
    """As ``folds.bring_in``, and then ``folds.rows``."""
    if heavy(root, pending):
        return _rows(_ask({"task": "fold", "layout": layout.name, "backups": backups}, root))
    folds.bring_in(root, layout, backups=backups)
    return folds.rows(root, layout)


def rows(root: Path, layout: Layout) -> tuple[Rows | None, Identity]:
    """As ``folds.rows``."""
    if heavy(root):
        return _rows(_ask({"task": "rows", "layout": layout.name}, root))
    return folds.rows(root, layout)


def _rows(answers: Iterator[object]) -> tuple[Rows | None, Identity]:
    readable, state = cast("tuple[bool, list[int] | None]", next(answers))
    found = (Listed(*row) for chunk in answers for row in cast("list[list[Any]]", chunk))
    by_ref = {row.ref: row for row in found}
    return by_ref if readable else None, cast("Identity", None if state is None else tuple(state))


def _one(task: dict[str, object], root: Path, backups: tuple[int, int]) -> Answer:
    (answer,) = _ask({**task, "backups": backups}, root)
    return cast("Answer", answer)


def _ask(task: dict[str, object], root: Path) -> Iterator[object]:
    """The answers of a worker process; raises what it raised."""
    done = subprocess.run(
        # -P: what lies in the current folder is no module of ours.
        [sys.executable, "-P", "-m", "synthstore.persistence.worker"],
        input=orjson.dumps({"root": str(root), **task}),
        capture_output=True,
        env=_environment(),
        check=False,
    )
    answered = False
    for line in done.stdout.splitlines():
        said = orjson.loads(line)
        if "log" in said:
            _log.log(said["log"], "%s", said["message"])
        elif "error" in said:
            raise _raised(said)
        else:
            answered = True
            yield said["answer"]
    if done.returncode != 0 or not answered:
        raise OperationError(
            f"a worker process for {root} failed: {_last_line(done.stderr)}",
            hint="try again; nothing is lost meanwhile",
        )


def _environment() -> dict[str, str]:
    package = str(Path(synthstore.__file__).parents[1])
    paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _raised(said: dict[str, Any]) -> SynthstoreError:
    kind = getattr(errors, str(said["error"]), OperationError)
    if not (isinstance(kind, type) and issubclass(kind, SynthstoreError)):
        kind = OperationError
    return kind(said["message"], hint=said["hint"])


def _last_line(raw: bytes) -> str:
    lines = raw.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "no answer"
