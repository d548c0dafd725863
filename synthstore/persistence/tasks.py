"""What a library does to a store as a whole: settle it when it is opened, check and repair it.

Like ``folds``, plain functions of a path with plain answers; apart, since they import a lot more.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import numpy as np

from synthstore.checks.document import report_document
from synthstore.checks.finding import Finding, Severity
from synthstore.errors import RefusedError, SynthstoreError
from synthstore.files.walk import read_file
from synthstore.layout.base import Layout
from synthstore.model.embedding import EmbeddingState
from synthstore.model.facts import PartStatus
from synthstore.model.ids import EntityRef, numeric_id, vector_id
from synthstore.persistence.folds import COMMAND
from synthstore.repair.operation import RepairOptions, repair
from synthstore.repair.wishes import SAFE_CODES
from synthstore.store.backups import keep_copy
from synthstore.store.catalog import read_catalog
from synthstore.store.entity import facts_of
from synthstore.store.evidence import recognise
from synthstore.store.folding import fold
from synthstore.store.mapping import read_mapping
from synthstore.store.session import Session
from synthstore.store.vectors import read_index
from synthstore.verify import LookOptions, verify

Answer = dict[str, Any]
_log = logging.getLogger("synthstore")


def settle(root: Path, *, auto_repair: bool, backups: tuple[int, int]) -> Answer:
    """Finish what others began, look quickly, and repair what can lose nothing; the report.

    ``backups`` are the number of copies of the catalog, and the seconds between two of them.
    """
    layout = recognise(root)
    with Session(root, shared=True, command=COMMAND) as session:
        with session.changing():
            keep_copy(session, layout, *backups)
            fold(session, layout)
        report = asyncio.run(verify(root, LookOptions(quick=True, jobs=1)))
        document = report_document(report)
        if auto_repair and (_mendable(report.findings) or _vectors_wanted(root, layout)):
            document = _repaired(root, session, safe=True) or document
    return _document(document)


def _mendable(findings: tuple[Finding, ...]) -> bool:
    return any(f.severity > Severity.INFO and f.code in SAFE_CODES for f in findings)


def _vectors_wanted(root: Path, layout: Layout) -> bool:
    """Whether a listed memory has an embedding, but no vector: what a quick look cannot see."""
    catalog = read_catalog(root, layout).catalog
    index = read_index(root, layout.faiss_path, with_vectors=False)
    if catalog is None or index.status is PartStatus.UNREADABLE:
        return False
    held = set() if index.ids is None else set(index.ids.tolist())
    numbers = {
        name: number
        for path in layout.mapping_paths
        for name, number in (read_mapping(root, path).entries or {}).items()
    }
    for row in catalog.rows:
        name = vector_id(row.ref)
        if numeric_id(name) in held or numbers.get(name) in held or row.path is None:
            continue
        if _has_embedding(root, layout, row.ref, row.path, index.dim if index.ntotal else None):
            return True
    return False


def _has_embedding(root: Path, layout: Layout, ref: EntityRef, path: str, dim: int | None) -> bool:
    try:
        raw, stat = read_file(root, path)
    except (FileNotFoundError, SynthstoreError):
        return False
    file, _ = facts_of(layout, ref.kind, path, raw, stat)
    return file.embedding is EmbeddingState.VALID and dim in (None, file.dim)


def _repaired(root: Path, session: Session, *, safe: bool) -> Answer | None:
    """The report of a repair under the write lock; None where it is refused."""
    options = RepairOptions(safe=safe, jobs=1)
    with session.changing():
        try:
            report = asyncio.run(repair(root, options, confirm=lambda _: True, within=session))
        except RefusedError as error:
            if not safe:
                raise
            _log.warning("%s: not repaired: %s", root, error.message)
            return None
    return report_document(report)


def mend(root: Path, *, backups: tuple[int, int]) -> Answer:
    """Fold, scan in full and repair; the report. Raises RefusedError where data would go."""
    layout = recognise(root)
    with Session(root, shared=True, command=COMMAND) as session:
        with session.changing():
            keep_copy(session, layout, *backups)
            fold(session, layout)
        return _document(_repaired(root, session, safe=False) or {})


def _document(value: Answer) -> Answer:
    plain: Answer = _plain(value)
    return plain


def _plain(value: Any) -> Any:
    """A document of what JSON has."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value
