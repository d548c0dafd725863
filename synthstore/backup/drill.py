"""A drill: the newest snapshots restored aside and verified, then removed again."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from synthstore.backup.check import CheckOptions, check_repository
from synthstore.backup.report import CheckReport
from synthstore.backup.restore import RestoreOptions, restore
from synthstore.errors import LockedError, SynthstoreError
from synthstore.files.durable import remove_tree
from synthstore.progress import Progress
from synthstore.repository.manifest import Snapshot
from synthstore.repository.place import Place
from synthstore.repository.vault import Repository


async def check(
    place: Place, options: CheckOptions, progress: Progress | None = None
) -> CheckReport:
    """Check a repository, with a drill where ``options`` ask for one."""
    report = await asyncio.to_thread(check_repository, place, options, progress)
    if options.drill is None:
        return report
    newest: dict[str, Snapshot] = {}
    repository = await asyncio.to_thread(Repository.open, place)
    for snapshot in await asyncio.to_thread(repository.snapshots, options.name):
        newest[snapshot.name] = snapshot
    failed = await _drill(place, list(newest.values()), options, options.drill, progress)
    drilled = tuple(snapshot.id for snapshot in newest.values())
    return replace(report, drilled=drilled, problems=(*report.problems, *failed))


async def _drill(
    place: Place,
    snapshots: Sequence[Snapshot],
    options: CheckOptions,
    within: Path,
    progress: Progress | None,
) -> list[str]:
    failed = []
    for snapshot in snapshots:
        aside = within / f"synthstore-drill-{snapshot.id}"
        wanted = RestoreOptions(
            name=snapshot.name, snapshot=snapshot.id, lock_wait=options.lock_wait
        )
        try:
            report = await restore(aside, place, wanted, confirm=lambda _: True, progress=progress)
        except LockedError:
            raise
        except SynthstoreError as error:
            failed.append(f"snapshot {snapshot.id} could not be restored: {error.message}")
        else:
            if report.exit_code:
                what = f"{len(report.lost)} files lost, {len(report.findings)} findings"
                failed.append(f"snapshot {snapshot.id} was restored with {what}")
        finally:
            await asyncio.to_thread(remove_tree, aside)
    return failed


def drill_folder() -> Path:
    """Where a drill restores to: the system's folder for temporary files."""
    return Path(tempfile.gettempdir())
