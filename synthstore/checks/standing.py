"""Which file stands for each entity, and which file each row of the catalog speaks for.

Repair builds on the same answers, so that what it does agrees with what the rules say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, partial
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

from synthstore.checks.found import once
from synthstore.checks.pairing import Pairs, pairs_of, rows_of
from synthstore.model.catalog import Row, kept_rows
from synthstore.model.columns import kept
from synthstore.model.facts import EntityFile, FileStatus
from synthstore.model.ids import EntityRef
from synthstore.model.paths import confined, folder_of
from synthstore.scan.inventory import Inventory

_HURT = frozenset(status for status in FileStatus if status.hurt)


class Fate(StrEnum):
    """How a row's path led to a file."""

    STANDS = "stands"
    """Its path names a file that bears its id, or whose content is unknown."""
    ELSEWHERE = "elsewhere"
    """Its path names no file of its own, but one with its id stands at another path."""
    HURT = "hurt"
    """The file that should bear its id is torn, incomplete or empty."""
    SHARED = "shared"
    """Its path names a file that another row keeps (C006)."""
    OUTSIDE = "outside"
    """Its path leaves the store (C005)."""
    TAKEN = "taken"
    """Its path names a whole file of an id that has no row (M005)."""
    UNSEEN = "unseen"
    """Its path lies in a folder that this user may not look into (S005)."""
    MISSING = "missing"
    """There is no file (M001)."""


class Claim(NamedTuple):
    """A row, and the file that answers it."""

    row: Row
    ref: EntityRef
    """The row's entity."""
    fate: Fate
    path: str | None
    """The row's path, confined to the store; None where it has none or it leaves the store."""
    file: EntityFile | None
    """Also set for SHARED and OUTSIDE where a file with the row's id stands elsewhere."""


@dataclass(frozen=True)
class Standing:
    """Files and rows of one inventory, brought together."""

    standing_file: Mapping[EntityRef, EntityFile]
    """The file of each entity: whole, else sealed (names stand for ids); never a hurt one."""
    losers: Mapping[str, EntityRef]
    """Whole files (by path) whose entity another file stands for (M006)."""
    hurt: Mapping[EntityRef, EntityFile]
    """Hurt files by the entity that a row, else the file's own id, else its name gives them."""
    bears: Mapping[str, EntityRef]
    """The entity that each file is taken for."""
    listed: Sequence[EntityRef]
    """The entities of all rows."""
    doomed: frozenset[EntityRef]
    """Entities whose deletion began (C009), or that our own log says were deleted."""
    make_claims: Callable[[], Iterable[Claim]]

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """One for each row of the catalog, in its order."""
        return tuple(self.make_claims())

    @cached_property
    def claim_of(self) -> Mapping[EntityRef, Claim]:
        """The claim of each row by its entity."""
        return {claim.ref: claim for claim in self.claims}

    @cached_property
    def astray(self) -> tuple[Claim, ...]:
        """Claims of living rows whose path does not simply lead to their file."""
        strayed = (claim for claim in self.claims if claim.fate is not Fate.STANDS)
        return tuple(claim for claim in strayed if claim.ref not in self.doomed)

    @cached_property
    def known(self) -> frozenset[EntityRef]:
        """Entities that have a file or a row."""
        return frozenset(chain(self.listed, self.bears.values(), self.doomed))

    @cached_property
    def heir_of(self) -> Mapping[EntityRef, EntityRef]:
        """Entities whose file the row of another id names (TAKEN), with that other one.

        Row and vector still carry the old id: one drift, to be said once.
        """
        taken = (claim for claim in self.astray if claim.fate is Fate.TAKEN)
        return {self.bears[claim.path]: claim.ref for claim in taken if claim.path is not None}


@once
def standing(inventory: Inventory) -> Standing:
    """Bring rows and files together; without a readable catalog there are only files."""
    pairs = pairs_of(inventory)
    return _of_all(inventory) if pairs is None else _of_pairs(inventory, pairs)


def _of_pairs(inventory: Inventory, pairs: Pairs) -> Standing:
    """What ``_of_all`` comes to, where each row stands for its file."""
    refs, kept_files = list(pairs.each_ref()), kept(pairs.files)
    bears = dict(zip(map(attrgetter("path"), kept_files), refs, strict=True))
    files = dict(zip(refs, kept_files, strict=True))
    # Of an inventory, which remembers this, it may hold parts but never the whole: only a
    # collection would free the two of them then, and the program hardly ever makes one.
    claims = partial(_paired_claims, rows_of(inventory), bears, files)
    return Standing(files, {}, {}, bears, refs, frozenset(), claims)


def _paired_claims(
    rows: Sequence[Row],
    bears: Mapping[str, EntityRef],
    files: Mapping[EntityRef, EntityFile],
) -> Iterator[Claim]:
    for row in kept_rows(rows):
        path = row.path or ""
        ref = bears[path]
        yield Claim(row, ref, Fate.STANDS, path, files[ref])


def _of_all(inventory: Inventory) -> Standing:
    rows = kept_rows(rows_of(inventory))
    by_path = inventory.by_path
    # A path that a file has is confined: most rows need no closer look.
    paths = [r.path if r.path in by_path else _confined(r.path) for r in rows]
    naming = _naming(rows, paths)
    bears = _bearers(inventory, naming)
    refs = [_same_or_new(row, bears.get(path or "")) for row, path in zip(rows, paths, strict=True)]
    row_of = dict(zip(refs, rows, strict=True))
    files, losers = _winners(inventory, bears, row_of)
    hurt = {bears[f.path]: f for f in reversed(inventory.files) if f.status in _HURT}
    keepers = {path: _keeper(bears[path], named) for path, named in naming.shared(bears)}
    look = _LookUp(by_path, bears, files, hurt, keepers, row_of, inventory.closed)
    doomed = inventory.deleted.union(row.ref for row in rows if row.deleted_at is not None)
    claims = partial(map, look.claim, rows, refs, paths)
    return Standing(files, losers, hurt, bears, refs, doomed, claims)


@once
def lost_folders(inventory: Inventory) -> Mapping[str, tuple[Claim, ...]]:
    """Entity folders that are missing or empty though rows name files in them (S009).

    The root holds more than entities: it counts as empty without any, where most rows name it.
    """
    full = {folder_of(path) for path in inventory.by_path}
    full |= {folder for stray in inventory.strays if (folder := folder_of(stray.path))}
    lost: dict[str, list[Claim]] = {f: [] for f in inventory.folders if f not in full}
    rows, doomed = rows_of(inventory), standing(inventory).doomed
    if 2 * sum(row.path is not None and "/" not in row.path for row in rows) <= len(rows):
        lost.pop("", None)
    for claim in standing(inventory).astray:
        missing = claim.fate is Fate.MISSING and claim.ref not in doomed
        if missing and claim.path is not None:
            lost.get(folder_of(claim.path), []).append(claim)
    return {folder: tuple(claims) for folder, claims in lost.items() if claims}


@dataclass(frozen=True, slots=True)
class _LookUp:
    by_path: Mapping[str, EntityFile]
    bears: Mapping[str, EntityRef]
    files: Mapping[EntityRef, EntityFile]
    hurt: Mapping[EntityRef, EntityFile]
    keepers: Mapping[str, EntityRef]
    row_of: Mapping[EntityRef, Row]
    closed: frozenset[str]

    def claim(self, row: Row, ref: EntityRef, path: str | None) -> Claim:
        here = self.by_path.get(path) if path is not None else None
        mine = here is not None and self.bears[here.path] == ref
        if here is not None and mine and here.status not in _HURT:
            return Claim(row, ref, Fate.STANDS, path, here)
        home = self.files.get(ref) or self.hurt.get(ref)
        return Claim(row, ref, self._fate(row, ref, path, here, home), path, home)

    def _fate(
        self,
        row: Row,
        ref: EntityRef,
        path: str | None,
        here: EntityFile | None,
        home: EntityFile | None,
    ) -> Fate:
        if row.path is not None and path is None:
            return Fate.OUTSIDE
        if path is not None and self.keepers.get(path, ref) != ref:
            return Fate.SHARED
        if home is not None:
            return Fate.HURT if home.status.hurt else Fate.ELSEWHERE
        if path is not None and folder_of(path) in self.closed:
            return Fate.UNSEEN
        if here is None or here.ref is None:
            return Fate.MISSING
        return Fate.SHARED if here.ref in self.row_of else Fate.TAKEN


@dataclass(frozen=True, slots=True)
class _Naming:
    """Living rows by the path that they name; a row about to go keeps no file from another."""

    first: Mapping[str, Row]
    several: Mapping[str, list[Row]]

    def of(self, path: str) -> Sequence[Row]:
        one = self.first.get(path)
        return self.several.get(path) or (() if one is None else (one,))

    def shared(self, known: Mapping[str, EntityRef]) -> Iterator[tuple[str, list[Row]]]:
        return ((path, named) for path, named in self.several.items() if path in known)


def _naming(rows: Sequence[Row], paths: Sequence[str | None]) -> _Naming:
    first: dict[str, Row] = {}
    several: dict[str, list[Row]] = {}
    for row, path in zip(rows, paths, strict=True):
        if path is None or row.deleted_at is not None:
            continue
        if first.setdefault(path, row) is not row:
            several.setdefault(path, [first[path]]).append(row)
    return _Naming(first, several)


def _confined(path: str | None) -> str | None:
    return confined(path) if path is not None else None


def _same_or_new(row: Row, bearer: EntityRef | None) -> EntityRef:
    """The row's entity; that of the file it names where they are one, to make no second."""
    if bearer is not None and bearer[1] == row.id and bearer[0] == row.kind:
        return bearer
    return row.ref


def _keeper(bearer: EntityRef, named: Sequence[Row]) -> EntityRef:
    refs = [row.ref for row in named]
    return bearer if bearer in refs else min(refs)


def _bearers(inventory: Inventory, naming: _Naming) -> dict[str, EntityRef]:
    return {
        file.path: file.ref or _entity_of(inventory, file, naming.of(file.path))
        for file in inventory.files
    }


def _entity_of(inventory: Inventory, file: EntityFile, named: Sequence[Row]) -> EntityRef:
    """The entity that a file without an id of its own is taken for: by its row, else its name."""
    if len(named) == 1 and named[0].kind == file.kind:
        return named[0].ref
    ids = sorted(row.id for row in named if row.kind == file.kind)
    fitting = [i for i in ids if inventory.layout.names(file.path, i)]
    entity_id = (fitting or ids or [file.id or inventory.layout.id_from_path(file.path)])[0]
    return EntityRef(file.kind, entity_id)


def _winners(
    inventory: Inventory, bears: Mapping[str, EntityRef], row_of: Mapping[EntityRef, Row]
) -> tuple[dict[EntityRef, EntityFile], dict[str, EntityRef]]:
    winners: dict[EntityRef, EntityFile] = {}
    contested: dict[EntityRef, list[EntityFile]] = {}
    sealed: list[EntityFile] = []
    for file in inventory.files:
        if file.status is not FileStatus.WHOLE:
            sealed += [file] if file.status.sealed else []
        elif winners.setdefault(ref := bears[file.path], file) is not file:
            contested.setdefault(ref, [winners[ref]]).append(file)
    losers: dict[str, EntityRef] = {}
    for ref, files in contested.items():
        row = row_of.get(ref)
        winners[ref] = max(files, key=lambda f: _worth(inventory, ref, f, row))
        losers |= {f.path: ref for f in files if f is not winners[ref]}
    for file in sealed:
        winners.setdefault(bears[file.path], file)
    return winners, losers


def _worth(
    inventory: Inventory, ref: EntityRef, file: EntityFile, row: Row | None
) -> tuple[bool, bool, int, bool, bool, list[int]]:
    """Order the files that claim ``ref``: its own name, then the row's bytes, then the newest."""
    named = inventory.layout.names(file.path, ref.id)
    fits = row is not None and row.content_hash is not None and row.content_hash == file.sha256
    updated = file.record.updated_us if file.record is not None else None
    listed = row is not None and row.path == file.path
    # Paths compare backwards, so that of equals the first in order stays.
    return named, named and fits, updated or 0, fits, listed, [-ord(c) for c in file.path]
