"""A whole snapshot restored into a new directory, and verified there."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

from synthstore.backup.crew import Crew, crew_of
from synthstore.backup.decoding import make_ready
from synthstore.backup.laying import LaidOut, lay_out
from synthstore.backup.listing import MANY
from synthstore.backup.restoring import Job, RestoreReport
from synthstore.checks.finding import Finding
from synthstore.files.memory import give_back
from synthstore.layout.base import Layout
from synthstore.layout.detect import SUPPORTED
from synthstore.scan.known import NOTHING, Known


async def into_new(job: Job) -> RestoreReport:
    """Restore the whole snapshot into a directory that is new, or empty."""
    if job.options.dry_run:
        tree = await asyncio.to_thread(job.repository.tree, job.snapshot)
        return job.report("new directory", len(tree.files), job.snapshot.bytes)
    target = await asyncio.to_thread(job.target.resolve)
    kind = SUPPORTED.get(job.snapshot.layout)
    # No need to recognise it: the same bytes had this layout when the snapshot was taken.
    layout = kind() if kind is not None else None
    laid = await _laid_out(job, target, layout)
    # The look needs the memory.
    job.repository.forget(index=True)
    if laid.files >= MANY:
        await asyncio.to_thread(give_back)
    try:
        findings = await _settled(job, laid, target, layout)
    finally:
        await asyncio.to_thread(laid.close)
    return replace(
        job.report("new directory", laid.files, job.snapshot.bytes),
        lost=laid.lost,
        findings=findings,
    )


async def _laid_out(job: Job, target: Path, layout: Layout | None) -> LaidOut:
    """All files beside ``target``; the workers get ready while the list of files is read."""
    held = ExitStack()
    try:
        crew = held.enter_context(crew_of(job.options.jobs))
        starting = asyncio.create_task(asyncio.to_thread(_workers, crew, job))
        try:
            tree = await asyncio.to_thread(job.repository.tree, job.snapshot)
        finally:
            executor = await starting
        if executor is not None:
            # Each worker has its own.
            job.repository.forget(index=True)
        lay = partial(lay_out, executor=executor, workers=crew.size, progress=job.progress)
        laying = asyncio.create_task(asyncio.to_thread(lay, job.repository, tree, target, layout))
        try:
            laid, _ = await asyncio.gather(
                asyncio.shield(laying),
                # The workers need not wait for what is needed only once they are done.
                asyncio.to_thread(import_module, "synthstore.verify"),
            )
        except BaseException:
            await asyncio.to_thread(held.close)
            await _abandon(laying)
            raise
        if executor is not None:
            # What they wrote can be looked at while they end.
            executor.shutdown(wait=False)
        return laid
    finally:
        await asyncio.to_thread(held.close)


async def _abandon(laying: asyncio.Task[LaidOut]) -> None:
    """Remove what was laid out for nobody: a thread cannot be told to stop."""
    await asyncio.wait([laying])
    if not laying.cancelled() and laying.exception() is None:
        await asyncio.to_thread(laying.result().close)


def _workers(crew: Crew, job: Job) -> Executor | None:
    """Processes to lay the files out, if they pay; each has the repository open soon."""
    executor = crew.for_files(job.snapshot.files)
    if executor is not None:
        for _ in range(crew.size):
            executor.submit(make_ready, job.repository.place)
    return executor


async def _settled(
    job: Job, laid: LaidOut, target: Path, layout: Layout | None
) -> tuple[Finding, ...]:
    """Verify the new store while the disk takes it in, and give it its name."""
    syncing = asyncio.create_task(asyncio.to_thread(laid.sync))
    try:
        findings = await _verified(job, laid.aside, layout, laid.known) if layout else ()
    finally:
        await syncing
    await asyncio.to_thread(laid.place)
    # What is told of a store names it by the place that it has in the end.
    return await _verified(job, target, layout) if layout and findings else findings


async def _verified(
    job: Job, where: Path, layout: Layout, known: Known = NOTHING
) -> tuple[Finding, ...]:
    """What is wrong with the new store though nothing of the kind was in the source."""
    from synthstore.verify import look  # noqa: PLC0415 - imported while the workers write

    # What a library had not folded when the snapshot was taken, whoever opens it settles.
    seen = await look(where, layout, replace(job.look, held=True), job.progress, known)
    there = job.snapshot.findings
    return tuple(one for one in seen.findings if one.code not in there)
