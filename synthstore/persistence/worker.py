"""The other end of ``apart``: one task in a process of its own, answered in JSON lines."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from synthstore.errors import SynthstoreError
from synthstore.persistence import folds
from synthstore.store.evidence import recognise


def main() -> None:
    """Do the task that standard input names, and write the answers to standard output."""
    _report_logs()
    task: dict[str, Any] = orjson.loads(sys.stdin.buffer.read())
    try:
        for answer in _answers(task.pop("task"), Path(task.pop("root")), task):
            _say({"answer": answer})
    except SynthstoreError as error:
        _say({"error": type(error).__name__, "message": error.message, "hint": error.hint})


def _answers(task: str, root: Path, options: Mapping[str, Any]) -> Iterator[object]:
    layout = recognise(root, options.get("layout"))
    backups = tuple(options.get("backups", ()))
    if task in ("fold", "rows"):
        if task == "fold":
            folds.bring_in(root, layout, backups=backups)
        found, state = folds.rows(root, layout)
        yield [found is not None, state]
        yield from folds.row_chunks(found or {})
        return
    # Slow to import, and seldom needed.
    from synthstore.persistence import tasks  # noqa: PLC0415

    if task == "settle":
        yield tasks.settle(root, auto_repair=options["auto_repair"], backups=backups)
    else:
        yield tasks.mend(root, backups=backups)


class _ToParent(logging.Handler):
    """Gives what is logged to the parent, whose loggers know what to do with it."""

    def emit(self, record: logging.LogRecord) -> None:
        _say({"log": record.levelno, "message": record.getMessage()})


def _report_logs() -> None:
    logger = logging.getLogger("synthstore")
    logger.addHandler(_ToParent())
    logger.setLevel(logging.INFO)
    logger.propagate = False


def _say(document: Mapping[str, object]) -> None:
    sys.stdout.buffer.write(orjson.dumps(document, default=str) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
