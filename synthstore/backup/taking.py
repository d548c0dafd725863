"""From a living store to the rows of a snapshot: reads what changed, until nothing moves."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from synthstore.backup.encoding import WHOLE_BELOW, Read, read_large, read_shard
from synthstore.backup.listing import Listed, is_part, list_tree
from synthstore.layout.base import Layout
from synthstore.model.facts import Stat
from synthstore.progress import Progress
from synthstore.repository.manifest import FileRow, Tree
from synthstore.repository.vault import Repository
from synthstore.repository.writing import Writer
from synthstore.scan.pool import PROCESSES_PAY_FROM, SHARD, executor_for, usable_cores

PASSES = 3
"""How often a store is gone through again because files moved meanwhile."""

TICK_NS = 100_000_000
"""A file this young when it was read may change again without its time showing it."""

_AHEAD = 3


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


@dataclass(slots=True)
class Taker:
    """Takes one store into one repository."""

    root: Path
    layout: Layout
    repository: Repository
    writer: Writer
    previous: Mapping[str, FileRow]
    """The rows of the name's last snapshot, by path."""
    jobs: int | None
    progress: Progress
    rows: dict[str, FileRow] = field(default_factory=dict)
    seen: dict[str, Stat] = field(default_factory=dict)
    """Status of each file as it was taken."""
    problems: dict[str, str] = field(default_factory=dict)

    def take(self) -> Taken:
        """Take entity files first, what refers to them last, and again what moved meanwhile."""
        for _ in range(PASSES):
            listed = list_tree(self.root)
            moved = [p for p, stat in listed.files.items() if not _same(stat, self.seen.get(p))]
            gone = self.rows.keys() - listed.files.keys()
            for path in gone:
                del self.rows[path], self.seen[path]
            if not moved or not self._take_all(moved, listed):
                break
        return self._taken(listed)

    def _take_all(self, moved: Sequence[str], listed: Listed) -> bool:
        """Take what moved; False where the last snapshot had all of it, so that no time passed."""
        stands = {path for path in moved if self._stands(path, listed.files[path])}
        fresh = sorted(set(moved) - stands)
        last = [path for path in fresh if is_part(self.layout, path)]
        rest = [path for path in fresh if path not in last]
        self.progress.start("backing up", len(fresh))
        for read in self._read_small([p for p in rest if listed.files[p].size < WHOLE_BELOW]):
            self._enter(read)
        for path in (*(p for p in rest if listed.files[p].size >= WHOLE_BELOW), *last):
            self._enter(self._read_alone(path, listed.files[path]))
        return bool(fresh)

    def _stands(self, path: str, stat: Stat) -> bool:
        """Whether the last snapshot has these very bytes, and the repository still has them."""
        old = same_file(self.previous, path, stat)
        if old is None or not self.repository.has(old.object):
            return False
        self._row(path, stat, old.sha256, old.state, old.id)
        return True

    def _read_small(self, paths: Sequence[str]) -> Iterator[Read]:
        shards = (paths[start : start + SHARD] for start in range(0, len(paths), SHARD))
        if len(paths) < PROCESSES_PAY_FROM or (self.jobs or usable_cores()) < 2:  # noqa: PLR2004
            for shard in shards:
                yield from read_shard(str(self.root), self.layout, shard)
            return
        with executor_for(len(paths), self.jobs) as executor:
            waiting: deque[Future[list[Read]]] = deque()
            for shard in shards:
                waiting.append(executor.submit(read_shard, str(self.root), self.layout, shard))
                if len(waiting) > _AHEAD * (self.jobs or usable_cores()):
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()

    def _read_alone(self, path: str, stat: Stat) -> Read:
        if stat.size < WHOLE_BELOW:
            (read,) = read_shard(str(self.root), self.layout, [path])
            return read
        return read_large(self.root, path, self.writer.add_piece)

    def _enter(self, read: Read) -> None:
        self.progress.advance(1)
        self.problems.pop(read.path, None)
        if read.problem is not None:
            self.problems[read.path] = read.problem
            return
        if read.encoded is None or read.stat is None:
            self.rows.pop(read.path, None)
            self.seen.pop(read.path, None)
            return
        self.writer.add(read.encoded)
        self._row(read.path, read.stat, read.encoded.id.hex(), read.state, read.id)

    def _row(self, path: str, stat: Stat, sha256: str, state: str, name: str) -> None:
        settled = time.time_ns() - stat.mtime_ns > TICK_NS
        inode = stat.inode if settled else 0
        self.seen[path] = stat
        self.rows[path] = FileRow(
            path, stat.size, stat.mtime_ns, stat.mode, inode, sha256, state, name
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
        )


def same_file(previous: Mapping[str, FileRow], path: str, stat: Stat) -> FileRow | None:
    """The row of ``path`` in the last snapshot, if its size, time and inode are still those."""
    old = previous.get(path)
    if old is None or (old.size, old.mtime_ns, old.inode) != (stat.size, stat.mtime_ns, stat.inode):
        return None
    return old


def _same(now: Stat, then: Stat | None) -> bool:
    return then is not None and (now.size, now.mtime_ns, now.inode) == (
        then.size,
        then.mtime_ns,
        then.inode,
    )
