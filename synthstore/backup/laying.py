"""A whole snapshot laid out in a new directory: built aside, then renamed into place."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, as_completed
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from synthstore.backup.decoding import WHOLE_BELOW, Laid, lay_rows, lay_shard
from synthstore.errors import OperationError, UsageError
from synthstore.files.durable import (
    fsync_dir,
    make_dirs,
    remove,
    remove_tree,
    replace,
    synced,
)
from synthstore.files.folders import dress_folder
from synthstore.files.space import require_room
from synthstore.layout.base import Layout
from synthstore.model.facts import EntityFile
from synthstore.model.paths import confined
from synthstore.progress import Progress, SilentProgress
from synthstore.repository.manifest import FileRow, Tree
from synthstore.repository.vault import Repository
from synthstore.scan.growing import GrowingTable
from synthstore.scan.known import SETTLED_NS, Known
from synthstore.scan.pool import PROCESSES_PAY_FROM, executor_for, shards, usable_cores

_PRIVATE = 0o700


@dataclass(frozen=True, slots=True)
class LaidOut:
    """What became of a snapshot."""

    lost: Mapping[str, str]
    """Files that the repository could not give back, and why."""
    known: Known
    """What was learned of the entity files when they were read back."""


def lay_out(
    repository: Repository,
    tree: Tree,
    target: Path,
    layout: Layout | None,
    *,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> LaidOut:
    """Make ``target`` hold exactly ``tree``, each file read back; entities if ``layout`` is known.

    ``target`` must not exist, or be an empty folder. Raises OperationError with it untouched.
    """
    _require_sound(tree)
    aside = target.with_name(f".{target.name}.restoring")
    remove_tree(aside)
    make_dirs(target.parent, _PRIVATE)
    require_room(target.parent, (row.size for row in tree.files), files=len(tree.files))
    with ExitStack() as undo:
        undo.callback(_forget, aside)
        laid = _Laying(repository, tree, aside, layout, progress or SilentProgress())
        laid.run(jobs)
        undo.pop_all()
    replace(aside, target)
    fsync_dir(target.parent)
    return LaidOut(laid.lost, laid.known())


def _forget(aside: Path) -> None:
    # Failing at that changes nothing: the next restore removes it before its first byte.
    with suppress(OperationError):
        remove_tree(aside)


def _require_sound(tree: Tree) -> None:
    paths = [row.path for row in tree.files] + [row.path for row in tree.folders if row.path]
    strange = next((path for path in paths if confined(path) != path), None)
    if strange is not None:
        raise UsageError(f"the snapshot holds a path that leaves the store: {strange!r}")


class _Laying:
    """The tree laid out in ``aside``, and what the workers learn of it."""

    def __init__(
        self,
        repository: Repository,
        tree: Tree,
        aside: Path,
        layout: Layout | None,
        progress: Progress,
    ) -> None:
        self._repository, self._tree, self._aside = repository, tree, aside
        self._layout, self._progress = layout, progress
        self.lost: dict[str, str] = {}
        self._files: dict[str, EntityFile] = {}
        self._tables: dict[int, GrowingTable] = {}

    def run(self, jobs: int | None) -> None:
        """Write everything durably."""
        folders = sorted(self._tree.folders, key=lambda row: row.path)
        make_dirs(self._aside, _PRIVATE)
        for row in folders:
            if row.path:
                make_dirs(self._aside / row.path, _PRIVATE)
        standing = [f"{self._aside}/{row.path}" for row in self._tree.files]
        with synced(self._aside, standing):
            self._write(jobs)
            for path in self.lost:
                remove(self._aside / path)
                standing.remove(f"{self._aside}/{path}")
        for row in reversed(folders):
            dress_folder(self._aside / row.path, row.mode, row.mtime_ns)

    def _write(self, jobs: int | None) -> None:
        files = self._tree.files
        self._progress.start("restoring", len(files))
        if len(files) < PROCESSES_PAY_FROM or (jobs or usable_cores()) < 2:  # noqa: PLR2004
            for shard in shards(files):
                self._take(lay_rows(self._repository, self._aside, self._layout, shard), shard)
            return
        with executor_for(len(files), jobs) as executor:
            self._write_by(executor)

    def _write_by(self, executor: Executor) -> None:
        lay = partial(lay_shard, self._repository.place, self._aside, self._layout)
        # Large files first, for nothing should wait for them alone in the end.
        ordered: list[Sequence[FileRow]] = [
            [row] for row in self._tree.files if row.size >= WHOLE_BELOW
        ]
        ordered += shards([row for row in self._tree.files if row.size < WHOLE_BELOW])
        waiting = {executor.submit(lay, shard): shard for shard in ordered}
        for done in as_completed(list(waiting)):
            self._take(done.result(), waiting.pop(done))

    def _take(self, laid: Laid, shard: Sequence[FileRow]) -> None:
        self.lost |= laid.lost
        self._files |= {file.path: file for file in laid.facts.files}
        for dim, (paths, rows) in laid.facts.blocks.items():
            if dim not in self._tables:
                self._tables[dim] = GrowingTable(dim)
            self._tables[dim].extend(paths, rows)
        self._progress.advance(len(shard))

    def known(self) -> Known:
        """What was learned of the entity files, but for those too young to show a later change."""
        before = time.time_ns() - SETTLED_NS
        files = {p: file for p, file in self._files.items() if file.stat.mtime_ns < before}
        return Known(files, {dim: table.table() for dim, table in self._tables.items()})


def is_new(target: Path) -> bool:
    """Whether ``target`` is free to become a directory of ours."""
    if not target.exists():
        return True
    try:
        return target.is_dir() and not any(target.iterdir())
    except OSError as error:
        raise OperationError(f"cannot look into {target}: {error.strerror}") from error
