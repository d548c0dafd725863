"""Which file stands for each entity, and which file each row of the catalog speaks for.

Repair builds on the same answers, so that what it does agrees with what the rules say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import chain
from typing import NamedTuple

from synthstore.checks.found import once
from synthstore.checks.pairing import rows_of
from synthstore.checks.parting import NO_ROW, Parted, Usual, parted
from synthstore.checks.standing_files import KnownRefs, StandingFiles
from synthstore.model.catalog import Row, column
from synthstore.model.columns import column_of
from synthstore.model.facts import EntityFile, FileStatus
from synthstore.model.ids import EntityRef
from synthstore.model.lookup import FilesByPath
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

    usual: Usual
    """Entities of which each has a file that nothing else has to do with: of them no more need be
    said than that it stands, and that their row, if there is one, names it."""
    standing_file: StandingFiles
    """The file of each entity: whole, else sealed (names stand for ids); never a hurt one."""
    losers: Mapping[str, EntityRef]
    """Whole files (by path) whose entity another file stands for (M006)."""
    hurt: Mapping[EntityRef, EntityFile]
    """Hurt files by the entity that a row, else the file's own id, else its name gives them."""
    bears: Mapping[str, EntityRef]
    """The entity that each file is taken for which is not a usual one's."""
    doomed: frozenset[EntityRef]
    """Entities whose deletion began (C009), or that our own log says were deleted."""
    claims: Sequence[Claim]
    """One for each row of the catalog that is not a usual entity's, in its order."""
    claim_at: Sequence[int]
    """Where in the catalog these rows are."""

    @cached_property
    def claim_of(self) -> Mapping[EntityRef, Claim]:
        """Those claims by the entity of the row."""
        return {claim.ref: claim for claim in self.claims}

    def bearer(self, path: str) -> EntityRef:
        """The entity that the file of a path is taken for."""
        found = self.bears.get(path)
        if found is None:
            place = FilesByPath(self.usual.files).place(path)
            found = None if place is None else self.usual.ref(place)
        if found is None:
            raise KeyError(path)
        return found

    def names_its_file(self, ref: EntityRef) -> bool:
        """Whether the entity has a row, and that names its file."""
        place, claim = self.usual.place(ref), self.claim_of.get(ref)
        if place is not None:
            return bool(self.usual.row_at[place] != NO_ROW)
        return claim is not None and claim.fate is Fate.STANDS

    @cached_property
    def astray(self) -> tuple[Claim, ...]:
        """Claims of living rows whose path does not simply lead to their file."""
        strayed = (claim for claim in self.claims if claim.fate is not Fate.STANDS)
        return tuple(claim for claim in strayed if claim.ref not in self.doomed)

    @cached_property
    def known(self) -> KnownRefs:
        """Entities that have a file or a row."""
        listed = (claim.ref for claim in self.claims)
        return KnownRefs(self.usual, frozenset(chain(listed, self.bears.values(), self.doomed)))

    @cached_property
    def others(self) -> tuple[EntityRef, ...]:
        """Those of them that are not usual."""
        return tuple(sorted(self.known.others))

    def number(self, ref: EntityRef) -> int | None:
        """The place of a usual entity's file, or, counted on from the last, that among others."""
        place = self.usual.place(ref)
        return self._number_of.get(ref) if place is None else place

    @cached_property
    def _number_of(self) -> Mapping[EntityRef, int]:
        return {ref: number for number, ref in enumerate(self.others, len(self.usual.ids))}

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
    apart = parted(inventory)
    rows, given = list(apart.rows.values()), list(apart.files.values())
    by_path = {file.path: file for file in given}
    # A path that a file has is confined: most rows need no closer look.
    paths = [r.path if r.path in by_path else _confined(r.path) for r in rows]
    naming = _naming(rows, paths)
    bears = _bearers(inventory, given, naming)
    refs = [_same_or_new(row, bears.get(path or "")) for row, path in zip(rows, paths, strict=True)]
    row_of = dict(zip(refs, rows, strict=True))
    files, losers = _winners(inventory, given, bears, row_of)
    hurt = {bears[f.path]: f for f in reversed(given) if f.status in _HURT}
    keepers = {path: _keeper(bears[path], named) for path, named in naming.shared(bears)}
    look = _LookUp(by_path, bears, files, hurt, keepers, row_of, inventory.closed)
    doomed = inventory.deleted.union(row.ref for row in rows if row.deleted_at is not None)
    claims = tuple(map(look.claim, rows, refs, paths))
    standing_file = StandingFiles(apart.usual, files, _spots(apart, files, bears))
    return Standing(
        apart.usual, standing_file, losers, hurt, bears, doomed, claims, tuple(apart.rows)
    )


def _spots(
    apart: Parted, winners: Mapping[EntityRef, EntityFile], bears: Mapping[str, EntityRef]
) -> list[tuple[bool, int]]:
    """Where each entity of the ``winners`` comes up first, files that are whole before others."""
    first: dict[EntityRef, int] = {}
    for at, file in apart.files.items():
        if file.status is FileStatus.WHOLE:
            first.setdefault(bears[file.path], at)
    places = {file.path: at for at, file in apart.files.items()}
    return [
        (file.status.sealed, first.get(ref, places[file.path])) for ref, file in winners.items()
    ]


@once
def lost_folders(inventory: Inventory) -> Mapping[str, tuple[Claim, ...]]:
    """Entity folders that are missing or empty though rows name files in them (S009).

    The root holds more than entities: it counts as empty without any, where most rows name it.
    """
    full = {folder_of(path) for path in column_of(inventory.files, "path")}
    full |= {folder for stray in inventory.strays if (folder := folder_of(stray.path))}
    lost: dict[str, list[Claim]] = {f: [] for f in inventory.folders if f not in full}
    paths, doomed = column(rows_of(inventory), "path"), standing(inventory).doomed
    if 2 * sum(path is not None and "/" not in path for path in paths) <= len(paths):
        lost.pop("", None)
    for claim in standing(inventory).astray:
        missing = claim.fate is Fate.MISSING and claim.ref not in doomed
        if missing and claim.path is not None:
            lost.get(folder_of(claim.path), []).append(claim)
    return {folder: tuple(claims) for folder, claims in lost.items() if claims}


MOUNTED = "is the disk mounted?"
"""What is asked first where all files of a folder are gone at once."""


def unmounted(folder: str) -> str:
    """What is said of one of them to whoever is refused for it."""
    where = f"{folder}/" if folder else "the store's own folder"
    return f"the catalog lists entities in {where}, but it is missing or empty: {MOUNTED}"


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


def _bearers(
    inventory: Inventory, files: Sequence[EntityFile], naming: _Naming
) -> dict[str, EntityRef]:
    return {
        file.path: file.ref or _entity_of(inventory, file, naming.of(file.path)) for file in files
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
    inventory: Inventory,
    files: Sequence[EntityFile],
    bears: Mapping[str, EntityRef],
    row_of: Mapping[EntityRef, Row],
) -> tuple[dict[EntityRef, EntityFile], dict[str, EntityRef]]:
    winners: dict[EntityRef, EntityFile] = {}
    contested: dict[EntityRef, list[EntityFile]] = {}
    sealed: list[EntityFile] = []
    for file in files:
        if file.status is not FileStatus.WHOLE:
            sealed += [file] if file.status.sealed else []
        elif winners.setdefault(ref := bears[file.path], file) is not file:
            contested.setdefault(ref, [winners[ref]]).append(file)
    losers: dict[str, EntityRef] = {}
    for ref, several in contested.items():
        row = row_of.get(ref)
        winners[ref] = max(several, key=lambda f: _worth(inventory, ref, f, row))
        losers |= {f.path: ref for f in several if f is not winners[ref]}
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
