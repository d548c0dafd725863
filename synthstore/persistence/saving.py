"""Changes to a store, in the library's one writing thread: announced, made durable, then noted.

Each change holds the store's write lock and begins with a look at what others did meanwhile.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from secrets import token_hex

from synthstore.errors import OperationError
from synthstore.files.inside import Tree
from synthstore.files.jsonio import ParseFailure, parse
from synthstore.files.putting import Attire, Put, put_files, take_file
from synthstore.files.space import require_room, require_writable
from synthstore.files.walk import is_empty, is_folder, read_file
from synthstore.layout.base import Layout
from synthstore.layout.documents import Members
from synthstore.layout.spellings import embeds_members
from synthstore.model.entities import Entity, MemoryAssembly
from synthstore.model.ids import EntityRef
from synthstore.model.paths import folder_of
from synthstore.persistence.drafts import Draft, Drafter, Standing, require_fit
from synthstore.persistence.listed import Listed
from synthstore.persistence.view import View
from synthstore.repair.refusals import mounting
from synthstore.store.admission import PRIVATE_FILE, Custody
from synthstore.store.changes import ChangeLog, Deed, Logged
from synthstore.store.journal import QUARANTINE
from synthstore.store.session import Session

LEAST_FOLD = 1_000
"""Pending changes that are not worth a fold, however small the store."""

LARGE_LOG = 4 << 20
"""Bytes of a log that are folded away however few entities they speak of."""

FOLD_SHARE = 10
"""A fold is due once one in so many rows is pending."""

_log = logging.getLogger("synthstore")


class Writer:
    """Saves and deletes; every method belongs to the writing thread."""

    def __init__(
        self, session: Session, layout: Layout, log: ChangeLog, view: View, on_conflict: str
    ) -> None:
        self._session, self._layout, self._log, self._view = session, layout, log, view
        self._root: Path = session.root
        self._drafter = Drafter(layout, on_conflict)

    @property
    def fold_is_due(self) -> bool:
        """Whether enough is pending for catalog and index to be written."""
        many = self._log.open > max(LEAST_FOLD, len(self._view) // FOLD_SHARE)
        return many or self._log.size > LARGE_LOG

    def save(self, entities: Sequence[Entity]) -> list[Draft]:
        """Save all of ``entities`` durably, each file whole or not at all.

        Raises before the first byte where one of them cannot be saved.
        """
        for entity in entities:
            require_fit(entity, self._layout)
        drafts: list[Draft] = []
        for portion in _without_repeats(entities):
            with self._session.changing() as custody:
                drafts += self._save(portion, custody)
        return drafts

    def _save(self, entities: Sequence[Entity], custody: Custody) -> list[Draft]:
        self._refresh()
        members = self._members(entities)
        drafts = [self._draft(entity, members) for entity in entities]
        standing = [draft for draft in drafts if draft.stands]
        self._prepare(drafts, custody)
        self._log.append([draft.logged for draft in standing])
        put_files(self._root, [_put(draft, custody) for draft in standing])
        for draft in standing:
            self._view.saved(draft.logged, draft.listed)
            draft.entity.based_on(draft.sha256)
            draft.entity.updated_at = draft.updated_at
        return drafts

    def _refresh(self) -> None:
        if self._view.stale():
            self._view.refresh()

    def _draft(self, entity: Entity, members: Members | None) -> Draft:
        path = self._view.path(entity.ref)
        return self._drafter.draft(entity, path, self._standing(path), members)

    def _standing(self, path: str) -> Standing | None:
        if not os.path.lexists(self._root / path):
            return None
        try:
            return Standing(*read_file(self._root, path))
        except FileNotFoundError:
            return None

    def _members(self, entities: Iterable[Entity]) -> Members | None:
        """Documents of the memories that assemblies name, where the layout embeds them."""
        if not embeds_members(self._layout, "assembly"):
            return None
        wanted = {
            member
            for entity in entities
            if isinstance(entity, MemoryAssembly)
            for member in entity.memory_ids
        }
        return dict(self._documents(wanted))

    def _documents(self, ids: Iterable[str]) -> Iterator[tuple[str, dict[str, object]]]:
        for memory_id in ids:
            found = self._standing(self._view.path(EntityRef("memory", memory_id)))
            try:
                document = parse(found.raw).value if found is not None else None
            except ParseFailure:
                continue
            if isinstance(document, dict):
                yield memory_id, document

    def _prepare(self, drafts: Sequence[Draft], custody: Custody) -> None:
        """All that can be refused, and the losers' bytes, before the first change."""
        sizes = [len(draft.content) for draft in drafts]
        sizes += [len(draft.displaced) for draft in drafts if draft.displaced is not None]
        require_writable(self._root)
        require_room(self._root, sizes, files=len(sizes) + 2)
        for folder in {folder_of(draft.path) for draft in drafts if draft.stands}:
            self._require_folder(folder, custody)
        for draft in drafts:
            loser = draft.displaced if draft.stands else draft.content
            if loser is not None:
                self._quarantine(draft.path, loser, custody)

    def _require_folder(self, folder: str, custody: Custody) -> None:
        stands = is_folder(self._root, folder)
        if not folder or (stands and not _is_known_empty(self._root, folder)):
            return
        # Empty, it may be where a volume belongs: what is saved there hides that (S009).
        if any(map(partial(self._lists, folder), self._view.rows())):
            state = "empty" if stands else "missing"
            raise OperationError(
                f"{self._root / folder} is {state}, though the catalog lists entities in it",
                hint=f"{mounting(self._root)}; else bring the folder back",
            )
        if stands:
            return
        with Tree(self._root) as tree:
            tree.make_folder(folder, custody.folder_mode, custody.uid, custody.gid)

    def _lists(self, folder: str, row: Listed) -> bool:
        """Whether a row of a living entity names a file in ``folder``."""
        named = row.path is not None and folder_of(row.path) == folder
        return named and not self._view.deleted(EntityRef(row.kind, row.id))

    def _quarantine(self, path: str, raw: bytes, custody: Custody) -> None:
        """Keep the bytes that lost a conflict where only ``undo --prune`` removes them."""
        kept = f"{QUARANTINE}/{datetime.now(UTC):%Y%m%dT%H%M%SZ}-conflict-{token_hex(4)}/{path}"
        custody.make_private((self._root / kept).parent)
        put_files(self._root, [Put(kept, raw, Attire(PRIVATE_FILE, custody.uid, custody.gid))])
        _log.warning("%s was changed by two writers; the older state is kept as %s", path, kept)

    def delete(self, ref: EntityRef) -> bool:
        """Delete durably; False where there is no such entity."""
        with self._session.changing():
            self._refresh()
            path = self._view.path(ref)
            standing = self._standing(path)
            own = standing is not None and self._is_own(ref, standing.raw)
            if not own and not self._view.knows(ref):
                return False
            self._log.append([Logged(Deed.DELETE, ref)], sync=True)
            if own:
                take_file(self._root, path)
        return True

    def _is_own(self, ref: EntityRef, raw: bytes) -> bool:
        """Whether a file is the entity's: by its id, or, where that is lost, by its place."""
        try:
            document = parse(raw).value
        except ParseFailure:
            return True
        if not isinstance(document, dict):
            return True
        return self._layout.read_record(ref.kind, document).id in (ref.id, None)


def _is_known_empty(root: Path, folder: str) -> bool:
    """As ``is_empty``; what may not be listed is no reason to refuse a save."""
    try:
        return is_empty(root, folder)
    except OperationError:
        return False


def _put(draft: Draft, custody: Custody) -> Put:
    stat = draft.stat
    if stat is None:
        return Put(draft.path, draft.content, Attire(custody.file_mode, custody.uid, custody.gid))
    return Put(draft.path, draft.content, Attire(stat.mode, stat.uid, stat.gid))


def _without_repeats(entities: Sequence[Entity]) -> Iterator[list[Entity]]:
    """Portions in which no entity is named twice, so that a later state meets the earlier one."""
    portion: dict[EntityRef, Entity] = {}
    for entity in entities:
        if entity.ref in portion:
            yield list(portion.values())
            portion = {}
        portion[entity.ref] = entity
    if portion:
        yield list(portion.values())
