"""``--redact``: reports in which hashes stand for ids, wherever an id may hide."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from functools import singledispatch
from typing import TypeVar, cast

from synthstore.backup.report import BackupReport, CheckReport
from synthstore.backup.restore import RestoreReport
from synthstore.checks.catalogue import CATALOGUE
from synthstore.checks.finding import Finding, Subject
from synthstore.checks.report import ORPHAN_OF, Action, RepairReport, Report
from synthstore.diff import DiffReport
from synthstore.errors import SynthstoreError
from synthstore.migrate.report import MigrateReport
from synthstore.repair.undoing import UndoReport
from synthstore.stats.gathering import Portrait
from synthstore.stats.report import StatsReport
from synthstore.transfer.exporting import ExportReport
from synthstore.transfer.importing import ImportReport

T = TypeVar("T")

_NAMED_PARTS = frozenset(
    {
        "memories", "assemblies", "vector_index", "backups", "index", "logs", "stats",
        ".synthstore", "runs", "quarantine", "corrupted_backups",
        "memory_index.json", "memory_vectors.faiss", "mapping.json", "faiss_index.bin",
        "faiss_index.bin.mapping.json", "id_to_index.json", "id_to_index_mapping.json",
    }
)  # fmt: skip
"""Names in a store that are the layout's own, so they tell nothing."""

_PATH_KINDS = frozenset({"catalog", "index", "mapping", "file"})
_KEPT_KINDS = frozenset({"run", "store"})
_PLAIN = re.compile(r"[0-9a-f]{64}|sha256:[0-9a-f]{64}|\d{4}-\d\d-\d\d[T ][\d:.,Z+-]*|[\d.]+")
"""Strings in evidence that are no id: digests, times, numbers."""
_FILE = re.compile(r"[^\s'\",;()]+\.(?:json|bak|tmp|faiss)\b")

_BORNE = re.compile(rf"(?:(?<=bears the id )|(?<={ORPHAN_OF})).*", re.DOTALL)
"""The id that a row gets by a repair, since its file has it; that of a vector which goes."""

_NEXT_ID = re.compile(r"--id=.*(?= --dry-run$)", re.DOTALL)
"""The id in a next command, which must not be told though the command then wants filling in."""


def hashed(text: str) -> str:
    """Twelve hex digits that stand for ``text``, the same ones every time."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def redacted_path(path: str) -> str:
    """A store-relative path with a hash for each name that the layout did not give."""
    return "/".join(map(_name, path.split("/")))


def _name(name: str) -> str:
    if name in _NAMED_PARTS or not name:
        return name
    stem, dot, suffix = name.partition(".json")
    return hashed(stem) + dot + ("" if not suffix else ".…") if dot else hashed(name)


def redacted_text(text: str) -> str:
    """Free text with a hash for the name of each file, and each id, that it mentions."""
    text = _BORNE.sub(lambda match: hashed(match[0]), text)
    return _FILE.sub(lambda match: redacted_path(match[0]), text)


def redacted(value: T) -> T:
    """A report, or what undo gave, with hashes for ids; anything else as it is."""
    return cast("T", _redacted(value))


@singledispatch
def _redacted(value: object) -> object:
    return value


@_redacted.register
def _report(value: Report) -> Report:
    return replace(value, next=_next(value.next), findings=tuple(map(_finding, value.findings)))


@_redacted.register
def _repair_report(value: RepairReport) -> RepairReport:
    return replace(
        value,
        next=_next(value.next),
        findings=tuple(map(_finding, value.findings)),
        actions=tuple(map(_action, value.actions)),
        refused=None if value.refused is None else redacted_text(value.refused),
    )


@_redacted.register
def _undo_report(value: UndoReport) -> UndoReport:
    return replace(
        value,
        files=tuple(replace(file, path=redacted_path(file.path)) for file in value.files),
        conflicts=tuple(map(redacted_path, value.conflicts)),
        damaged=tuple(map(redacted_path, value.damaged)),
    )


@_redacted.register
def _backup_report(value: BackupReport) -> BackupReport:
    return replace(
        value,
        problems=_problems(value.problems),
        skipped=tuple(map(redacted_path, value.skipped)),
        checked=None if value.checked is None else _check_report(value.checked),
    )


@_redacted.register
def _check_report(value: CheckReport) -> CheckReport:
    lost = (
        replace(one, path=redacted_path(one.path), id=hashed(one.id), problem=one.problem)
        for one in value.lost
    )
    return replace(value, lost=tuple(lost))


@_redacted.register
def _restore_report(value: RestoreReport) -> RestoreReport:
    return replace(
        value,
        actions=tuple(map(_action, value.actions)),
        lost=_problems(value.lost),
        findings=tuple(map(_finding, value.findings)),
    )


@_redacted.register
def _diff_report(value: DiffReport) -> DiffReport:
    differences = (replace(one, id=hashed(one.id)) for one in value.differences)
    return replace(value, differences=tuple(differences), unread=_problems(value.unread))


@_redacted.register
def _migrate_report(value: MigrateReport) -> MigrateReport:
    left = (
        replace(
            one,
            id=_subject(Subject(one.kind, one.id)).id,
            path=None if one.path is None else redacted_path(one.path),
            because=redacted_text(one.because),
        )
        for one in value.left
    )
    return replace(
        value,
        left=tuple(left),
        others=tuple(map(redacted_path, value.others)),
        findings=tuple(map(_finding, value.findings)),
    )


@_redacted.register
def _portrait(value: Portrait) -> Portrait:
    points = (
        replace(one, id=hashed(one.id), text="", finding=_maybe(one.finding))
        for one in value.atlas.points
    )
    return Portrait(redacted(value.stats), replace(value.atlas, points=tuple(points)))


@_redacted.register
def _stats_report(value: StatsReport) -> StatsReport:
    twins = (replace(one, ids=tuple(map(hashed, one.ids))) for one in value.twins)
    parts = (replace(one, path=redacted_path(one.path)) for one in value.parts)
    return replace(value, report=redacted(value.report), twins=tuple(twins), parts=tuple(parts))


def _next(command: str | None) -> str | None:
    return None if command is None else _NEXT_ID.sub("--id=ID", command)


def _maybe(finding: Finding | None) -> Finding | None:
    return None if finding is None else _finding(finding)


def _problems(value: Mapping[str, str]) -> dict[str, str]:
    return {redacted_path(path): redacted_text(why) for path, why in value.items()}


@_redacted.register
def _export_report(value: ExportReport) -> ExportReport:
    problems = (replace(one, path=redacted_path(one.path)) for one in value.problems)
    return replace(value, problems=tuple(problems))


@_redacted.register
def _import_report(value: ImportReport) -> ImportReport:
    refusals = (
        replace(one, id=None if one.id is None else hashed(one.id)) for one in value.refusals
    )
    return replace(value, refusals=tuple(refusals), left=tuple(map(redacted_path, value.left)))


@_redacted.register
def _error(value: SynthstoreError) -> SynthstoreError:
    shown = copy(value)
    shown.message = redacted_text(value.message)
    return shown


def _finding(finding: Finding) -> Finding:
    return replace(
        finding,
        subject=_subject(finding.subject),
        path=None if finding.path is None else redacted_path(finding.path),
        # The rule's own words may quote any id, so the catalogue's stand for them.
        message=CATALOGUE[finding.code].summary,
        evidence={key: _value(item) for key, item in finding.evidence.items()},
    )


def _subject(subject: Subject) -> Subject:
    if subject.kind in _KEPT_KINDS:
        return subject
    if subject.kind in _PATH_KINDS:
        return Subject(subject.kind, redacted_path(subject.id))
    return Subject(subject.kind, hashed(subject.id))


def _action(action: Action) -> Action:
    return replace(
        action,
        subject=_subject(action.subject),
        path=None if action.path is None else redacted_path(action.path),
        source=None if action.source is None else redacted_text(action.source),
        because=redacted_text(action.because),
    )


def _value(value: object) -> object:
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) else hashed(value)
    if isinstance(value, Mapping):
        return {_value(str(key)): _value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_value(item) for item in value]
    return value
