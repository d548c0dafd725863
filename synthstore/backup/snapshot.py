"""Backup: one snapshot of a living store."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from synthstore import __version__
from synthstore.backup.afterwards import followed
from synthstore.backup.crew import Crew, crew_of
from synthstore.backup.judging import Judge, Verdict
from synthstore.backup.listing import kind_at, stand
from synthstore.backup.reading import Reader
from synthstore.backup.refusals import refuse_inside, refuse_strangers
from synthstore.backup.report import BackupReport
from synthstore.backup.retention import Keep
from synthstore.backup.taking import Taken, Taker
from synthstore.checks.finding import Severity
from synthstore.layout.base import Layout
from synthstore.progress import Progress, SilentProgress
from synthstore.repository.config import begin, is_begun
from synthstore.repository.file_rows import FileRows
from synthstore.repository.manifest import DAMAGED, PARTIAL, Snapshot, Tree, spell_tree
from synthstore.repository.naming import Named
from synthstore.repository.path_column import PathColumn, Places
from synthstore.repository.place import SNAPSHOTS, Place
from synthstore.repository.vault import LostObjectError, Repository
from synthstore.repository.writing import Writer
from synthstore.store.evidence import recognise
from synthstore.store.history import unfinished_runs
from synthstore.store.opening import Clock, find_root

if TYPE_CHECKING:
    from synthstore.verify import KnownKey


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupOptions(Named):
    """What to call a snapshot (else as the store's directory), and what to do besides."""

    tags: tuple[str, ...] = ()
    keep: Keep | None = None
    """Rules to prune by afterwards."""
    check: bool = False
    dry_run: bool = False
    known: frozenset[KnownKey] = frozenset()
    severities: Mapping[str, Severity] = field(default_factory=dict)
    lock_wait: float = 0.0
    jobs: int | None = None
    layout: str | None = None


async def backup(
    store: Path, place: Place, options: BackupOptions, progress: Progress | None = None
) -> BackupReport:
    """Add a snapshot of the store at ``store`` to the repository at ``place``.

    Raises NotAStoreError, UsageError, RefusedError, LockedError, OperationError.
    """
    clock = Clock()
    root = find_root(store)
    refuse_inside(root, place)
    job = _Job(root, place, options, progress or SilentProgress())
    if options.dry_run or not await asyncio.to_thread(place.names, SNAPSHOTS):
        # Nothing is made for what is no store.
        await asyncio.to_thread(job.layout)
    if options.dry_run:
        return await asyncio.to_thread(_preview, store, job, clock)
    made = await asyncio.to_thread(begin, place)
    repository = Repository(place)
    await asyncio.to_thread(repository.read_config)
    with repository.locked(shared=True, wait=options.lock_wait):
        await asyncio.to_thread(repository.reload)
        job.open(repository)
        with job.writer, crew_of(options.jobs) as crew:
            taken = await asyncio.to_thread(job.take, crew)
            storing = asyncio.create_task(asyncio.to_thread(job.store_tree, taken))
            try:
                verdict = await job.judge(taken)
            finally:
                stored = await storing
        snapshot = await asyncio.to_thread(job.store, taken, stored, verdict)
    report = BackupReport(
        store=str(store),
        repository=place.where,
        dry_run=False,
        snapshot=snapshot,
        new=taken.new,
        changed=taken.changed,
        removed=taken.removed,
        unchanged=taken.unchanged,
        bytes_added=job.writer.bytes_added,
        problems=taken.problems,
        skipped=taken.skipped,
        new_repository=made,
        look=verdict.look,
        started_at=clock.started_at,
        elapsed_seconds=0.0,
    )
    report = await asyncio.to_thread(followed, report, place, options, job.progress)
    return replace(report, elapsed_seconds=clock.elapsed())


def _preview(store: Path, job: _Job, clock: Clock) -> BackupReport:
    """What a backup would read, by size, time and inode alone; writes nothing."""
    begun = is_begun(job.place)
    if begun:
        job.open(Repository.open(job.place))
    standing = stand(job.root)
    places = job.previous.paths.places(standing.paths)
    job.refuse_strangers(standing.paths, places)
    fresh, known = ~standing.unmoved(job.previous, places), places >= 0
    layout = job.layout()
    kinds = Counter(kind_at(layout, path) for path in standing.paths)
    sizes = standing.table["size"]
    return BackupReport(
        store=str(store),
        repository=job.place.where,
        dry_run=True,
        snapshot=Snapshot(
            name=job.name,
            time=datetime.now(UTC),
            layout=layout.name,
            tree="",
            files=len(standing),
            bytes=int(sizes.sum()),
            memories=kinds["memory"],
            assemblies=kinds["assembly"],
            vectors=0,
            tags=job.options.tags,
        ),
        new=int((~known).sum()),
        changed=int((fresh & known).sum()),
        removed=len(job.previous) - int(known.sum()),
        unchanged=int((~fresh).sum()),
        bytes_added=int(sizes[fresh].sum()),
        problems=standing.problems,
        skipped=tuple(standing.skipped),
        new_repository=not begun,
        started_at=clock.started_at,
        elapsed_seconds=clock.elapsed(),
    )


class _Stored(NamedTuple):
    """What became of a tree."""

    tree: str
    """The id of the object that holds the list of files."""
    layout: str
    memories: int
    assemblies: int


@dataclass(slots=True)
class _Job:
    root: Path
    place: Place
    options: BackupOptions
    progress: Progress
    repository: Repository = field(init=False)
    writer: Writer = field(init=False)
    last: Snapshot | None = None
    before: Tree | None = None
    previous: FileRows = field(default_factory=partial(FileRows.of, ()))
    _layout: Layout | None = None

    def layout(self) -> Layout:
        """The store's layout, recognised once; where it is no store, that is raised here."""
        if self._layout is None:
            self._layout = recognise(self.root, self.options.layout)
        return self._layout

    @property
    def name(self) -> str:
        return self.options.name or self.root.name

    def open(self, repository: Repository) -> None:
        self.repository, self.writer = repository, Writer(repository)
        snapshots = repository.snapshots(self.name)
        # The newest whose tree can still be read.
        for snapshot in reversed(snapshots):
            try:
                tree = repository.tree(snapshot)
            except (LostObjectError, ValueError):
                continue
            self.last, self.before = snapshot, tree
            self.previous = FileRows.of(tree.files).ascending
            return

    def judge_of_store(self) -> Judge:
        """Looks at this store."""
        options = self.options
        return Judge(self.root, self.layout(), options.severities, options.known, options.jobs)

    def take(self, crew: Crew) -> Taken:
        """Take the store; its layout is recognised unless it is as it was, by the same program."""
        last = self.last
        told = self.options.layout is not None or last is None or last.version != __version__
        if told or unfinished_runs(self.root):
            self.layout()
        reader = Reader(self.root, self.layout, self.writer, crew, self.judge_of_store)
        taker = Taker(
            self.root,
            reader,
            self.repository,
            self.previous,
            self.progress,
            self.refuse_strangers,
        )
        return taker.take()

    def refuse_strangers(self, paths: PathColumn, places: Places) -> None:
        """Refuse files that are another store's, unless the operator said whose they are."""
        if self.last is not None and not self.options.vouched:
            refuse_strangers(self.last, self.previous.paths, paths, places, self.layout)

    async def judge(self, taken: Taken) -> Verdict:
        """What is wrong with the source; told anew only if it changed."""
        last = self.last
        moved = taken.new or taken.changed or taken.removed or taken.problems
        if last is not None and not moved and not self.options.known:
            return Verdict(last.findings, last.errors, last.vectors, "not")
        judge = await asyncio.to_thread(self.judge_of_store)
        if taken.glance is not None:
            glance = await asyncio.wrap_future(taken.glance)
        else:
            glance = await judge.glance(self.progress)
        if glance.is_of(taken.rows):
            return glance.verdict
        return await judge.verdict(self.progress)

    def store(self, taken: Taken, stored: _Stored, verdict: Verdict) -> Snapshot:
        """Store the snapshot's own file, behind all that it needs."""
        told = {DAMAGED: verdict.errors, PARTIAL: taken.problems}
        snapshot = Snapshot(
            name=self.name,
            time=datetime.now(UTC),
            layout=stored.layout,
            tree=stored.tree,
            files=len(taken.rows),
            bytes=taken.rows.size,
            memories=stored.memories,
            assemblies=stored.assemblies,
            vectors=verdict.vectors,
            tags=(*dict.fromkeys((*self.options.tags, *(tag for tag in told if told[tag]))),),
            findings=verdict.by_code,
            errors=verdict.errors,
            version=__version__,
        )
        return self.repository.add_snapshot(snapshot)

    def store_tree(self, taken: Taken) -> _Stored:
        """Make all that was taken durable, and the list of it."""
        last, tree = self.last, taken.tree
        if last is not None and tree == self.before and self._layout is None:
            return _Stored(last.tree, last.layout, last.memories, last.assemblies)
        layout = self.layout()
        if last is not None and tree == self.before:
            name = last.tree
        else:
            # The last pack is written while the list is spelt that comes behind it.
            self.writer.flush()
            spelt = spell_tree(tree, partial(self.writer.add_piece, of_list=True))
            self.writer.add(spelt)
            name = spelt.id.hex()
        kinds = Counter(kind_at(layout, path) for path in taken.rows.paths)
        self.writer.close()
        return _Stored(name, layout.name, kinds["memory"], kinds["assembly"])
