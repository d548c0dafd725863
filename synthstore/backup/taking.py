"""From a living store to the rows of a snapshot: reads what changed, until nothing moves.

A snapshot is right if there was one moment at which every file was as it was taken. A pass lists
the store and reads what differs from what was taken: entity files, then the log, then the catalog
and the vectors, so that a fold, which moves changes from the log into those two, is met in the log
at least. The pass that follows lists again; where it finds nothing new, changed or gone, the
moment at which it began was such a one. A library may have been in the middle of a change then;
its log, which announces each change before it is made, explains that as after a crash. Nothing
explains a command's run half done: such a moment does not count.

A large index of vectors is read by a worker while the store is listed again. It counts as it was
read only if it was so when it was listed before, too: then it was so when the second listing began.

Of a writer that never rests we ask to wait. A library changes nothing without the store's write
lock, so the passes under that lock, which have little left to read, find rest. The same passes read
again what was too young for its times to tell whether it moved. The lock is only held, not written;
where this user cannot do so, or the writer knows no lock, what moved in the last pass is told as a
problem.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from synthstore.backup.crew import Crew
from synthstore.backup.encoding import (
    WHOLE_BELOW,
    Outline,
    Read,
    outline,
    read_large,
    read_shard,
)
from synthstore.backup.judging import Glance, Judge
from synthstore.backup.listing import Listed, is_part, list_tree
from synthstore.backup.shipping import packed
from synthstore.errors import LockedError
from synthstore.files.lock import held_still
from synthstore.layout.base import Layout
from synthstore.model.facts import Stat
from synthstore.progress import Progress
from synthstore.repository.manifest import FileRow, Tree
from synthstore.repository.vault import Repository
from synthstore.repository.writing import Writer
from synthstore.scan.pool import shards
from synthstore.store.history import unfinished_runs
from synthstore.store.journal import RUNS, WRITE_LOCK

PASSES = 3
"""How often a store is gone through because files moved meanwhile, before its writers must wait,
and as often again then."""

_AHEAD = 3
_MOVES = "it kept changing while the backup was made"
_IS_HALF_DONE = "this run was at work on the store while the backup was made"


@dataclass(slots=True)
class Taken:
    """What was taken of a store."""

    tree: Tree
    new: int
    changed: int
    removed: int
    unchanged: int
    problems: Mapping[str, str]
    skipped: tuple[str, ...]
    glance: Future[Glance] | None = None
    """A look at the store as it was taken, if one was begun."""


@dataclass(slots=True)
class Taker:
    """Takes one store into one repository."""

    root: Path
    recognise: Callable[[], Layout]
    """Tells the store's layout; not asked where all is as in the last snapshot."""
    repository: Repository
    writer: Writer
    previous: Mapping[str, FileRow]
    """The rows of the name's last snapshot, by path."""
    crew: Crew
    judge: Callable[[], Judge]
    """Whose quick look at the store is taken in a process of the crew, if it has any."""
    progress: Progress
    rows: dict[str, FileRow] = field(default_factory=dict)
    seen: dict[str, Stat] = field(default_factory=dict)
    """Status of each file as it was last looked at, read or not."""
    problems: dict[str, str] = field(default_factory=dict)
    _glance: Future[Glance] | None = None
    _vectors: tuple[str, Stat, Future[Outline | None]] | None = None
    """The index that a worker reads while the store is listed again, as it was listed before."""

    def take(self) -> Taken:
        """Take the store as it was at one moment, or tell what kept moving."""
        listed, moving = self._follow()
        if self._forget_young() or moving:
            from synthstore.store.session import CHANGE_WAIT  # noqa: PLC0415

            with ExitStack() as stack:
                with suppress(LockedError):
                    lock = held_still(self.root / WRITE_LOCK, shared=True, wait=CHANGE_WAIT)
                    stack.enter_context(lock)
                listed, moving = self._follow()
        self.problems = {**moving, **self.problems}
        return self._taken(listed)

    def _follow(self) -> tuple[Listed, Mapping[str, str]]:
        """Take what moved, pass by pass, until nothing moves; what did in the last one, and how."""
        for _ in range(PASSES):
            runs = [f"{RUNS}/{run.run}" for run in unfinished_runs(self.root) if run.owner_alive]
            listed = list_tree(self.root)
            self._enter_vectors()
            moved = [p for p, stat in listed.files.items() if not _same(stat, self.seen.get(p))]
            gone = (self.seen.keys() | self.rows.keys()) - listed.files.keys()
            self._drop(gone)
            if not (moved or gone or runs):
                return listed, {}
            # What was looked at before is not what is taken now.
            self._glance = None
            if not (self._take_all(moved, listed) or gone or runs):
                return listed, {}
        self._enter_vectors()
        moving = dict.fromkeys([*moved, *gone], _MOVES) | dict.fromkeys(runs, _IS_HALF_DONE)
        return listed, moving

    def _drop(self, gone: Collection[str]) -> None:
        for path in gone:
            self.seen.pop(path, None)
            self.rows.pop(path, None)
            self.problems.pop(path, None)

    def _forget_young(self) -> bool:
        """Have those read again, if any, that may have changed without their times showing it."""
        young = [path for path, row in self.rows.items() if not row.inode]
        for path in young:
            self.seen.pop(path, None)
        return bool(young)

    def _take_all(self, moved: Sequence[str], listed: Listed) -> bool:
        """Take what moved; False where all is as in the last snapshot, which was of one moment."""
        self.seen.update(listed.files)
        stands = {path for path in moved if self._stands(path, listed.files[path])}
        if len(stands) == len(self.rows) == len(self.previous) == len(listed.files):
            return False
        layout = self.recognise()
        fresh = sorted(set(moved) - stands)
        last = [path for path in fresh if is_part(layout, path)]
        rest = [path for path in fresh if path not in last]
        self.progress.start("backing up", len(fresh))
        for read in self._read_small([p for p in rest if listed.files[p].size < WHOLE_BELOW]):
            self._enter(read)
        for path in (*(p for p in rest if listed.files[p].size >= WHOLE_BELOW), *last):
            if not self._has_read(path, listed.files[path]):
                self._enter(self._read_alone(path, listed.files[path]))
        return True

    def _stands(self, path: str, stat: Stat) -> bool:
        """Whether the last snapshot has these very bytes, and the repository still has them."""
        old = same_file(self.previous, path, stat)
        if old is None or not self.repository.has(old.object):
            return False
        # The row itself where it can be: of many, this is told from another in no time.
        self.rows[path] = old if old.mode == stat.mode else old._replace(mode=stat.mode)
        return True

    def _read_small(self, paths: Sequence[str]) -> Iterator[Read]:
        executor = self.crew.for_files(len(paths))
        if executor is None:
            for shard in shards(paths):
                yield from read_shard(str(self.root), self.recognise(), shard, self.writer)
        else:
            yield from self._read_by(executor, paths)

    def _read_by(self, executor: Executor, paths: Sequence[str]) -> Iterator[Read]:
        # Of use only if nothing moves from here on, but then it need not be waited for.
        self._glance = self.crew.beside(executor, len(paths), self.judge().glance_apart)
        ahead = _AHEAD * self.crew.size
        for shard in packed(executor, str(self.root), self.recognise(), paths, ahead):
            for block in shard.blocks:
                self.writer.add_block(block)
            yield from shard.reads

    def _read_alone(self, path: str, stat: Stat) -> Read:
        if stat.size < WHOLE_BELOW:
            (read,) = read_shard(str(self.root), self.recognise(), [path], self.writer)
            return read
        return read_large(self.root, path, self.writer)

    def _has_read(self, path: str, stat: Stat) -> bool:
        """Have a worker read the index, if it is large and there are any."""
        executor = self.crew.started
        if executor is None or path != self.recognise().faiss_path or stat.size < WHOLE_BELOW:
            return False
        self._vectors = path, stat, executor.submit(outline, self.root, path)
        return True

    def _enter_vectors(self) -> None:
        """Enter the index that a worker has read, or read it if that was of no use."""
        if self._vectors is None:
            return
        (path, before, reading), self._vectors = self._vectors, None
        drawn = reading.result()
        if drawn is not None and all(map(self.writer.has, drawn.pieces())):
            self.writer.add(drawn.encoded)
            read = drawn.read
        else:
            read = self._read_alone(path, before)
        self._enter(read)
        if read.stat is not None and not _same(read.stat, before):
            # The listing met it before or after it changed, nobody knows which.
            self.seen.pop(path, None)

    def _enter(self, read: Read) -> None:
        self.progress.advance(1)
        self.problems.pop(read.path, None)
        if read.problem is not None:
            self.problems[read.path] = read.problem
            return
        path, stat, sha256 = read.path, read.stat, read.sha256
        if sha256 is None or stat is None:
            self.rows.pop(path, None)
            return
        inode = stat.inode if read.settled else 0
        self.seen[path] = stat
        self.rows[path] = FileRow(
            path, stat.size, stat.mtime_ns, stat.mode, inode, sha256.hex(), read.state, read.id
        )

    def _taken(self, listed: Listed) -> Taken:
        files = tuple(self.rows[path] for path in sorted(self.rows))
        folders = tuple(sorted(listed.folders, key=lambda folder: folder.path))
        old = self.previous
        new = sum(row.path not in old for row in files)
        same = sum(row.path in old and old[row.path].sha256 == row.sha256 for row in files)
        return Taken(
            tree=Tree(files, folders),
            new=new,
            changed=len(files) - new - same,
            removed=len(old.keys() - self.rows.keys()),
            unchanged=same,
            problems={**self.problems, **listed.problems},
            skipped=tuple(sorted(listed.skipped)),
            glance=self._glance,
        )


def same_file(previous: Mapping[str, FileRow], path: str, stat: Stat) -> FileRow | None:
    """The row of ``path`` in the last snapshot, if its size, time and inode are still those."""
    old = previous.get(path)
    same = (
        old is not None
        and old.size == stat.size
        and old.mtime_ns == stat.mtime_ns
        and old.inode == stat.inode
    )
    return old if same else None


def _same(now: Stat, then: Stat | None) -> bool:
    # Not by tuples of these: a listing asks it of every file.
    return (
        then is not None
        and now.size == then.size
        and now.mtime_ns == then.mtime_ns
        and now.inode == then.inode
    )
