"""Pending changes brought into catalog, index and mapping by one run, from what is on the disk.

Whoever folds holds the write lock and reads everything anew, so several processes compose.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from synthstore.errors import OperationError, SynthstoreError
from synthstore.files.jsonio import dump, style_of
from synthstore.files.walk import open_folder, read_at
from synthstore.layout.base import Layout, Place
from synthstore.layout.documents import stamp_catalog
from synthstore.model.catalog import Catalog, Row
from synthstore.model.embedding import FloatVector, unit
from synthstore.model.facts import IndexFacts, MappingFacts, PartStatus, Stat
from synthstore.model.ids import EntityRef, numeric_id, vector_id
from synthstore.model.paths import confined
from synthstore.store.admission import Custody
from synthstore.store.after import Seen, may_follow, rows_after, vectors_after, whole
from synthstore.store.catalog import LoadedCatalog, load_catalog, read_catalog
from synthstore.store.changes import Deed, Pending, load_log, settle_log
from synthstore.store.entity import facts_of
from synthstore.store.evidence import recognise
from synthstore.store.history import FOLD
from synthstore.store.index_building import rebuild_content
from synthstore.store.mapping import read_mapping, style_in
from synthstore.store.mapping_file import mapping_file
from synthstore.store.runs import CATALOG, INDEX, MAPPING, REMOVAL, Change, FilesChanged
from synthstore.store.vectors import read_index

TRIES = 3
UNIT_TOLERANCE = 1e-3
WITNESSES = 16
"""How many entities are looked at to tell whether a store normalises its vectors."""

_log = logging.getLogger("synthstore")


class Changer(Protocol):
    """What a fold needs of a session that may change the store."""

    root: Path

    @property
    def custody(self) -> Custody:
        """Who owns what is made."""

    def run(self, command: str, changes: Sequence[Change]) -> object:
        """Carry out changes as one run."""


def fold_left_over(session: Changer) -> None:
    """Fold what the log of a store holds whose layout nobody knows yet."""
    fold(session, recognise(session.root))


def fold(session: Changer, layout: Layout) -> bool:
    """Bring the pending changes into the store's parts; whether nothing is pending any more.

    A catalog that is missing or unreadable stays as it is, and the log with it: repair comes first.
    Raises OperationError and the like with the log as it was.
    """
    for _ in range(TRIES):
        pending = load_log(session.root)
        if not pending.open:
            return True
        changes = plan_fold(session.root, layout, pending)
        if changes is None:
            _log.warning("%s: %d changes stay pending", session.root, pending.open)
            return False
        try:
            session.run(FOLD, changes)
        except FilesChanged:
            continue
        settle_log(session.root, session.custody, pending)
        return True
    raise OperationError(
        f"the parts of {session.root} kept changing while pending changes were folded",
        hint="stop the Memory Core that writes to it; nothing is lost meanwhile",
    )


def plan_fold(root: Path, layout: Layout, pending: Pending) -> list[Change] | None:
    """The changes that a fold is; None where the catalog is not fit for it."""
    loaded = load_catalog(root, layout.catalog_path)
    catalog = read_catalog(root, layout, loaded).catalog
    if catalog is None:
        return None
    work = _Fold(root, layout, pending, catalog)
    return [*work.index(), *work.catalog_change(loaded), *work.removals()]


@dataclass(slots=True)
class _Found:
    """An entity's file as it stands, and where."""

    path: str
    seen: Seen
    sha256: str | None


class _Fold:
    def __init__(self, root: Path, layout: Layout, pending: Pending, catalog: Catalog) -> None:
        self.root, self.layout, self.pending, self.catalog = root, layout, pending, catalog
        self.rows: dict[EntityRef, Row] = {row.ref: row for row in catalog.rows}
        with _Reader(root) as reader:
            self.found = {
                ref: _find(reader, layout, ref, self.rows.get(ref))
                for ref, line in pending.last.items()
                if line.deed is not Deed.GONE
            }
        self.seen: Mapping[EntityRef, Seen] = {ref: f.seen for ref, f in self.found.items()}

    def catalog_change(self, loaded: LoadedCatalog) -> Iterator[Change]:
        rows = rows_after(self.layout, self.catalog, self.pending, self.seen)
        document = self.layout.write_catalog(self.catalog, rows)
        if document == self.catalog.document or loaded.raw is None:
            return
        stamp_catalog(self.layout, document)
        content = dump(document, style_of(loaded.raw, loaded.document))
        yield Change(self.layout.catalog_path, _sha256(loaded.raw), content, CATALOG)

    def index(self) -> Iterator[Change]:
        index = read_index(self.root, self.layout.faiss_path)
        mappings = [read_mapping(self.root, path) for path in self.layout.mapping_paths]
        present = [m for m in mappings if m.status is not PartStatus.MISSING]
        alone = self.rows.keys() <= self.pending.last.keys()
        if not may_follow(index, present, alone=alone):
            _log.warning("%s: not fit to take pending vectors; repair it", index.path)
            return
        scale = _Scale(self, index, present)
        after = vectors_after(index, present, self.pending, self.seen, scale)
        if not after.changed and not (index.status is PartStatus.OK and not present):
            return
        content = rebuild_content(
            self.root,
            index,
            None,
            index.metric or self.layout.metric,
            after.ids,
            after.vectors,
            default_factory=self.layout.factory,
        )
        yield Change(index.path, index.sha256, content, INDEX)
        yield from self._mappings(mappings, after.entries)

    def _mappings(
        self, mappings: Sequence[MappingFacts], entries: Mapping[str, int]
    ) -> Iterator[Change]:
        default, primary = style_in(self.layout), self.layout.mapping_paths[0]
        for mapping in mappings:
            missing = mapping.status is PartStatus.MISSING
            if mapping.status is PartStatus.OK or (missing and mapping.path == primary):
                content = mapping_file(entries, mapping, default=default)
                yield Change(mapping.path, mapping.sha256, content, MAPPING)

    def removals(self) -> Iterator[Change]:
        """Files whose deletion was announced, and cut short before the file went."""
        for ref in self.pending.deleted:
            found = self.found[ref]
            file = found.seen[0]
            bears = file is not None and file.ref in (None, ref)
            if found.sha256 is not None and bears:
                yield Change(found.path, found.sha256, None, REMOVAL)


def path_of(layout: Layout, ref: EntityRef, said: str | None) -> str:
    """Where an entity's file is: where its row says, if that is a place for it, else at home."""
    path = confined(said) if said is not None else None
    place = Place.MEMORY if ref.kind == "memory" else Place.ASSEMBLY
    if path is not None and layout.place(path) is place:
        return path
    return layout.path_for(ref)


class _Reader(ExitStack):
    """Reads files of a store, each of whose folders it opens but once."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root
        self._folders: dict[str, int] = {}

    def read(self, path: str) -> tuple[bytes, Stat]:
        folder, _, name = path.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = self.enter_context(open_folder(self._root, folder))
        return read_at(self._folders[folder], name, self._root / path)


def _find(reader: _Reader, layout: Layout, ref: EntityRef, row: Row | None) -> _Found:
    path = path_of(layout, ref, row.path if row is not None else None)
    try:
        raw, stat = reader.read(path)
    except (FileNotFoundError, SynthstoreError):
        return _Found(path, (None, None), None)
    file, vector = facts_of(layout, ref.kind, path, raw, stat)
    return _Found(path, (file, vector), file.sha256)


class _Scale:
    """Gives a vector the length that the store's other vectors have."""

    def __init__(self, fold: _Fold, index: IndexFacts, mappings: Sequence[MappingFacts]) -> None:
        self._root, self._layout = fold.root, fold.layout
        self._rows, self._pending = fold.rows, fold.pending
        self._index, self._mappings = index, mappings
        self._normalises: bool | None = None

    def __call__(self, vector: FloatVector) -> FloatVector:
        if _is_unit(vector):
            return vector
        if self._normalises is None:
            self._normalises = self._ask()
        return unit(vector) if self._normalises else vector

    def _ask(self) -> bool:
        """Whether an embedding that is no unit vector has one in the index."""
        verdicts = (self._witness(ref) for ref in list(self._rows)[: 4 * WITNESSES])
        told = [verdict for verdict in verdicts if verdict is not None][:WITNESSES]
        return bool(told) and 2 * sum(told) > len(told)

    def _witness(self, ref: EntityRef) -> bool | None:
        if ref in self._pending.last:
            return None
        with _Reader(self._root) as reader:
            file, embedding = _find(reader, self._layout, ref, self._rows[ref]).seen
        vector = self._vector(ref)
        if not whole(file) or embedding is None or vector is None:
            return None
        if _is_unit(embedding) or vector.shape != embedding.shape:
            return None
        return bool(np.allclose(vector, unit(embedding), atol=1e-5))

    def _vector(self, ref: EntityRef) -> FloatVector | None:
        if self._index.ids is None or self._index.vectors is None:
            return None
        name = vector_id(ref)
        given = (m.entries.get(name) for m in self._mappings if m.entries)
        number = next((n for n in given if n is not None), numeric_id(name))
        at = np.flatnonzero(self._index.ids == number)
        return np.asarray(self._index.vectors[at[0]]) if len(at) else None


def _is_unit(vector: FloatVector) -> bool:
    length = float(np.linalg.norm(vector.astype(np.float64)))
    return abs(length - 1) <= UNIT_TOLERANCE


def _sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
