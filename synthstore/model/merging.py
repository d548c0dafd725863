"""Tables of files put together in the order of their paths."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import islice
from operator import attrgetter, le

from synthstore.model.columns import FileRun, FileTable, column_of
from synthstore.model.facts import EntityFile

_PATH = attrgetter("path")


def merged(tables: Sequence[Sequence[EntityFile]]) -> FileTable:
    """The files of all ``tables``, each of which is in order.

    Runs of the longest stay as they are where no file of another falls between theirs.
    """
    joined = FileTable.joined(tables)
    paths = column_of(joined, "path")
    if all(map(le, paths, islice(paths, 1, None))):
        return joined
    longest = max(tables, key=len)
    others = merge(*(table for table in tables if table is not longest), key=_PATH)
    table = longest if isinstance(longest, FileTable) else FileTable.of(longest)
    return FileTable(_with(table.runs, deque(others)))


def _with(runs: Sequence[FileRun], others: deque[EntityFile]) -> Iterator[FileRun]:
    for run in runs:
        last = run.file(run.count - 1).path
        between = list(_before(last, others))
        yield FileRun.of(list(merge(run, between, key=_PATH))) if between else run
    yield from FileTable.of(others).runs


def _before(path: str, files: deque[EntityFile]) -> Iterator[EntityFile]:
    while files and files[0].path < path:
        yield files.popleft()
