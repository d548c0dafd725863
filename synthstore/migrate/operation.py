"""Migrate: look, refuse, make the new store aside, prove it, put it in its place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from synthstore.errors import LockedError
from synthstore.files.lock import held_still
from synthstore.files.memory import MANY, give_back
from synthstore.layout.base import Layout
from synthstore.layout.detect import SUPPORTED
from synthstore.layout.native import Native
from synthstore.migrate.aside import MARKER, Aside, Errand
from synthstore.migrate.in_place import Site, convert_in_place
from synthstore.migrate.making import (
    Converting,
    Copying,
    Making,
    fill,
    settle_pending,
)
from synthstore.migrate.proof import require_sound, told
from synthstore.migrate.refusals import refuse_mixed, refuse_nesting, refuse_unsettled
from synthstore.migrate.report import MigrateReport
from synthstore.progress import Progress, SilentProgress
from synthstore.repair.holding import PAUSE_SECONDS
from synthstore.shell import path_word
from synthstore.store.evidence import recognise
from synthstore.store.journal import LOCK
from synthstore.store.opening import Clock, find_root
from synthstore.verify import Look, LookOptions, look, next_command

_KEPT = "the source is as it was; what was made is left in {}"

Confirm = Callable[[MigrateReport], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrateOptions:
    """Where to, and as what."""

    target: Path | None = None
    """A new directory; None converts the store itself."""
    layout: str | None = None
    """``native`` or ``core-4``; None keeps the source's."""
    dry_run: bool = False
    lock_wait: float = 0.0
    jobs: int | None = None


async def migrate(
    store: Path,
    options: MigrateOptions,
    *,
    confirm: Confirm,
    progress: Progress | None = None,
) -> MigrateReport:
    """Migrate the store at ``store``; ``confirm`` is shown what happens to the store itself.

    Raises UsageError, NotAStoreError, RefusedError, LockedError, OperationError, and
    InterruptedByUserError when ``confirm`` declines.
    """
    clock, progress = Clock(), progress or SilentProgress()
    root = find_root(store)
    source = await asyncio.to_thread(recognise, root)
    layout = source if options.layout is None else SUPPORTED[options.layout]()
    looking = LookOptions(jobs=options.jobs, layout=source.name)
    if options.target is None:
        site = Site(store, root, layout, looking, progress, options.dry_run)
        report = await convert_in_place(site, source, options.lock_wait, confirm)
    else:
        target = await asyncio.to_thread(options.target.resolve)
        refuse_nesting(root, target)
        job = _Job(store, root, source, layout, target, options, looking, progress)
        async with _held_still(root, options.lock_wait):
            report = await job.run()
    return replace(report, started_at=clock.started_at, elapsed_seconds=clock.elapsed())


@asynccontextmanager
async def _held_still(root: Path, wait: float) -> AsyncIterator[None]:
    """Keep our own writers out of the source, which itself is not changed for that."""
    deadline = time.monotonic() + wait
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(held_still(root / LOCK))
                break
            except LockedError:
                if time.monotonic() >= deadline:
                    raise
            await asyncio.sleep(PAUSE_SECONDS)
        yield


@dataclass(frozen=True, slots=True)
class _Job:
    store: Path
    root: Path
    source: Layout
    layout: Layout
    target: Path
    options: MigrateOptions
    looking: LookOptions
    progress: Progress

    async def run(self) -> MigrateReport:
        aside = await asyncio.to_thread(
            Aside, self.target, Errand.of(self.root, self.target, self.layout.name)
        )
        await asyncio.to_thread(aside.require_free)
        seen = await look(self.root, self.source, self.looking, self.progress)
        refuse_unsettled(self.store, seen.inventory)
        making = await asyncio.to_thread(self._making, seen)
        report, known = self._planned(making, aside), told(seen)
        repairs = next_command(self.store, seen.findings) if report.lost else None
        if self.options.dry_run:
            return report
        (_, mode, mtime_ns), *_ = making.folders
        # Its vectors need not stay in memory beside what is made, nor beside the new store's.
        del seen
        if not aside.placed:
            await asyncio.to_thread(aside.require_room, making.outline)
            await asyncio.to_thread(self._make, making, aside)
        del making
        if report.files >= MANY:
            give_back()
        new = await self._look(aside.target if aside.placed else aside.path)
        require_sound(new, known, _KEPT.format(aside.path))
        if not aside.placed:
            await asyncio.to_thread(aside.place)
        await asyncio.to_thread(aside.finish, mode, mtime_ns)
        return replace(
            report,
            memories=new.inventory.count("memory"),
            assemblies=new.inventory.count("assembly"),
            vectors=new.inventory.index.ntotal,
            findings=new.findings,
            next=repairs
            or next_command(Path(report.target or self.target), new.findings)
            or self._diff,
        )

    @property
    def _diff(self) -> str:
        return f"synthstore diff {path_word(self.store)} {path_word(str(self.options.target))}"

    def _making(self, seen: Look) -> Making:
        """A conversion where one is asked for and needed, else a copy."""
        wanted = self.options.layout
        if wanted is not None and not wanted == self.source.name == Native.name:
            converting = Converting(self.root, seen, self.layout)
            if converting.needed:
                refuse_mixed(self.store, seen.inventory)
                return converting
        return Copying.of(self.root, seen)

    async def _look(self, folder: Path) -> Look:
        looking = replace(self.looking, layout=self.layout.name)
        seen = await look(folder, self.layout, looking, self.progress)
        return Look(seen.inventory, tuple(one for one in seen.findings if one.path != MARKER))

    def _make(self, making: Making, aside: Aside) -> None:
        fill(making, aside, self.progress)
        if isinstance(making, Copying):
            settle_pending(aside)
        aside.dress(making.folders)

    def _planned(self, making: Making, aside: Aside) -> MigrateReport:
        paths, sizes = making.outline
        kinds = [self.layout.place(path).value for path in paths]
        return MigrateReport(
            store=str(self.store),
            target=str(self.options.target),
            layout=self.source.name,
            into=self.layout.name,
            dry_run=self.options.dry_run,
            resumed=aside.resumed,
            files=len(paths),
            bytes=sum(sizes),
            memories=kinds.count("memory"),
            assemblies=kinds.count("assembly"),
            vectors=making.vectors,
            left=making.left,
            others=making.others,
        )
