"""Rules on the catalog and its rows (C001 to C009)."""

from __future__ import annotations

from collections.abc import Iterator

from synthstore.checks.finding import Finding, Subject
from synthstore.checks.found import finding, out_of_reach
from synthstore.checks.frozen import drifts, frozen_paths, frozen_refs, unsettled
from synthstore.checks.parting import parted
from synthstore.checks.standing import Claim, Fate, standing
from synthstore.model.facts import EntityFile, FileStatus, PartStatus
from synthstore.model.paths import confined
from synthstore.scan.inventory import Inventory

_FOLLOWED = frozenset({Fate.STANDS, Fate.ELSEWHERE})
"""How a row leads to a file that it can be held against."""


def catalog_missing(inventory: Inventory) -> Iterator[Finding]:
    """C001: no catalog; said instead of every row that it lacks. Ignores what S005 says."""
    catalog = inventory.catalog
    if not catalog.path:
        return
    if catalog.status is PartStatus.MISSING and catalog.path not in inventory.closed:
        yield finding(
            "C001",
            Subject("catalog", catalog.path),
            catalog.path,
            f"the catalog is missing, so none of the {len(inventory.files)} entity files is listed",
        )


def catalog_unreadable(inventory: Inventory) -> Iterator[Finding]:
    """C002: a catalog that is none to all readers, or to most; ignores what S005 says.

    Said instead of every row that it lacks.
    """
    catalog = inventory.catalog
    if catalog.status is PartStatus.UNREADABLE and catalog.path not in inventory.closed:
        problem = catalog.problem or "not a catalog"
        yield finding(
            "C002",
            Subject("catalog", catalog.path),
            catalog.path,
            f"the catalog is unreadable, so no entity is listed: {problem}",
            evidence={"problem": problem},
            repair=out_of_reach(catalog),
        )
    elif catalog.encoding is not None:
        yield finding(
            "C002",
            Subject("catalog", catalog.path),
            catalog.path,
            f"the catalog has a {catalog.encoding}: its rows could be read, but not by others",
            evidence={"problem": catalog.encoding},
        )


def malformed_rows(inventory: Inventory) -> Iterator[Finding]:
    """C003: rows with missing or mistyped keys; ignores rows about to go."""
    for row in parted(inventory).rows.values():
        if row.problems and row.deleted_at is None:
            yield finding(
                "C003",
                row.ref,
                inventory.catalog.path,
                "its row is malformed: " + ", ".join(row.problems),
                evidence={"problems": list(row.problems)},
            )


def wrong_counts(inventory: Inventory) -> Iterator[Finding]:
    """C004: counts in the metadata that the rows do not bear out."""
    catalog = inventory.catalog.catalog
    if catalog is not None and catalog.count_problems:
        yield finding(
            "C004",
            Subject("catalog", inventory.catalog.path),
            inventory.catalog.path,
            "the counts in its metadata are wrong: " + ", ".join(catalog.count_problems),
            evidence={"problems": list(catalog.count_problems)},
        )


def paths_outside(inventory: Inventory) -> Iterator[Finding]:
    """C005: rows whose path leaves the store; such a path is never touched, and not shown."""
    for claim in standing(inventory).astray:
        if claim.fate is Fate.OUTSIDE:
            found = claim.file is not None
            rest = "its file stands where it belongs" if found else "no file here bears its id"
            yield finding(
                "C005",
                claim.ref,
                inventory.catalog.path,
                f"its row names a path that leaves the store; {rest}",
                evidence={"listed_path": claim.row.path},
            )


def files_listed_twice(inventory: Inventory) -> Iterator[Finding]:
    """C006: rows that name a file which another row keeps; ignores rotten files (M004)."""
    stand, frozen = standing(inventory), frozen_paths(inventory)
    for claim in stand.astray:
        if claim.fate is not Fate.SHARED or claim.path is None:
            continue
        if frozen.get(claim.path) != claim.ref:
            bearer = stand.bears[claim.path]
            yield finding(
                "C006",
                claim.ref,
                claim.path,
                "its row names a file that belongs to another row",
                evidence={"bears": bearer.id, "stands_elsewhere": claim.file is not None},
            )


def rows_disagreeing(inventory: Inventory) -> Iterator[Finding]:
    """C007: rows that disagree with their whole file.

    Ignores rows that repair rewrites for another finding (C003, C008, M005, M006), or must not
    (M004).
    """
    for claim, file in _comparable(inventory):
        fields = _disagreeing(inventory, claim, file)
        if fields:
            yield finding(
                "C007",
                claim.ref,
                file.path,
                f"its row disagrees with its file in {', '.join(fields)}",
                evidence={"fields": list(fields)},
            )


def _comparable(inventory: Inventory) -> Iterator[tuple[Claim, EntityFile]]:
    stand = standing(inventory)
    drifting = (drift.claim.ref for drift in drifts(inventory))
    out = stand.doomed.union(frozen_refs(inventory), drifting)
    for claim in unsettled(inventory):
        file = claim.file
        if file is None or claim.fate not in _FOLLOWED or claim.ref in out:
            continue
        if not claim.row.problems and file.path not in stand.losers:
            yield claim, file


def _disagreeing(inventory: Inventory, claim: Claim, file: EntityFile) -> tuple[str, ...]:
    layout, whole = inventory.layout, file.status is FileStatus.WHOLE
    fields = layout.row_problems(claim.row, file) if whole else ()
    if claim.fate is Fate.STANDS:
        return fields
    key = "filepath" if "filepath" in claim.row.raw else "path"
    others = tuple(field for field in fields if field != key)
    # A file of a foreign name is M005's to tell, and the row follows it anyway.
    return (key, *others) if layout.names(file.path, claim.row.id) else others


def hashes_out_of_date(inventory: Inventory) -> Iterator[Finding]:
    """C008: files that changed, and say so, since their row was written."""
    for claim, file, newer in drifts(inventory):
        if newer and claim.fate in _FOLLOWED and file.path not in standing(inventory).losers:
            yield finding(
                "C008",
                claim.ref,
                file.path,
                "the file is newer than its row, whose content_hash is of older bytes",
                evidence={
                    "listed_hash": claim.row.content_hash,
                    "hash": file.sha256,
                    "listed_updated_at": claim.row.updated_at,
                },
            )


def unfinished_deletions(inventory: Inventory) -> Iterator[Finding]:
    """C009: rows marked for deletion; nothing else is said of their entities."""
    for row in parted(inventory).rows.values():
        if row.deleted_at is not None and row.ref not in inventory.deleted:
            yield finding(
                "C009",
                row.ref,
                (confined(row.path) if row.path is not None else None) or inventory.catalog.path,
                "its row is marked for deletion, but the deletion never finished",
                evidence={"deleted_at": row.deleted_at},
            )
