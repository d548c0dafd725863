"""What may follow a backup: old snapshots go by rule, and the repository is looked at."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from synthstore.backup.report import BackupReport, PruneReport
from synthstore.errors import LockedError
from synthstore.progress import Progress
from synthstore.repository.place import Place

if TYPE_CHECKING:
    from synthstore.backup.snapshot import BackupOptions


def followed(
    report: BackupReport, place: Place, options: BackupOptions, progress: Progress
) -> BackupReport:
    """Do what ``options`` want after the snapshot of ``report``, and report that too."""
    name = report.snapshot.name
    if options.keep is not None:
        from synthstore.backup.prune import prune_repository  # noqa: PLC0415

        try:
            pruned = prune_repository(
                place, options.keep, name=name, lock_wait=options.lock_wait, progress=progress
            )
        except LockedError as error:
            # The snapshot stands; whoever holds the repository may need what would go.
            pruned = PruneReport(repository=place.where, dry_run=False, held_back=error.message)
        report = replace(report, pruned=pruned)
    if options.check:
        from synthstore.backup.check import CheckOptions, check_repository  # noqa: PLC0415

        checked = check_repository(place, CheckOptions(name=name), progress)
        report = replace(report, checked=checked)
    return report
