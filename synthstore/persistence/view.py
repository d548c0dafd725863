"""The catalog as one process sees it: the rows that it last read, and the log on top of them.

Everything that changes it runs in the library's one writing thread; whoever only looks finds
whole states, since rows are replaced and never altered.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from synthstore.errors import SynthstoreError
from synthstore.files.walk import read_file
from synthstore.layout.base import Layout
from synthstore.model.facts import EntityFile
from synthstore.model.ids import EntityRef, Kind
from synthstore.persistence import apart
from synthstore.persistence.folds import Identity, Rows, identity_at
from synthstore.persistence.listed import Listed
from synthstore.store.changes import ChangeLog, Deed, Logged
from synthstore.store.entity import facts_of
from synthstore.store.folding import path_of


class View:
    """Rows by entity, as catalog and log have them together."""

    def __init__(self, root: Path, layout: Layout, log: ChangeLog) -> None:
        self._root, self._layout, self.log = root, layout, log
        self._catalog = root / layout.catalog_path
        self._rows: dict[EntityRef, Listed] = {}
        self._of: Identity = None
        self._fresh: dict[EntityRef, tuple[Logged, Listed | None]] = {}
        self.readable = True
        """Whether the catalog could be read; without one only what is pending is known."""

    def stale(self) -> bool:
        """Whether catalog or log changed on the disk since ``refresh``: two looks, no reading."""
        return self.log.stale() or identity_at(self._catalog) != self._of

    def refresh(self) -> None:
        """Read what changed."""
        if self.log.refresh():
            self._fresh = {}
        if identity_at(self._catalog) != self._of:
            self.adopt(*apart.rows(self._root, self._layout))

    def adopt(self, rows: Rows | None, state: Identity) -> None:
        """Take rows as the catalog's, which were read when it was in ``state``."""
        self.readable = rows is not None
        self._rows, self._of = rows or {}, state

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self) -> Iterable[Listed]:
        """The catalog's own rows, whatever the log says."""
        return self._rows.values()

    def row(self, ref: EntityRef) -> Listed | None:
        """The catalog's own row, whatever the log says."""
        return self._rows.get(ref)

    def deleted(self, ref: EntityRef) -> bool:
        """Whether the log says that it was deleted, and nothing that it is back."""
        line = self.log.line(ref)
        return line is not None and line.deed is Deed.DELETE

    def path(self, ref: EntityRef) -> str:
        """Where its file is, or belongs."""
        row = self._rows.get(ref)
        return path_of(self._layout, ref, row.path if row is not None else None)

    def knows(self, ref: EntityRef) -> bool:
        """Whether catalog or log list it."""
        line = self.log.line(ref)
        if line is None or line.deed is Deed.GONE:
            return ref in self._rows
        return line.deed is Deed.SAVE

    def saved(self, line: Logged, row: Listed) -> None:
        """Note what a save of ours made, so that listing need not open the file."""
        self._fresh[line.ref] = line, row

    def listed(self, kind: Kind) -> list[Listed]:
        """Every living entity of ``kind``; opens only files that others saved and nobody folded."""
        pending = self.log.pending
        rows = [
            row
            for ref, row in self._rows.items()
            if ref.kind == kind and _stands(pending.last.get(ref))
        ]
        fresh = (self._pending(line) for ref, line in pending.saved.items() if ref.kind == kind)
        return [*rows, *(row for row in fresh if row is not None)]

    def _pending(self, line: Logged) -> Listed | None:
        known = self._fresh.get(line.ref)
        if known is not None and known[0] == line:
            return known[1]
        row = self._read(line.ref)
        self._fresh[line.ref] = line, row
        return row

    def _read(self, ref: EntityRef) -> Listed | None:
        """An entity whose save is pending, from its file; None where the save never got there."""
        path = self.path(ref)
        try:
            raw, stat = read_file(self._root, path)
        except (FileNotFoundError, SynthstoreError):
            return None
        file, _ = facts_of(self._layout, ref.kind, path, raw, stat)
        return self._listed(ref, file) if file.ref == ref else self._rows.get(ref)

    def _listed(self, ref: EntityRef, file: EntityFile) -> Listed:
        record = file.record
        memory = ref.kind == "memory"
        return Listed(
            ref.kind,
            ref.id,
            file.path,
            record.created_at if record is not None else None,
            record.updated_at if record is not None else None,
            record.score if record is not None else None,
            None if memory or record is None else len(record.members),
            file.sha256 if self._layout.has_content_hash else None,
        )


def _stands(line: Logged | None) -> bool:
    """Whether a row is still right, as far as the log says."""
    return line is None or line.deed is Deed.GONE
