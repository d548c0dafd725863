"""Rules on entity files: M001 to M012 for memories, and their twins for assemblies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from synthstore.checks.catalogue import twin
from synthstore.checks.finding import Finding, Severity
from synthstore.checks.found import finding, once
from synthstore.checks.frozen import drifts, frozen_paths, frozen_refs, gainsaid
from synthstore.checks.parting import NO_ROW, parted
from synthstore.checks.standing import Fate, lost_folders, standing
from synthstore.model.columns import column_of
from synthstore.model.facts import EntityFile, FileStatus, PartStatus
from synthstore.model.ids import EntityRef, id_problem, is_plain
from synthstore.scan.inventory import Inventory


@once
def _odd_files(inventory: Inventory) -> tuple[tuple[EntityRef, EntityFile], ...]:
    """Files that are not simply whole, with the entity they are taken for; not those to go."""
    stand = standing(inventory)
    odd = (
        f for f in parted(inventory).files.values() if f.status is not FileStatus.WHOLE or f.rigid
    )
    pairs = ((stand.bears[file.path], file) for file in odd)
    return tuple((ref, file) for ref, file in pairs if ref not in stand.doomed)


_BLOCKED = "left: move the {} away, or put the file in its place; then repair"


def files_missing(inventory: Inventory) -> Iterator[Finding]:
    """M001: rows without a file; ignores those in a lost folder (S009) and rows to go (C009)."""
    lost = {claim.ref for claims in lost_folders(inventory).values() for claim in claims}
    for claim in standing(inventory).astray:
        if claim.fate is not Fate.MISSING or claim.path is None or claim.ref in lost:
            continue
        updated_at, in_place = claim.row.updated_at, inventory.irregular.get(claim.path)
        listed = f"listed in {inventory.catalog.path}, but"
        yield finding(
            twin("M001", claim.row.kind),
            claim.ref,
            claim.path,
            f"{listed} the file is missing"
            if in_place is None
            else f"{listed} a {in_place} stands in the place of its file",
            evidence={} if updated_at is None else {"listed_updated_at": updated_at},
            repair=None if in_place is None else _BLOCKED.format(in_place),
        )


def files_not_listed(inventory: Inventory) -> Iterator[Finding]:
    """M002: files without a row; ignores hurt ones, losers, and all where no row can be read."""
    if inventory.catalog.status is not PartStatus.OK:
        return
    stand = standing(inventory)
    listed = (stand.claim_of, stand.heir_of, stand.doomed)
    for ref, file in stand.standing_file.those(stand.usual.row_at == NO_ROW):
        if file.status not in (FileStatus.WHOLE, FileStatus.UNREAD):
            continue
        if not any(ref in refs for refs in listed):
            yield finding(
                twin("M002", ref.kind),
                ref,
                file.path,
                f"not listed in {inventory.catalog.path}, so nothing that reads it finds this file",
            )


def files_torn(inventory: Inventory) -> Iterator[Finding]:
    """M003: files that do not parse."""
    for ref, file in _odd_files(inventory):
        if file.status is FileStatus.TORN:
            problem = file.problem or "not JSON"
            yield finding(
                twin("M003", ref.kind),
                ref,
                file.path,
                f"does not parse, so its content cannot be read: {problem}",
                evidence={"problem": problem, "size": file.stat.size},
            )


def bit_rot(inventory: Inventory) -> Iterator[Finding]:
    """M004: whole files whose bytes are not the row's, though they are not newer than it.

    And files that changed since the newest snapshot under the same size and time.
    """
    by_row = {drift.file.path for drift in drifts(inventory) if not drift.newer}
    for path, ref in gainsaid(inventory).items():
        if path not in by_row:
            said = inventory.gainsaid[path]
            yield finding(
                twin("M004", ref.kind),
                ref,
                path,
                "its bytes changed since the snapshot, its size and time did not",
                evidence={"snapshot": said.snapshot, "snapshot_sha256": said.sha256},
                repair="take the snapshot's bytes, with --repo; if these are right, touch the file",
            )
    for claim, file, newer in drifts(inventory):
        if not newer:
            other = file.id is not None and file.id != claim.row.id
            yield finding(
                twin("M004", claim.row.kind),
                claim.ref,
                file.path,
                "its bytes are not those that its row's content_hash is of, and the file is not "
                "newer: "
                + (f"it bears the id {file.id}" if other else "some of its content is wrong"),
                evidence={"listed_hash": claim.row.content_hash, "hash": file.sha256},
            )


def ids_differing(inventory: Inventory) -> Iterator[Finding]:
    """M005: whole files whose id is not that of their name or row; ignores losers and frozen ones.

    Once a row of that id names the file, only the name is odd: a warning.
    """
    stand = standing(inventory)
    for ref, file in _misnamed(inventory):
        row_ref = stand.heir_of.get(ref)
        settled = stand.names_its_file(ref)
        other = "name" if row_ref is None else "row"
        what = "its row names it all the same" if settled else "nothing finds it by its id"
        yield finding(
            twin("M005", ref.kind),
            ref,
            file.path,
            f"the id in the file is not that of its {other}; {what}",
            evidence={f"{other}_id": (row_ref or _named(inventory, file)).id},
            severity=Severity.WARNING if settled else None,
            repair="left: the row says where the file is" if settled else None,
        )


def _misnamed(inventory: Inventory) -> Iterator[tuple[EntityRef, EntityFile]]:
    stand, names = standing(inventory), inventory.layout.names
    out = frozen_refs(inventory) | stand.doomed
    named = zip(column_of(inventory.files, "path"), stand.usual.ids, strict=True)
    odd_ones = [entity_id is not None and not names(path, entity_id) for path, entity_id in named]
    for ref, file in stand.standing_file.those(np.array(odd_ones, dtype=np.bool_)):
        odd = not names(file.path, ref.id) or ref in stand.heir_of
        if odd and file.status is FileStatus.WHOLE and ref not in out:
            yield ref, file


def _named(inventory: Inventory, file: EntityFile) -> EntityRef:
    return EntityRef(file.kind, inventory.layout.id_from_path(file.path))


def ids_claimed_twice(inventory: Inventory) -> Iterator[Finding]:
    """M006: whole files whose id another file stands for; ignores ids that are rotten (M004)."""
    stand, frozen = standing(inventory), frozen_paths(inventory)
    for path, ref in stand.losers.items():
        rotten = frozen.get(path)
        if rotten not in (None, ref):
            continue
        stands = stand.standing_file[ref].path
        yield finding(
            twin("M006", ref.kind),
            ref,
            path,
            f"{stands} claims the same id and stands for it, so this one is never loaded",
            evidence={"stands": stands},
            repair="left: its bytes are not what its row says, so it may be the better one"
            if rotten is not None
            else None,
        )


def fields_missing(inventory: Inventory) -> Iterator[Finding]:
    """M007: files that parse, but lack a required field; ignores what rot took (M004)."""
    frozen = frozen_paths(inventory)
    for ref, file in _odd_files(inventory):
        if file.status is FileStatus.INCOMPLETE and file.path not in frozen:
            missing = list(file.record.missing) if file.record is not None else []
            problem = file.problem or "a required field is missing or mistyped"
            yield finding(
                twin("M007", ref.kind),
                ref,
                file.path,
                f"parses, but is no complete {ref.kind}: {problem}",
                evidence={"fields": missing},
            )


def fields_out_of_range(inventory: Inventory) -> Iterator[Finding]:
    """M008: fields with impossible values; ignores frozen entities and those about to go."""
    # Asked first: which file stands for which entity is what most stores need not know.
    odd = column_of(inventory.files, "record.out_of_range")
    if not any(odd):
        return
    stand = standing(inventory)
    out = frozen_refs(inventory) | stand.doomed
    for ref, file in stand.standing_file.those(np.array(list(map(bool, odd)))):
        record = file.record
        if record is not None and record.out_of_range and ref not in out:
            yield finding(
                twin("M008", ref.kind),
                ref,
                file.path,
                "out of range: " + ", ".join(record.out_of_range),
                evidence={"problems": list(record.out_of_range)},
            )


def files_empty(inventory: Inventory) -> Iterator[Finding]:
    """M009: files of no bytes."""
    for ref, file in _odd_files(inventory):
        if file.status is FileStatus.EMPTY:
            yield finding(
                twin("M009", ref.kind), ref, file.path, "the file is empty: nothing is left to read"
            )


def files_rigid(inventory: Inventory) -> Iterator[Finding]:
    """M010: files that would lose something if they were written again; ignores hurt ones."""
    for ref, file in _odd_files(inventory):
        if (file.rigid and not file.status.hurt) or file.status is FileStatus.OPAQUE:
            reasons = list(file.rigid) or [file.problem or "nested too deep"]
            yield finding(
                twin("M010", ref.kind),
                ref,
                file.path,
                "writing it again from its parsed values would lose: " + ", ".join(reasons),
                evidence={"reasons": reasons},
            )


def files_oversize(inventory: Inventory) -> Iterator[Finding]:
    """M011: files beyond the size cap, which were not read."""
    for ref, file in _odd_files(inventory):
        if file.status is FileStatus.OVERSIZE:
            yield finding(
                twin("M011", ref.kind),
                ref,
                file.path,
                "larger than the size cap, so it was not parsed",
                evidence={"size": file.stat.size},
            )


def ids_not_allowed(inventory: Inventory) -> Iterator[Finding]:
    """M012: ids, in files or rows, that no file name can carry safely; each once."""
    stand, native = standing(inventory), inventory.layout.name == "native"
    for ref in stand.known:
        if is_plain(ref.id) or ref in stand.doomed:
            continue
        problem = id_problem(ref.id, kind=ref.kind, native=native)
        if problem is not None:
            file = stand.standing_file.get(ref) or stand.hurt.get(ref)
            yield finding(
                twin("M012", ref.kind),
                ref,
                file.path if file is not None else inventory.catalog.path,
                f"its id is not allowed: it {problem}",
                evidence={"problem": problem},
                # That a row names no file, M001 says, and a repair drops it.
                repair=None if file is not None else "left",
            )
