"""A whole snapshot restored into a new directory, and verified there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

from synthstore.backup.laying import LaidOut, lay_out
from synthstore.backup.restoring import Job, RestoreReport
from synthstore.checks.finding import Finding
from synthstore.layout.base import Layout
from synthstore.layout.detect import SUPPORTED
from synthstore.scan.known import NOTHING, Known


async def into_new(job: Job) -> RestoreReport:
    """Restore the whole snapshot into a directory that is new, or empty."""
    tree = await asyncio.to_thread(job.repository.tree, job.snapshot)
    report = job.report("new directory", len(tree.files), job.snapshot.bytes)
    if job.options.dry_run:
        return report
    target = await asyncio.to_thread(job.target.resolve)
    kind = SUPPORTED.get(job.snapshot.layout)
    # No need to recognise it: the same bytes had this layout when the snapshot was taken.
    layout = kind() if kind is not None else None
    lay = partial(lay_out, jobs=job.options.jobs, progress=job.progress)
    laid, _ = await asyncio.gather(
        asyncio.to_thread(lay, job.repository, tree, target, layout),
        # The workers need not wait for what is needed only once they are done.
        asyncio.to_thread(import_module, "synthstore.verify"),
    )
    # The look needs the memory.
    del tree
    job.repository.forget()
    try:
        findings = await _settled(job, laid, target, layout)
    finally:
        await asyncio.to_thread(laid.close)
    return replace(
        report,
        files=report.files - len(laid.lost),
        lost=laid.lost,
        findings=findings,
        elapsed_seconds=job.clock.elapsed(),
    )


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
