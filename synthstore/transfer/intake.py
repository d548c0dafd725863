"""What becomes of each row: a new entity, a changed one, none, or a refusal with its reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from synthstore.errors import ConflictError, OperationError
from synthstore.files.jsonio import Parsed, ParseFailure, dump, parse, style_of
from synthstore.files.walk import read_file
from synthstore.model.embedding import EmbeddingState
from synthstore.model.facts import EntityFile, FileStatus, PartStatus, Stat
from synthstore.model.ids import EntityRef
from synthstore.repair.placing import Placed
from synthstore.scan.inventory import Inventory
from synthstore.store.plan import ENTITY, Change, Staged
from synthstore.store.session import Session
from synthstore.transfer.beginning import Begun
from synthstore.transfer.outcomes import Entry, Ready, Refused

OnConflict = Literal["skip", "replace", "newer", "fail"]

_SIZED = (EmbeddingState.VALID, EmbeddingState.ZERO)


class Intake:
    """Decides row by row against the store as it was scanned, and keeps count."""

    def __init__(
        self,
        root: Path,
        inventory: Inventory,
        access: Stat,
        on_conflict: OnConflict,
        refuse: Callable[[Refused], None],
        *,
        session: Session | None,
        begun: Begun | None,
    ) -> None:
        """Have rows put into the store as it was scanned, or into one that is ``begun``."""
        self._placed, self._begun = Placed(), begun
        self.inserted = self.updated = self.skipped = 0
        self._root, self._inventory, self._access = root, inventory, access
        self._on_conflict, self._refuse, self._session = on_conflict, refuse, session
        self._dim = _dimension(inventory)
        self._met: set[EntityRef] = set()
        """Entities of the store of which a row was."""
        self._blocked = {stray.path: stray.what for stray in inventory.strays}

    def take(self, ready: Ready) -> Change | None:
        """The change that a row is; None where it is none.

        Raises ConflictError where the store has another entity of this id, and that is to end it.
        """
        standing = self._standing(ready)
        reason = self._reason(ready, standing)
        if reason is not None:
            self._refuse(Refused(ready.number, reason, ready.source, id=ready.ref.id))
            self._unload(ready)
            return None
        if standing is None or isinstance(ready.file, Entry):
            self.inserted += 1
            return self._new(ready)
        self._met.add(ready.ref)
        return self._meet(ready, ready.file, self._unloaded(ready), standing)

    @property
    def empty(self) -> bool:
        """Whether no row has put a file anywhere."""
        return not (self._placed.files if self._begun is None else self._begun)

    def handed_over(self) -> Placed:
        """All that was taken; nothing of it is held here any more, so that nothing can be taken."""
        placed, self._placed = self._placed, Placed()
        return placed

    def path_of(self, ref: EntityRef) -> str | None:
        """Where a row put the file of an entity; None where none did."""
        standing = self._inventory.by_ref.get(ref)
        path = standing[0].path if standing else self._inventory.layout.path_for(ref)
        return path if self._bearer(path) == ref else None

    def _bearer(self, path: str) -> EntityRef | None:
        """The entity whose file a row put at a path."""
        if self._begun is not None:
            return self._begun.bearer(path)
        placed = self._placed.files.get(path)
        return None if placed is None else placed.ref

    def _unload(self, ready: Ready) -> None:
        """Remove the file that a worker staged for a row that needs none."""
        if isinstance(ready.content, Staged) and self._session is not None:
            self._session.making.forget(ready.content.slot)

    def _unloaded(self, ready: Ready) -> bytes:
        """The bytes of the row's file, of which nothing is staged any more."""
        if isinstance(ready.content, bytes):
            return ready.content
        if self._session is None:
            raise ValueError("nothing is staged without a session")
        content = self._session.making.content(ready.content.slot)
        self._unload(ready)
        return content

    def _standing(self, ready: Ready) -> EntityFile | None:
        bearing = self._inventory.by_ref.get(ready.ref, ())
        return bearing[0] if bearing else self._inventory.by_path.get(ready.file.path)

    def _reason(self, ready: Ready, standing: EntityFile | None) -> str | None:
        """Why a row that is fine by itself cannot go in."""
        path = ready.file.path
        bearer = self._bearer(path)
        if ready.ref in self._met or bearer == ready.ref:
            return "its id was in the input before"
        if bearer is not None:
            return "its file would have the name of that of another row"
        if path in self._blocked:
            return f"a {self._blocked[path]} stands where its file belongs"
        if standing is not None and standing.ref not in (None, ready.ref):
            return "the file of another id stands where its file belongs"
        if standing is not None and standing.sha256 is None:
            return "what stands where its file belongs cannot be read"
        return self._other_dimension(ready.file)

    def _other_dimension(self, file: EntityFile | Entry) -> str | None:
        if file.embedding not in _SIZED:
            return None
        if self._dim is None and file.embedding is EmbeddingState.VALID:
            self._dim = file.dim
        if self._dim in (None, file.dim):
            return None
        return f"its embedding has {file.dim} numbers, and those of the store have {self._dim}"

    # Where the store has one of this id

    def _meet(
        self, ready: Ready, file: EntityFile, content: bytes, standing: EntityFile
    ) -> Change | None:
        if self._on_conflict == "skip" or not self._may(file, standing):
            self.skipped += 1
            return None
        old = self._read(standing)
        new = parse(content)
        if old is not None and _same(old[1], new):
            self.skipped += 1
            return None
        if self._on_conflict == "fail":
            raise ConflictError(
                f"row {ready.number}: the store has another {ready.ref.kind} {ready.ref.id}",
                hint="--on-conflict skip, replace or newer says what becomes of it",
            )
        if old is not None:
            content = dump(new.value, style_of(old[0], old[1].value), finite=True)
        self.updated += 1
        file = file._replace(
            path=standing.path,
            sha256=hashlib.sha256(content).hexdigest(),
            stat=standing.stat._replace(size=len(content)),
        )
        self._placed.add(file, ready.array())
        return Change(file.path, standing.sha256, content, ENTITY, sha256=file.sha256)

    def _may(self, file: EntityFile, standing: EntityFile) -> bool:
        if self._on_conflict != "newer" or standing.status is not FileStatus.WHOLE:
            return True
        ours = file.record.updated_us if file.record is not None else None
        theirs = standing.record.updated_us if standing.record is not None else None
        return ours is not None and theirs is not None and ours > theirs

    def _read(self, standing: EntityFile) -> tuple[bytes, Parsed] | None:
        """The bytes that stand, and what they say; None where that is nothing whole."""
        try:
            raw, _ = read_file(self._root, standing.path)
            return raw, parse(raw)
        except (FileNotFoundError, OperationError, ParseFailure):
            return None

    def _new(self, ready: Ready) -> Change:
        file, access = ready.file, self._access
        if isinstance(file, EntityFile):
            self._placed.add(file, ready.array())
        elif self._begun is not None:
            self._begun.add(file, ready.vector)
        return Change(
            file.path, None, ready.content, ENTITY,
            mode=access.mode, uid=access.uid, gid=access.gid, sha256=file.sha256,
        )  # fmt: skip


def _dimension(inventory: Inventory) -> int | None:
    if inventory.dimension is not None or inventory.tables:
        return inventory.dimension
    index = inventory.index
    return index.dim if index.status is PartStatus.OK and index.ntotal else None


def _same(old: Parsed, new: Parsed) -> bool:
    """Whether two documents say the same, whatever the order of their keys."""
    if old.rigid or old.nan:
        return False
    one, other = (json.dumps(parsed.value, sort_keys=True) for parsed in (old, new))
    return one == other
