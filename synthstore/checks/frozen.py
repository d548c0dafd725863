"""Bit rot: entities whose bytes differ from their row's hash, though they are not newer (M004).

Such an entity is frozen: nothing takes its file as truth, changes its row or drops its vector.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from synthstore.checks.agreement import agreed, agreeing
from synthstore.checks.found import once
from synthstore.checks.pairing import rows_of
from synthstore.checks.parting import NO_ROW
from synthstore.checks.standing import Claim, Fate, standing
from synthstore.model.catalog import Row
from synthstore.model.columns import Bools
from synthstore.model.facts import EntityFile, FileStatus
from synthstore.model.ids import EntityRef
from synthstore.model.times import instant_us
from synthstore.scan.inventory import Inventory


class Drift(NamedTuple):
    """A row whose content_hash fits neither its file's bytes nor its content."""

    claim: Claim
    file: EntityFile
    newer: bool
    """Whether the file says that it was updated after its row was written (C008, not M004)."""


@once
def drifts(inventory: Inventory) -> tuple[Drift, ...]:
    """Every row whose file parses, but has other bytes than its content_hash says."""
    if agreeing(inventory):
        return ()
    doomed = standing(inventory).doomed
    return tuple(
        Drift(claim, file, _newer(claim.row, file))
        for claim, file in _hashed(inventory)
        if _differs(claim.row, file) and claim.ref not in doomed
    )


@once
def frozen_paths(inventory: Inventory) -> Mapping[str, EntityRef]:
    """Files that M004 or A004 holds for, with the entity of the row or snapshot that says so."""
    by_row = {d.file.path: d.claim.ref for d in drifts(inventory) if not d.newer}
    return {**gainsaid(inventory), **by_row}


@once
def gainsaid(inventory: Inventory) -> Mapping[str, EntityRef]:
    """Files that a snapshot gainsays, with the entity that they were of there."""
    bearer = standing(inventory).bearer
    return {
        path: bearer(path) if said.id is None else EntityRef(inventory.by_path[path].kind, said.id)
        for path, said in inventory.gainsaid.items()
    }


@once
def frozen_refs(inventory: Inventory) -> frozenset[EntityRef]:
    """The entities of those files: by their row and, where the rot hit the id, by their file."""
    paths = frozen_paths(inventory)
    if not paths:
        return frozenset()
    stand = standing(inventory)
    # A usual entity's file bears the id of its row.
    borne = (stand.bears[path] for path in paths.keys() & stand.bears if path not in stand.losers)
    return frozenset(paths.values()).union(borne)


@once
def unsettled(inventory: Inventory) -> tuple[Claim, ...]:
    """The claims of all rows that do not simply say what their file says, in their order."""
    stand, said = standing(inventory), agreed(inventory)
    others = ((at, claim) for at, claim in zip(stand.claim_at, stand.claims, strict=True))
    found = [(at, claim) for at, claim in others if not said.has(claim.row)]
    found += _usual_claims(inventory, said.read & ~said.rows)
    return tuple(claim for _, claim in sorted(found, key=itemgetter(0)))


def _usual_claims(inventory: Inventory, wanted: Bools) -> Iterator[tuple[int, Claim]]:
    """Claims of usual entities, for the rows that are ``wanted``."""
    usual, rows = standing(inventory).usual, rows_of(inventory)
    listed = np.flatnonzero(usual.row_at != NO_ROW)
    for at in listed[wanted[usual.row_at[listed]]].tolist():
        row_at = int(usual.row_at[at])
        row, file = rows[row_at], inventory.files[at]
        yield row_at, Claim(row, row.ref, Fate.STANDS, file.path, file)


def _hashed(inventory: Inventory) -> Iterator[tuple[Claim, EntityFile]]:
    for claim in unsettled(inventory):
        file = None if claim.row.content_hash is None else _hashed_file(inventory, claim)
        if file is not None:
            yield claim, file


def _hashed_file(inventory: Inventory, claim: Claim) -> EntityFile | None:
    """The file that the row's hash is of."""
    here = inventory.by_path.get(claim.path) if claim.path is not None else None
    if here is None or claim.fate not in (Fate.TAKEN, Fate.SHARED, Fate.ELSEWHERE):
        return claim.file
    if claim.file is not None:
        # A row that got another's path and hash says nothing of its own file.
        return None if _fits(claim.row, here) else claim.file
    # A file that is named for its row but bears another id: rot can hit the id, too.
    return here if inventory.layout.names(here.path, claim.row.id) else None


def _fits(row: Row, file: EntityFile) -> bool:
    text = file.record.content_sha256 if file.record is not None else None
    return row.content_hash in (file.sha256, text)


def _differs(row: Row, file: EntityFile) -> bool:
    parses = file.status in (FileStatus.WHOLE, FileStatus.INCOMPLETE)
    if file.record is None or file.sha256 is None or not parses:
        return False
    return row.content_hash not in (file.sha256, file.record.content_sha256)


def _newer(row: Row, file: EntityFile) -> bool:
    """Unreadable times prove nothing, so they do not make a file newer."""
    file_us = file.record.updated_us if file.record is not None else None
    row_us = instant_us(row.updated_at)
    return file_us is not None and row_us is not None and file_us > row_us
