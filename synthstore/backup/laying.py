"""A whole snapshot laid out in a new directory: built aside, then renamed into place."""

from __future__ import annotations

import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack, suppress
from functools import partial
from itertools import chain, islice
from pathlib import Path

import numpy as np

from synthstore.backup.claiming import Claiming
from synthstore.backup.decoding import WHOLE_BELOW, Laid, lay_rows, lay_shard
from synthstore.errors import OperationError, UsageError
from synthstore.files.arena import Arena, Shelf, open_arena
from synthstore.files.durable import fsync_dir, make_dirs, remove, remove_tree, replace
from synthstore.files.flushing import Flush
from synthstore.files.folders import dress_folder
from synthstore.files.memory import MANY
from synthstore.files.space import require_room
from synthstore.layout.base import Layout
from synthstore.model.columns import FileTable, each_of
from synthstore.model.paths import confined
from synthstore.progress import Progress, SilentProgress
from synthstore.repository.file_rows import FileRows, paths_of, rows_of
from synthstore.repository.manifest import Tree
from synthstore.repository.path_column import RUN
from synthstore.repository.vault import Repository
from synthstore.scan.known import NOTHING, Known
from synthstore.scan.pool import SHARD, as_done, call_off
from synthstore.scan.shard import ShardFacts
from synthstore.scan.tables import join_tables
from synthstore.scan.thresholds import SETTLED_NS

_PRIVATE = 0o700

_LOOK_SECONDS = 20e-6
"""What the look at the new store takes a file, while one core has nothing else to do."""

_AHEAD = 4
"""Shards a worker that may wait for it."""

_ODD_PARTS = frozenset({"", ".", ".."})

_Shelved = tuple[range, Shelf | None]
"""Places of files that are laid together, and of their embeddings in the arena."""


class LaidOut:
    """A snapshot that stands beside the place that it is to have, and may not be durable yet."""

    def __init__(self, aside: Path, target: Path, tree: Tree) -> None:
        self.aside = aside
        self._target = target
        files = FileRows.of(tree.files)
        self._paths = files.paths
        self._folders = [row.path for row in tree.folders if _may_be_opened(row.mode)]
        self._placed = False
        self.lost: dict[str, str] = {}
        """Files that the repository could not give back, and why."""
        self.known = NOTHING
        """What was learned of the entity files when they were read back."""
        self.flush = Flush(aside, total=files.size, beside=_LOOK_SECONDS * len(files))

    @property
    def files(self) -> int:
        """How many could be written."""
        return len(self._paths) - len(self.lost)

    def sync(self) -> None:
        """Make all of it durable."""
        self.flush.finish(path for path in self._paths if path not in self.lost)
        for folder in self._folders:
            fsync_dir(self.aside / folder)

    def place(self) -> None:
        """Give it its name; it should be durable by then."""
        replace(self.aside, self._target)
        self._placed = True
        fsync_dir(self._target.parent)

    def close(self) -> None:
        """Let go; what has no name by now is removed."""
        self.flush.close()
        if not self._placed:
            _forget(self.aside)


def lay_out(
    repository: Repository,
    tree: Tree,
    target: Path,
    layout: Layout | None,
    *,
    executor: Executor | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> LaidOut:
    """Write exactly ``tree`` beside ``target``, each file read back; it is to be synced and placed.

    ``target`` must not exist, or be an empty folder. Entities are judged if ``layout`` is known.
    The ``executor`` does it, where one is given, by so many ``workers``.
    Raises OperationError with nothing left.
    """
    _require_sound(tree)
    files = FileRows.of(tree.files)
    aside = target.with_name(f".{target.name}.restoring")
    remove_tree(aside)
    make_dirs(target.parent, _PRIVATE)
    require_room(target.parent, files.table["size"].tolist(), files=len(files))
    with ExitStack() as undo:
        make_dirs(aside, _PRIVATE)
        undo.callback(_forget, aside)
        laid = LaidOut(aside, target, tree)
        undo.callback(laid.close)
        _Laying(repository, tree, laid, layout, progress or SilentProgress()).run(executor, workers)
        undo.pop_all()
    return laid


def _forget(aside: Path) -> None:
    # Failing at that changes nothing: the next restore removes it before its first byte.
    with suppress(OperationError):
        remove_tree(aside)


def _may_be_opened(mode: int) -> bool:
    """Whether a folder of this ``mode`` can be fsynced by its owner, later on."""
    return bool(mode & stat.S_IRUSR)


def _require_sound(tree: Tree) -> None:
    folders = (row.path for row in tree.folders if row.path)
    strange = next(_strange(chain(paths_of(tree.files), folders)), None)
    if strange is not None:
        raise UsageError(f"the snapshot holds a path that leaves the store: {strange!r}")


def _strange(paths: Iterable[str]) -> Iterator[str]:
    """Those that lead out of their folder, or are spelt as no listing spells them."""
    each = iter(paths)
    while run := list(islice(each, RUN)):
        whole = "/".join(run)
        # Seen at once for many of them, as there is hardly ever one.
        if "\\" in whole or "\0" in whole or not _ODD_PARTS.isdisjoint(whole.split("/")):
            yield from (path for path in run if confined(path) != path)


class _Laying:
    """The writing of a tree, and what the workers learn of it."""

    def __init__(
        self,
        repository: Repository,
        tree: Tree,
        laid: LaidOut,
        layout: Layout | None,
        progress: Progress,
    ) -> None:
        self._repository, self._folders, self._laid = repository, tree.folders, laid
        self._files = FileRows.of(tree.files)
        self._layout, self._progress = layout, progress
        self._alone = _alone(self._files, layout)

    def run(self, executor: Executor | None, workers: int) -> None:
        """Write everything, and have the disk begin with it."""
        laid = self._laid
        folders = sorted(self._folders, key=lambda row: row.path)
        for row in folders:
            if row.path:
                make_dirs(laid.aside / row.path, _PRIVATE)
        with open_arena() as arena, self._claiming() as claiming:
            facts = self._write(arena, claiming, executor, workers)
            laid.known = _known(facts, arena, claiming)
        for path in laid.lost:
            remove(laid.aside / path)
        for row in reversed(folders):
            sync = not _may_be_opened(row.mode)
            dress_folder(laid.aside / row.path, row.mode, row.mtime_ns, sync=sync)

    def _claiming(self) -> Claiming:
        many = len(self._files) >= MANY
        return Claiming(self._laid.aside, self._layout, self._alone, many=many)

    def _write(
        self, arena: Arena | None, claiming: Claiming, executor: Executor | None, workers: int
    ) -> list[ShardFacts]:
        self._progress.start("restoring", len(self._files))
        shelved = list(_shelved(_shards(len(self._files), self._alone), arena))
        if executor is not None:
            return self._write_by(executor, _AHEAD * workers, shelved, claiming)
        lay = partial(lay_rows, self._repository, self._laid.aside, self._layout)
        rows = (list(rows_of(self._files.columns(shard))) for shard, _ in shelved)
        return [
            self._taken(lay(some, shelf), shard)
            for some, (shard, shelf) in zip(rows, shelved, strict=True)
        ]

    def _write_by(
        self, executor: Executor, ahead: int, shelved: Sequence[_Shelved], claiming: Claiming
    ) -> list[ShardFacts]:
        lay = partial(lay_shard, self._repository.place, self._laid.aside, self._layout)
        numbers: dict[Future[Laid], int] = {}

        def calls() -> Iterator[Future[Laid]]:
            for number, (shard, shelf) in enumerate(shelved):
                # As columns they are pickled in a fraction of the time.
                call = executor.submit(lay, self._files.columns(shard), shelf)
                numbers[call] = number
                yield call

        facts: dict[int, ShardFacts] = {}
        fresh: list[int] = []
        try:
            for done in as_done(calls(), ahead):
                number = numbers.pop(done)
                shard = shelved[number][0]
                facts[number] = self._taken(done.result(), shard)
                fresh.append(number)
                claiming.written(shard)
                claiming.share(facts, fresh)
        except BaseException:
            # Nobody may still write where all is about to be removed.
            call_off(numbers)
            raise
        # Those that came before the rows were read.
        claiming.claims()
        claiming.share(facts, fresh)
        return [facts[number] for number in range(len(shelved))]

    def _taken(self, done: Laid, shard: range) -> ShardFacts:
        """What was learned of a shard, of which note is taken."""
        self._laid.lost.update(done.lost)
        sizes = self._files.table["size"][shard.start : shard.stop]
        self._laid.flush.written(int(sizes.sum()))
        self._progress.advance(len(shard))
        return done.facts


def _alone(files: FileRows, layout: Layout | None) -> list[int]:
    """Places of files that are laid first, each alone.

    They are what is read while entities are written, and large ones: in the end nothing should wait
    for such a one.
    """
    paths = () if layout is None else (layout.catalog_path, *layout.mapping_paths)
    claims = (files.paths.place(path) for path in paths)
    large = np.flatnonzero(files.table["size"] >= WHOLE_BELOW).tolist()
    return list(dict.fromkeys([*(place for place in claims if place is not None), *large]))


def _shards(count: int, alone: Sequence[int]) -> Iterator[range]:
    """The places of so many files, as many together as are laid by one call."""
    yield from (range(place, place + 1) for place in alone)
    edges = sorted(alone)
    starts = [0, *(place + 1 for place in edges)]
    for start, end in zip(starts, [*edges, count], strict=True):
        yield from (range(at, min(at + SHARD, end)) for at in range(start, end, SHARD))


def _shelved(shards: Iterable[range], arena: Arena | None) -> Iterator[_Shelved]:
    """Each shard with a place in the arena, as many rows as it has files."""
    first = 0
    for shard in shards:
        yield shard, None if arena is None else Shelf(arena.address, first)
        first += len(shard)


def _known(facts: Sequence[ShardFacts], arena: Arena | None, claiming: Claiming) -> Known:
    """What was learned of the entity files, but for those too young to show a later change."""
    before = time.time_ns() - SETTLED_NS
    files = FileTable.joined(shard.files for shard in facts)
    if max(each_of(files, "stat.mtime_ns"), default=0) >= before:
        files = FileTable.of(file for file in files if file.stat.mtime_ns < before)
    tables = join_tables(facts, arena)
    return Known(files, tables, claiming.claims(), claiming.index(tables))


def is_new(target: Path) -> bool:
    """Whether ``target`` is free to become a directory of ours."""
    if not target.exists():
        return True
    try:
        return target.is_dir() and not any(target.iterdir())
    except OSError as error:
        raise OperationError(f"cannot look into {target}: {error.strerror}") from error
