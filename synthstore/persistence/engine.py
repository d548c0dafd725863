"""An open store without any event loop: what the library's threads do.

Whatever changes the store, or what is known of it, belongs to the one writing thread.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from synthstore.config import StoreConfig
from synthstore.errors import SynthstoreError
from synthstore.layout.base import Layout
from synthstore.model.embedding import FloatVector
from synthstore.model.entities import Entity
from synthstore.model.ids import EntityRef, Kind
from synthstore.persistence import apart
from synthstore.persistence.cache import Cache
from synthstore.persistence.drafts import Draft
from synthstore.persistence.folds import COMMAND, identity_at
from synthstore.persistence.listed import Listed
from synthstore.persistence.loading import Claim, read_entity_file
from synthstore.persistence.opening import find_or_make
from synthstore.persistence.saving import Writer
from synthstore.persistence.searching import Searcher
from synthstore.persistence.view import View
from synthstore.store.changes import ChangeLog
from synthstore.store.session import Session
from synthstore.store.vector_index import Hit

_log = logging.getLogger("synthstore")


@dataclass(frozen=True, slots=True)
class Engine:
    """One open store."""

    root: Path
    layout: Layout
    config: StoreConfig
    session: Session
    log: ChangeLog
    view: View
    writer: Writer
    searcher: Searcher
    cache: Cache
    opening_report: dict[str, Any]

    @classmethod
    def open(cls, config: StoreConfig, on_conflict: str) -> Self:
        """Find or make the store, settle it, and hold it."""
        root, layout = find_or_make(config.storage_path)
        report = apart.settle(root, auto_repair=config.auto_repair, backups=_backups(config))
        session = Session.open(root, shared=True, command=COMMAND)
        try:
            log = ChangeLog(root, session.custody, flush_threshold=config.flush_threshold)
            view = View(root, layout, log)
            view.refresh()
        except BaseException:
            session.close()
            raise
        return cls(
            root,
            layout,
            config,
            session,
            log,
            view,
            Writer(session, layout, log, view, on_conflict),
            Searcher(root, layout, view),
            Cache(config.cache_size),
            report,
        )

    def close(self) -> None:
        """Let the store go."""
        self.log.close()
        self.session.close()

    def refresh(self) -> None:
        """Read what others changed, if they did."""
        if self.view.stale():
            self.view.refresh()

    # Changes

    def save(self, entities: Sequence[Entity]) -> list[Draft]:
        """Save durably, and let cache and vectors follow."""
        drafts = self.writer.save(entities)
        for draft in drafts:
            ref = draft.entity.ref
            self.cache.drop(ref)
            line = self.log.line(ref)
            if draft.stands and line is not None:
                self.searcher.put(ref, line, draft.vector)
        return drafts

    def delete(self, ref: EntityRef) -> bool:
        """Delete durably, and let cache and vectors follow."""
        gone = self.writer.delete(ref)
        self.cache.drop(ref)
        line = self.log.line(ref)
        if gone and line is not None:
            self.searcher.put(ref, line, None)
        return gone

    def fold(self) -> None:
        """Bring what is pending into catalog and index."""
        self.log.sync()
        self.refresh()
        if self.log.open:
            backups = _backups(self.config)
            self.view.adopt(*apart.bring_in(self.root, self.layout, self.log.open, backups=backups))
            self.view.refresh()

    def mend(self) -> dict[str, Any]:
        """Scan in full and repair; the report."""
        self.log.sync()
        report = apart.mend(self.root, backups=_backups(self.config))
        self.view.refresh()
        self.cache.clear()
        return report

    # Looks

    def cached(self, ref: EntityRef) -> Entity | None:
        """A copy of the entity, if it is at hand and still as on the disk; quick in any thread."""
        path = self.cache.path(ref)
        return None if path is None else self.cache.get(ref, identity_at(path))

    def claim(self, ref: EntityRef) -> Claim:
        """What is known of an entity; quick in any thread."""
        return Claim(ref, self.view.path(ref), self.view.row(ref), self.log.line(ref))

    def listed(self, kind: Kind) -> list[Listed]:
        """All living entities of ``kind``."""
        self.refresh()
        return self.view.listed(kind)

    def read_many(self, refs: Sequence[EntityRef], *, skip_corrupt: bool) -> list[Entity]:
        """The entities that there are, in order; in any thread."""
        found = (self._read_one(ref, skip_corrupt=skip_corrupt) for ref in refs)
        return [entity for entity in found if entity is not None]

    def _read_one(self, ref: EntityRef, *, skip_corrupt: bool) -> Entity | None:
        if self.view.deleted(ref):
            return None
        try:
            return read_entity_file(self.root, self.layout, self.claim(ref))
        except SynthstoreError as error:
            if not skip_corrupt:
                raise
            _log.warning("passed over: %s", error.message)
            return None

    def nearest(self, query: FloatVector, k: int) -> list[Hit]:
        """The ``k`` nearest memories; in any thread, after ``searcher.refresh``."""
        return self.searcher.nearest(query, k)

    def stats(self) -> dict[str, Any]:
        """Counts of what is stored, pending and cached."""
        memories, assemblies = self.listed("memory"), self.listed("assembly")
        index = self.searcher.index
        return {
            "store": str(self.root),
            "layout": self.layout.name,
            "memories": len(memories),
            "assemblies": len(assemblies),
            "pending": self.log.pending.open,
            "vectors_in_memory": index.ntotal if index is not None else None,
            "cache": {
                "size": self.config.cache_size,
                "held": len(self.cache),
                "hits": self.cache.hits,
                "misses": self.cache.misses,
            },
        }


def _backups(config: StoreConfig) -> tuple[int, int]:
    return config.index_backup_count, config.backup_interval
