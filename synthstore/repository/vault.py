"""One repository: opened, read by id, added to."""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager

import numpy as np
import numpy.typing as npt

from synthstore.errors import OperationError, PermissionDeniedError
from synthstore.repository.config import begin, require_known
from synthstore.repository.damage import Damage, noted_damage, spell_damage
from synthstore.repository.index import Index, Location
from synthstore.repository.manifest import (
    Snapshot,
    Tree,
    read_snapshot,
    read_tree,
    spell_snapshot,
)
from synthstore.repository.packs import Kind, PackDamageError
from synthstore.repository.place import DAMAGE, PACKS, SNAPSHOTS, Place
from synthstore.repository.prefixes import ID_BYTES
from synthstore.repository.recipes import Fetch, Rebuilt, Recipe, RecipeError, read_recipe
from synthstore.repository.shelf import listed, told
from synthstore.shell import cited

_log = logging.getLogger("synthstore")
_CACHED_BLOCKS = 96

_FEW = 64
_WINDOW_BYTES = 72 << 20
"""Pieces of one file that are fetched at a time: a FAISS file has them in an order of its own."""

_HOLDING = 400
"""What it takes to hold a piece, beside its bytes."""

_LIST_WINDOW_BYTES = 4 << 20
"""The same of a list of files, of which most pieces lie in their order."""

_OTHER = "its bytes are not those that were stored"


class LostObjectError(OperationError):
    """An object of the repository is missing or damaged (K001)."""

    kind = "lost-object"


class Repository:
    """An open repository. What is there never changes, and only prune ever takes something away."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.index = Index()
        self.suspects: frozenset[bytes] = frozenset()
        """Files that a check found to lack pieces."""
        self.unread: Mapping[str, str] = {}
        """Files of snapshots that could not be read when they were read last, and why."""
        self._blocks: OrderedDict[tuple[str, int], bytes] = OrderedDict()

    @classmethod
    def open(cls, place: Place) -> Repository:
        """Open what is there; raises NotAStoreError, NewerFormatError."""
        repository = cls(place)
        repository.read_config()
        repository.reload()
        return repository

    @classmethod
    @contextmanager
    def reading(cls, place: Place, wait: float = 0.0) -> Iterator[Repository]:
        """As ``open``, and keep prune away meanwhile; raises LockedError.

        A repository that this user may only read is read without that.
        """
        repository = cls(place)
        repository.read_config()
        with ExitStack() as held:
            try:
                held.enter_context(repository.locked(shared=True, wait=wait))
            except PermissionDeniedError as error:
                _log.info("read without a lock: %s", error.message)
            repository.reload()
            yield repository

    @classmethod
    def make(cls, place: Place) -> Repository:
        """Open what is there, or make a repository where nothing is."""
        begin(place)
        return cls.open(place)

    def read_config(self) -> None:
        """Refuse what is no repository of ours, or a newer one; a lost config is only told."""
        lost = require_known(self.place)
        if lost is not None:
            _log.error("%s", lost)

    def reload(self) -> None:
        """Read the indexes again: another process may have added packs."""
        bad, self.suspects = noted_damage(self.place)
        self.index = Index()
        self.index.load(self.place, bad)

    def note_damage(self, damage: Damage) -> None:
        """Keep in mind what a check found, so that the next backup stores it again."""
        name, content = spell_damage(damage)
        self.place.write(f"{DAMAGE}/{name}", content)

    def locked(self, *, shared: bool, wait: float = 0.0) -> AbstractContextManager[object]:
        """Hold it: shared to add, alone to take away."""
        return self.place.locked(shared=shared, wait=wait)

    def has(self, name: bytes) -> bool:
        """Whether a file can be had whole, as far as is known."""
        if name not in self.index:
            return False
        return name not in self.suspects or self.complete(name)

    def has_each(self, ids: bytes) -> npt.NDArray[np.bool_]:
        """As ``has``, of many files whose ids follow each other."""
        found = self.index.holds(ids)
        if self.suspects:
            for place in np.flatnonzero(found):
                found[place] = self.has(ids[place * ID_BYTES : (place + 1) * ID_BYTES])
        return found

    def complete(self, name: bytes) -> bool:
        """Whether all pieces of a file are there."""
        try:
            recipe = self.recipe(name)
        except LostObjectError:
            return False
        return recipe is None or all(piece in self.index for piece in recipe.ids)

    def recipe(self, name: bytes) -> Recipe | None:
        """The recipe of a file; None where it is stored as it is. Raises LostObjectError."""
        where = self._find(name)
        if where.blob.kind is Kind.PLAIN:
            return None
        try:
            return read_recipe(self._body(where))
        except RecipeError as error:
            raise _lost(name, str(error)) from error

    def skeleton(self, name: bytes) -> bytes:
        """A file without the numbers cut out of it: JSON still, where the file is."""
        recipe = self.recipe(name)
        return self._body(self._find(name)) if recipe is None else recipe.skeleton

    def read(self, name: bytes) -> bytes:
        """The whole bytes of a file or piece, proved by their sha256; raises LostObjectError."""
        content = b"".join(self.stream(name))
        if hashlib.sha256(content).digest() != name:
            raise _lost(name, _OTHER)
        return content

    def stream(self, name: bytes, window: int = _WINDOW_BYTES) -> Iterator[bytes]:
        """The bytes of a file or piece in pieces, not yet proved; raises LostObjectError.

        As many as ``window`` bytes are held at a time.
        """
        recipe = self.recipe(name)
        if recipe is None:
            yield self._body(self._find(name))
            return
        try:
            yield from recipe.rebuilt(self._ahead(recipe.ids, window))
        except RecipeError as error:
            raise _lost(name, str(error)) from error

    def rebuild(self, name: bytes) -> Rebuilt:
        """A whole file with its numbers, its bytes not yet proved; raises LostObjectError."""
        recipe = self.recipe(name)
        if recipe is None:
            return Rebuilt(self._body(self._find(name)), None, ())
        try:
            parts = list(recipe.spelt(self._ahead(recipe.ids)))
        except RecipeError as error:
            raise _lost(name, str(error)) from error
        return Rebuilt(recipe.joined([part.text for part in parts]), recipe, parts)

    def _ahead(self, ids: Sequence[bytes], window: int = _WINDOW_BYTES) -> Fetch:
        """Fetch pieces in the order of ``ids``, many at a time in the order in which they lie."""
        if len(ids) <= _FEW:
            return lambda piece: self._body(self._find(piece))
        rest = iter(ids)
        held: dict[bytes, bytes] = {}

        def fetch(piece: bytes) -> bytes:
            while piece not in held:
                held.clear()
                where = self._window(rest, window)
                for name in sorted(where, key=lambda name: where[name].lies):
                    held[name] = self._body(where[name])
            return held[piece]

        return fetch

    def _window(self, ids: Iterator[bytes], window: int) -> dict[bytes, Location]:
        """Where the next of ``ids`` are, as many as may be held at a time."""
        where: dict[bytes, Location] = {}
        size = 0
        while size < window and (name := next(ids, None)) is not None:
            where[name] = self._find(name)
            size += where[name].blob.size + _HOLDING
        return where

    def _find(self, name: bytes) -> Location:
        where = self.index.find(name)
        if where is None:
            raise _lost(name, "it is missing")
        return where

    def _body(self, where: Location) -> bytes:
        plain = self._block(where)
        return plain[where.blob.at : where.blob.at + where.blob.size]

    def _block(self, where: Location) -> bytes:
        key = where.pack.name, where.block
        found = self._blocks.get(key)
        if found is not None:
            self._blocks.move_to_end(key)
            return found
        at, size = where.pack.span(where.block)
        try:
            stored = self.place.read(f"{PACKS}/{where.pack.name}", at, size)
            found = where.pack.open_block(where.block, stored)
        except (PackDamageError, FileNotFoundError) as error:
            raise _lost(where.blob.id, str(error)) from error
        self._blocks[key] = found
        if len(self._blocks) > _CACHED_BLOCKS:
            self._blocks.popitem(last=False)
        return found

    def forget(self, *, index: bool = False) -> None:
        """Let go of the blocks that were read, and of the ``index`` if nothing else will be."""
        self._blocks.clear()
        if index:
            self.index = Index()

    # Snapshots

    def snapshots(self, name: str | None = None) -> tuple[Snapshot, ...]:
        """Every snapshot that can be read, oldest first, of one ``name`` or of all.

        Of each that cannot the log tells.
        """
        found, unread = self.all_snapshots()
        for file, why in unread.items():
            _log.error("%s", told(self.place, file, why))
        return tuple(one for one in found if name is None or one.name == name)

    def all_snapshots(self) -> tuple[tuple[Snapshot, ...], Mapping[str, str]]:
        """Those that can be read, and the files that cannot, with why."""
        found, bad = self.listed_snapshots()
        if any(bytes.fromhex(one.tree) not in self.index for one in found):
            # A backup may have ended since the index was read.
            self.reload()
        return found, bad

    def listed_snapshots(self) -> tuple[tuple[Snapshot, ...], Mapping[str, str]]:
        """As ``all_snapshots``; the index may be older than they are."""
        found, self.unread = listed(self.place)
        return found, self.unread

    def tree(self, snapshot: Snapshot) -> Tree:
        """The files of a snapshot; raises LostObjectError."""
        return self.tree_of(bytes.fromhex(snapshot.tree))

    def tree_of(self, name: bytes) -> Tree:
        """The tree that an object holds; raises LostObjectError."""
        whole = hashlib.sha256()

        def parts() -> Iterator[bytes]:
            for part in self.stream(name, _LIST_WINDOW_BYTES):
                whole.update(part)
                yield part

        try:
            tree = read_tree(parts())
        except ValueError as error:
            raise _lost(name, "it is no tree of files") from error
        if whole.digest() != name:
            raise _lost(name, _OTHER)
        return tree

    def add_snapshot(self, snapshot: Snapshot) -> Snapshot:
        """Store a snapshot, whose objects must be durable by now."""
        file, content = spell_snapshot(snapshot)
        self.place.write(f"{SNAPSHOTS}/{file}", content)
        return read_snapshot(file, content)


def _lost(name: bytes, why: str) -> LostObjectError:
    return LostObjectError(
        f"object {name.hex()[:16]}: {why}",
        hint=f"{cited('synthstore snapshots check --read-data')} names what is lost",
    )
