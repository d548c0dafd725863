"""Restore: a snapshot into a new directory, or entities of one into a living store."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from synthstore.backup.choosing import choose, sound_before
from synthstore.backup.laying import is_new
from synthstore.backup.restoring import Confirm, Job, RestoreOptions, RestoreReport, by_id
from synthstore.backup.whole import into_new
from synthstore.errors import UsageError
from synthstore.progress import Progress, SilentProgress
from synthstore.repository.place import Place
from synthstore.repository.vault import Repository
from synthstore.store.opening import Clock

__all__ = ["Confirm", "RestoreOptions", "RestoreReport", "restore"]


async def restore(
    target: Path,
    place: Place,
    options: RestoreOptions,
    *,
    confirm: Confirm,
    progress: Progress | None = None,
) -> RestoreReport:
    """Restore into ``target``; ``confirm`` is shown what happens to a living store.

    Raises UsageError, NotAStoreError, RefusedError, LockedError, OperationError.
    """
    clock = Clock()
    with ExitStack() as held:
        reading = Repository.reading(place, options.lock_wait)
        repository = await asyncio.to_thread(held.enter_context, reading)
        snapshots = await asyncio.to_thread(repository.snapshots)
        whole = await asyncio.to_thread(target.resolve)
        ask = partial(by_id, target, place.where)
        snapshot = choose(
            repository, snapshots, options.snapshot, options.name, whole.name, ask=ask
        )
        undamaged = sound_before(snapshots, snapshot)
        job = Job(
            target, repository, snapshot, options, progress or SilentProgress(), clock, undamaged
        )
        if not is_new(target):
            # Half of the program, which a new directory has no use for.
            from synthstore.backup.living import into_store  # noqa: PLC0415

            return await into_store(job, confirm)
        if options.ids:
            raise UsageError(
                f"{target} is no store to put single entities into",
                hint="leave --id out to restore the whole snapshot there",
            )
        return await into_new(job)
