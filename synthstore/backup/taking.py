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

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import compress
from operator import attrgetter
from pathlib import Path

import numpy as np

from synthstore.backup.encoding import Read
from synthstore.backup.judging import Glance
from synthstore.backup.listing import Standing, Status, parts_of, stand
from synthstore.backup.reading import Reader, is_small
from synthstore.errors import LockedError
from synthstore.files.lock import held_still
from synthstore.progress import Progress
from synthstore.repository.file_rows import FileRow, FileRows, Mask
from synthstore.repository.manifest import FolderRow, Tree
from synthstore.repository.path_column import PathColumn, Places
from synthstore.repository.vault import Repository
from synthstore.store.history import unfinished_runs
from synthstore.store.journal import RUNS, WRITE_LOCK

PASSES = 3
"""How often a store is gone through because files moved meanwhile, before its writers must wait,
and as often again then."""

_MOVES = "it kept changing while the backup was made"
_IS_HALF_DONE = "this run was at work on the store while the backup was made"


@dataclass(slots=True)
class Taken:
    """What was taken of a store."""

    rows: FileRows
    """Of its files, in the order of their paths."""
    folders: tuple[FolderRow, ...]
    new: int
    changed: int
    removed: int
    unchanged: int
    problems: Mapping[str, str]
    skipped: tuple[str, ...]
    glance: Future[Glance] | None = None
    """A look at the store as it was taken, if one was begun."""

    @property
    def tree(self) -> Tree:
        """The list of all that was taken."""
        return Tree(self.rows, self.folders)


@dataclass(slots=True)
class Taker:
    """Takes one store into one repository."""

    root: Path
    reader: Reader
    repository: Repository
    previous: FileRows
    """The rows of the name's last snapshot, in the order of their paths."""
    progress: Progress
    refuse_strangers: Callable[[PathColumn, Places], None]
    """Raises RefusedError for files that are of another store than the last snapshot.

    Asked with where in that each of them stands.
    """
    rows: FileRows = field(default_factory=partial(FileRows.of, ()))
    """What was taken, likewise."""
    problems: dict[str, str] = field(default_factory=dict)
    _late: dict[str, FileRow] = field(default_factory=dict)
    """What was taken and is not among ``rows`` yet."""
    _apart: dict[str, Status | None] = field(default_factory=dict)
    """Status of those, as last looked at, whose row does not tell it; None: to be read again."""

    def take(self) -> Taken:
        """Take the store as it was at one moment, or tell what kept moving."""
        standing, moving = self._follow()
        if self._forget_young() or moving:
            from synthstore.store.session import CHANGE_WAIT  # noqa: PLC0415

            with ExitStack() as stack:
                with suppress(LockedError):
                    lock = held_still(self.root / WRITE_LOCK, shared=True, wait=CHANGE_WAIT)
                    stack.enter_context(lock)
                standing, moving = self._follow()
        self.problems = {**moving, **self.problems}
        return self._taken(standing)

    def _follow(self) -> tuple[Standing, Mapping[str, str]]:
        """Take what moved, pass by pass, until nothing moves; what did in the last one, and how."""
        for _ in range(PASSES):
            runs = [f"{RUNS}/{run.run}" for run in unfinished_runs(self.root) if run.owner_alive]
            standing = stand(self.root)
            self._enter_late(standing)
            places = self.rows.paths.places(standing.paths)
            moved = self._moved(standing, places)
            gone = self._gone(standing, places)
            if not (moved.any() or gone or runs):
                return standing, {}
            # What was looked at before is not what is taken now.
            self.reader.glance = None
            if not (self._take_all(standing, places, moved) or gone or runs):
                return standing, {}
        self._enter_late(standing)
        late = [*compress(standing.paths, moved), *gone]
        return standing, dict.fromkeys(late, _MOVES) | dict.fromkeys(runs, _IS_HALF_DONE)

    def _enter_late(self, standing: Standing) -> None:
        self._enter_vectors(standing)
        late = sorted(self._late.values(), key=attrgetter("path"))
        self.rows = FileRows.joined((self.rows, FileRows.of(late)))
        self._late.clear()

    def _moved(self, standing: Standing, places: Places) -> Mask:
        """Which files are not as they were looked at last."""
        same = standing.unmoved(self.rows, places)
        for path, status in self._apart.items():
            place = standing.paths.place(path)
            if place is not None:
                same[place] = status == standing.status(place)
        return ~same

    def _gone(self, standing: Standing, places: Places) -> Collection[str]:
        """Files that were there, and are no more."""
        stays = np.zeros(len(self.rows), bool)
        stays[places[places >= 0]] = True
        gone = set() if stays.all() else set(compress(self.rows.paths, ~stays))
        return gone | {path for path in self._apart if standing.paths.place(path) is None}

    def _forget_young(self) -> bool:
        """Have those read again, if any, that may have changed without their times showing it."""
        young = self.rows.table["inode"] == 0
        self._apart.update(dict.fromkeys(compress(self.rows.paths, young)))
        return bool(young.any())

    def _take_all(self, standing: Standing, places: Places, moved: Mask) -> bool:
        """Take what moved; False where all is as in the last snapshot, which was of one moment."""
        self._forget_all_but(standing, ~moved)
        stands, rows = self._stand(standing, moved)
        if len(rows) == len(self.previous) == len(standing):
            self.rows = rows
            return False
        stays = np.zeros(len(self.rows), bool)
        stays[places[~moved & (places >= 0)]] = True
        self.rows = FileRows.joined((self.rows.taken(stays), rows))
        self._read_all(standing, moved & ~stands)
        return True

    def _forget_all_but(self, standing: Standing, unmoved: Mask) -> None:
        """Forget what was learned of files that moved or are gone."""
        for path in list(self._apart):
            place = standing.paths.place(path)
            if place is None or not unmoved[place]:
                del self._apart[path]
                self.problems.pop(path, None)

    def _stand(self, standing: Standing, moved: Mask) -> tuple[Mask, FileRows]:
        """Which of those that moved are as in the last snapshot, and their rows.

        Only if the repository still has these very bytes.
        """
        old = self.previous
        places = old.paths.places(standing.paths)
        self.refuse_strangers(standing.paths, places)
        stands = standing.unmoved(old, places) & moved
        stands[stands] = self.repository.has_each(old.table["object"][places[stands]].tobytes())
        known = np.zeros(len(old), bool)
        known[places[stands]] = True
        return stands, old.taken(known).with_modes(standing.table["mode"][stands])

    def _read_all(self, standing: Standing, fresh: Mask) -> None:
        self.progress.start("backing up", int(fresh.sum()))
        places = map(standing.paths.place, sorted(parts_of(self.reader.recognise())))
        parts = [place for place in places if place is not None and fresh[place]]
        fresh[parts] = False
        small = is_small(standing.table["size"])
        reads = self.reader.read(PathColumn(compress(standing.paths, fresh & small)))
        rows = FileRows.of(row for read in reads if (row := self._row(read, standing)) is not None)
        self.rows = FileRows.joined((self.rows, rows))
        for place in (*np.flatnonzero(fresh & ~small).tolist(), *parts):
            path, status = standing.paths[place], standing.status(place)
            if not self.reader.hand_out(path, status):
                self._take_late(self.reader.read_one(path, status.size), standing)

    def _enter_vectors(self, standing: Standing) -> None:
        """Enter the index that a worker has read."""
        handed = self.reader.handed_in()
        if handed is None:
            return
        read, before = handed
        self._take_late(read, standing)
        if read.problem is not None:
            self._apart[read.path] = before
        elif read.stat is not None and Status.of(read.stat) != before:
            # The listing met it before or after it changed, nobody knows which.
            self._apart[read.path] = None

    def _take_late(self, read: Read, standing: Standing) -> None:
        row = self._row(read, standing)
        if row is not None:
            self._late[row.path] = row

    def _row(self, read: Read, standing: Standing) -> FileRow | None:
        """The row of a file that was read; None where it could not be, or is gone."""
        self.progress.advance(1)
        path, stat, sha256 = read.path, read.stat, read.sha256
        if read.problem is not None:
            self.problems[path] = read.problem
            place = standing.paths.place(path)
            self._apart[path] = None if place is None else standing.status(place)
            return None
        if sha256 is None or stat is None:
            self._apart[path] = None
            return None
        if not read.settled:
            self._apart[path] = Status.of(stat)
        inode = stat.inode if read.settled else 0
        return FileRow(
            path, stat.size, stat.mtime_ns, stat.mode, inode, sha256.hex(), read.state, read.id
        )

    def _taken(self, standing: Standing) -> Taken:
        old, rows = self.previous, self.rows
        places = old.paths.places(rows.paths)
        known = places >= 0
        same = rows.table["object"][known] == old.table["object"][places[known]]
        return Taken(
            rows=rows,
            folders=tuple(sorted(standing.folders, key=attrgetter("path"))),
            new=len(rows) - int(known.sum()),
            changed=int((~same).sum()),
            removed=len(old) - int(known.sum()),
            unchanged=int(same.sum()),
            problems={**self.problems, **standing.problems},
            skipped=tuple(sorted(standing.skipped)),
            glance=self.reader.glance,
        )
