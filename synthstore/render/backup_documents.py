"""Backups, restores and repositories as the documents that ``--json`` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from synthstore import __version__
from synthstore.checks.document import Document, action_document, finding_document

if TYPE_CHECKING:
    from synthstore.backup.find import FindReport
    from synthstore.backup.report import BackupReport, CheckReport, PruneReport
    from synthstore.backup.restore import RestoreReport
    from synthstore.diff import DiffReport
    from synthstore.repository.manifest import Snapshot


def _head(schema: str) -> Document:
    return {"schema": f"synthstore/{schema}/1", "version": __version__}


def snapshot_member(snapshot: Snapshot) -> Document:
    """What every document says of a snapshot."""
    return {
        "id": snapshot.id,
        "name": snapshot.name,
        "time": snapshot.time.isoformat(),
        "layout": snapshot.layout,
        "files": snapshot.files,
        "bytes": snapshot.bytes,
        "memories": snapshot.memories,
        "assemblies": snapshot.assemblies,
        "vectors": snapshot.vectors,
        "tags": list(snapshot.tags),
        "findings": dict(snapshot.findings),
        "errors": snapshot.errors,
    }


def _member(snapshot: Snapshot | None) -> Document | None:
    return None if snapshot is None else snapshot_member(snapshot)


def backup_document(report: BackupReport) -> Document:
    """``synthstore/backup/1``."""
    return _head("backup") | {
        "store": report.store,
        "repository": report.repository,
        "dry_run": report.dry_run,
        "complete": not report.problems,
        "snapshot": snapshot_member(report.snapshot),
        "new": report.new,
        "changed": report.changed,
        "removed": report.removed,
        "unchanged": report.unchanged,
        "bytes_added": report.bytes_added,
        "problems": [{"path": p, "problem": why} for p, why in sorted(report.problems.items())],
        "skipped": list(report.skipped),
        "new_repository": report.new_repository,
        "pruned": None if report.pruned is None else _pruned(report.pruned),
        "checked": None if report.checked is None else _checked(report.checked),
        "started_at": report.started_at,
        "elapsed_seconds": report.elapsed_seconds,
    }


def restore_document(report: RestoreReport) -> Document:
    """``synthstore/restore/1``."""
    return _head("restore") | {
        "store": report.store,
        "repository": report.repository,
        "snapshot": snapshot_member(report.snapshot),
        "dry_run": report.dry_run,
        "into": report.into,
        "files": report.files,
        "bytes": report.bytes,
        "undamaged": _member(report.undamaged),
        "unrelated": report.unrelated,
        "run": report.run,
        "actions": [action_document(action) for action in report.actions],
        "lost": [{"path": path, "problem": why} for path, why in sorted(report.lost.items())],
        "findings": [finding_document(finding) for finding in report.findings],
        "started_at": report.started_at,
        "elapsed_seconds": report.elapsed_seconds,
    }


def snapshots_document(
    repository: str, snapshots: Sequence[Snapshot], unread: Mapping[str, str]
) -> Document:
    """``synthstore/snapshots/1``, oldest first."""
    members = [snapshot_member(one) for one in snapshots]
    return _head("snapshots") | {
        "repository": repository,
        "snapshots": members,
        "unread": [{"file": file, "problem": why} for file, why in unread.items()],
    }


def find_document(report: FindReport) -> Document:
    """``synthstore/find/1``: the one document besides an export that shows content."""
    return _head("find") | {
        "repository": report.repository,
        "searched": report.searched,
        "unread": report.unread,
        "versions": [
            {
                "kind": one.kind,
                "id": one.id,
                "path": one.path,
                "sha256": one.sha256,
                "size": one.size,
                "content": one.content,
                "snapshots": [{"id": s.id, "time": s.time.isoformat()} for s in one.snapshots],
            }
            for one in report.versions
        ],
    }


def check_document(report: CheckReport) -> Document:
    """``synthstore/check/1``."""
    return _head("check") | _checked(report)


def _checked(report: CheckReport) -> Document:
    return {
        "repository": report.repository,
        "clean": report.clean,
        "read_data": report.read_data,
        "drilled": list(report.drilled),
        "snapshots": report.snapshots,
        "packs": report.packs,
        "objects": report.objects,
        "bytes": report.bytes,
        "problems": list(report.problems),
        "lost": [{"code": "K001", **asdict(one)} for one in report.lost],
        "stale": list(report.stale),
        "unsound": [
            {"snapshot": snapshot_member(one.snapshot), "undamaged": _member(one.undamaged)}
            for one in report.unsound
        ],
        "started_at": report.started_at,
        "elapsed_seconds": report.elapsed_seconds,
    }


def snapshots_prune_document(report: PruneReport) -> Document:
    """``synthstore/snapshots-prune/1``."""
    return _head("snapshots-prune") | _pruned(report)


def _pruned(report: PruneReport) -> Document:
    return {
        "repository": report.repository,
        "dry_run": report.dry_run,
        "snapshots": [
            {
                "id": one.snapshot.id,
                "name": one.snapshot.name,
                "time": one.snapshot.time.isoformat(),
                "kept": one.because is not None,
                "because": one.because,
            }
            for one in report.snapshots
        ],
        "packs_removed": report.packs_removed,
        "packs_rewritten": report.packs_rewritten,
        "freed_bytes": report.freed_bytes,
        "held_back": report.held_back,
    }


def diff_document(report: DiffReport) -> Document:
    """``synthstore/diff/1``."""
    return _head("diff") | {
        "a": report.a,
        "b": report.b,
        "same": report.same,
        "differences": [
            {"kind": one.kind, "id": one.id, "how": one.how, "fields": list(one.fields)}
            for one in report.differences
        ],
        "unread": [{"path": path, "problem": why} for path, why in sorted(report.unread.items())],
    }
