"""Backup: one snapshot of a living store."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from synthstore import __version__
from synthstore.backup.check import CheckOptions, check_repository
from synthstore.backup.listing import kind_at, list_tree
from synthstore.backup.prune import prune_repository
from synthstore.backup.report import BackupReport, PruneReport
from synthstore.backup.retention import Keep
from synthstore.backup.taking import Taken, Taker, same_file
from synthstore.checks.finding import Severity
from synthstore.errors import LockedError, NotAStoreError, UsageError
from synthstore.layout.base import Layout
from synthstore.model.catalog import Catalog
from synthstore.progress import Progress, SilentProgress
from synthstore.repository.manifest import DAMAGED, FileRow, Snapshot, Tree, spell_tree
from synthstore.repository.place import LocalPlace, Place
from synthstore.repository.vault import LostObjectError, Repository
from synthstore.repository.writing import Writer
from synthstore.store.changes import read_log
from synthstore.store.evidence import recognise
from synthstore.verify import Clock, KnownKey, LookOptions, find_root, known_key, look


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupOptions:
    """What to call a snapshot, and what to do besides."""

    name: str | None = None
    """The store's directory name if not given."""
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


@dataclass(frozen=True, slots=True)
class _Found:
    """What is wrong with a source."""

    by_code: Mapping[str, int]
    errors: int
    vectors: int


async def backup(
    store: Path, place: Place, options: BackupOptions, progress: Progress | None = None
) -> BackupReport:
    """Add a snapshot of the store at ``store`` to the repository at ``place``.

    Raises NotAStoreError, UsageError, LockedError, OperationError.
    """
    clock = Clock()
    root = find_root(store)
    refuse_inside(root, place)
    layout = await asyncio.to_thread(recognise, root, options.layout)
    job = _Job(root, layout, place, options, progress or SilentProgress())
    if options.dry_run:
        return await asyncio.to_thread(_preview, store, job, clock)
    repository = await asyncio.to_thread(Repository.make, place)
    with repository.locked(shared=True, wait=options.lock_wait):
        await asyncio.to_thread(repository.reload)
        job.open(repository)
        taken = await asyncio.to_thread(job.take)
        found = await job.judge(taken)
        snapshot, added = await asyncio.to_thread(job.store, taken, found)
    report = BackupReport(
        store=str(store),
        repository=place.where,
        dry_run=False,
        snapshot=snapshot,
        new=taken.new,
        changed=taken.changed,
        removed=taken.removed,
        unchanged=taken.unchanged,
        bytes_added=added,
        problems=taken.problems,
        skipped=taken.skipped,
        started_at=clock.started_at,
        elapsed_seconds=0.0,
    )
    report = await asyncio.to_thread(_afterwards, report, job, snapshot.name)
    return replace(report, elapsed_seconds=clock.elapsed())


def refuse_inside(root: Path, place: Place) -> None:
    """Raise UsageError for a repository inside the store that it protects."""
    if isinstance(place, LocalPlace) and place.root.resolve().is_relative_to(root):
        raise UsageError(
            f"{place.where} is inside the store that it is to protect",
            hint="name a directory elsewhere, best on another disk",
        )


def _preview(store: Path, job: _Job, clock: Clock) -> BackupReport:
    """What a backup would read, by size, time and inode alone; writes nothing."""
    with suppress(NotAStoreError):
        job.open(Repository.open(job.place))
    listed = list_tree(job.root)
    fresh = [path for path, stat in listed.files.items() if not same_file(job.previous, path, stat)]
    kinds = Counter(kind_at(job.layout, path) for path in listed.files)
    return BackupReport(
        store=str(store),
        repository=job.place.where,
        dry_run=True,
        snapshot=Snapshot(
            name=job.name,
            time=datetime.now(UTC),
            layout=job.layout.name,
            tree="",
            files=len(listed.files),
            bytes=sum(stat.size for stat in listed.files.values()),
            memories=kinds["memory"],
            assemblies=kinds["assembly"],
            vectors=0,
            tags=job.options.tags,
        ),
        new=sum(path not in job.previous for path in fresh),
        changed=sum(path in job.previous for path in fresh),
        removed=len(job.previous.keys() - listed.files.keys()),
        unchanged=len(listed.files) - len(fresh),
        bytes_added=sum(listed.files[path].size for path in fresh),
        problems=listed.problems,
        skipped=tuple(listed.skipped),
        started_at=clock.started_at,
        elapsed_seconds=clock.elapsed(),
    )


def _afterwards(report: BackupReport, job: _Job, name: str) -> BackupReport:
    place, options = job.place, job.options
    if options.keep is not None:
        try:
            pruned = prune_repository(
                place, options.keep, name=name, lock_wait=options.lock_wait, progress=job.progress
            )
        except LockedError as error:
            # The snapshot stands; whoever holds the repository may need what would go.
            pruned = PruneReport(repository=place.where, dry_run=False, held_back=error.message)
        report = replace(report, pruned=pruned)
    if options.check:
        checked = check_repository(place, CheckOptions(name=name), job.progress)
        report = replace(report, checked=checked)
    return report


@dataclass(slots=True)
class _Job:
    root: Path
    layout: Layout
    place: Place
    options: BackupOptions
    progress: Progress
    repository: Repository = field(init=False)
    writer: Writer = field(init=False)
    last: Snapshot | None = None
    before: Tree | None = None
    previous: Mapping[str, FileRow] = field(default_factory=dict)

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
            self.previous = {row.path: row for row in tree.files}
            return

    def take(self) -> Taken:
        return Taker(
            self.root,
            self.layout,
            self.repository,
            self.writer,
            self.previous,
            self.options.jobs,
            self.progress,
        ).take()

    async def judge(self, taken: Taken) -> _Found:
        """What is wrong with the source; told anew only if it changed."""
        last = self.last
        moved = taken.new or taken.changed or taken.removed or taken.problems
        if last is not None and not moved and not self.options.known:
            return _Found(last.findings, last.errors, last.vectors)
        options = LookOptions(
            quick=True,
            jobs=self.options.jobs,
            layout=self.options.layout,
            severities=self.options.severities,
        )
        seen = await look(self.root, self.layout, options, self.progress)
        if self._hurt(taken.tree.files, seen.inventory.catalog.catalog):
            full = replace(options, quick=False)
            seen = await look(self.root, self.layout, full, self.progress)
        codes = Counter(finding.code for finding in seen.findings)
        errors = sum(
            finding.severity is Severity.ERROR and known_key(finding) not in self.options.known
            for finding in seen.findings
        )
        return _Found(dict(sorted(codes.items())), errors, seen.inventory.index.ntotal)

    def _hurt(self, files: Sequence[FileRow], catalog: Catalog | None) -> bool:
        """Whether an entity file may be hurt: only a full look can tell how."""
        pending = read_log(self.root).last
        rows = [row for row in catalog.rows if row.ref not in pending] if catalog else []
        hashes = {row.path: row.content_hash for row in rows}
        wanted = (hashes.get(row.path) or row.sha256 for row in files)
        return any(
            row.state or row.sha256 != sha256 for row, sha256 in zip(files, wanted, strict=True)
        )

    def store(self, taken: Taken, found: _Found) -> tuple[Snapshot, int]:
        """Make it all durable, the snapshot's own file last."""
        files = taken.tree.files
        memories, assemblies = self._counts(taken.tree)
        tree = self._stored_tree(taken)
        damaged = (DAMAGED,) if found.errors else ()
        snapshot = Snapshot(
            name=self.name,
            time=datetime.now(UTC),
            layout=self.layout.name,
            tree=tree,
            files=len(files),
            bytes=sum(row.size for row in files),
            memories=memories,
            assemblies=assemblies,
            vectors=found.vectors,
            tags=(*dict.fromkeys((*self.options.tags, *damaged)),),
            findings=found.by_code,
            errors=found.errors,
            version=__version__,
        )
        return self.repository.add_snapshot(snapshot), self.writer.bytes_added

    def _counts(self, tree: Tree) -> tuple[int, int]:
        """How many memories and assemblies a tree holds."""
        last = self.last
        if last is not None and tree == self.before and last.layout == self.layout.name:
            return last.memories, last.assemblies
        kinds = Counter(kind_at(self.layout, row.path) for row in tree.files)
        return kinds["memory"], kinds["assembly"]

    def _stored_tree(self, taken: Taken) -> str:
        """The id of the object that holds the list of files."""
        if self.last is not None and taken.tree == self.before:
            self.writer.close()
            return self.last.tree
        tree = spell_tree(taken.tree)
        self.writer.add(tree)
        self.writer.close()
        return tree.id.hex()
