"""Which rows of the catalog say what their files do.

Most do, each column of them byte by byte; only the others are compared one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import eq
from typing import NamedTuple

import numpy as np

from synthstore.checks.found import once
from synthstore.checks.pairing import PickedRows, pairs_of, rows_of
from synthstore.checks.parting import NO_ROW, parted
from synthstore.layout.base import Layout
from synthstore.model.catalog import Row, RowColumns
from synthstore.model.columns import Bools, FileRun, picked, runs_of, some_of
from synthstore.model.embedding import Places
from synthstore.model.facts import EntityFile, FileStatus
from synthstore.scan.inventory import Inventory


class Agreed(NamedTuple):
    """Rows that are well-formed and say what the whole file at their path says.

    Nothing is to be found or mended in such a row itself.
    """

    rows: Bools
    """Which rows of the catalog are such ones of usual entities."""
    read: Bools
    """Which ones are of usual entities whose file was read."""
    others: Mapping[str, Row]
    """All others of the kind, by their path."""

    def has(self, row: Row) -> bool:
        """Whether it is one of the others."""
        return self.others.get(row.path or "") == row


@once
def agreeing(inventory: Inventory) -> bool:
    """Whether rows and files are one to one, and each row says what its file does.

    The hash of the file's bytes is among it, and no snapshot gainsays a file.
    """
    if inventory.gainsaid or pairs_of(inventory) is None:
        return False
    said = agreed(inventory)
    return bool((said.rows | ~said.read).all())


@once
def agreed(inventory: Inventory) -> Agreed:
    """The rows that need no closer look."""
    apart, layout, rows = parted(inventory), inventory.layout, rows_of(inventory)
    files, by_path = inventory.files, {file.path: file for file in apart.files.values()}
    row_at = apart.usual.row_at
    listed = row_at != NO_ROW
    alike = _packed_alike(layout, rows, files, row_at)
    was_read = alike.copy()
    left = listed & ~alike
    was_read[left] = [kind is not None for kind in picked(files, "record.kind", left)]
    left &= was_read
    some = left & np.array([kind == "memory" for kind in apart.usual.kinds], dtype=np.bool_)
    alike[some] = _alike(layout, PickedRows(rows, row_at[some].tolist()), files, some)
    left &= ~alike
    for at, file in zip(np.flatnonzero(left).tolist(), some_of(files, left), strict=True):
        alike[at] = _say_the_same(layout, rows[row_at[at]], file)
    read, same = np.zeros((2, len(rows)), dtype=np.bool_)
    read[row_at[listed]], same[row_at[listed]] = was_read[listed], alike[listed]
    others = {
        row.path: row
        for row in apart.rows.values()
        if row.path is not None and _is_agreed(layout, row, by_path.get(row.path))
    }
    return Agreed(same, read, others)


def _packed_alike(
    layout: Layout, rows: Sequence[Row], files: Sequence[EntityFile], row_at: Places
) -> Bools:
    """Which files are memories spelt as their rows, as far as the bytes of columns tell."""
    alike = np.zeros(len(files), dtype=np.bool_)
    if not layout.repeated or not isinstance(rows, RowColumns):
        return alike
    end = 0
    for run in runs_of(files):
        start, end = end, end + run.count
        places = row_at[start:end]
        if run.same("kind") == "memory" and NO_ROW not in places:
            alike[start:end] = all(
                _are_packed_alike(rows, mine, places, run, theirs)
                for mine, theirs in layout.repeated.items()
            )
    return alike


def _are_packed_alike(
    rows: RowColumns, mine: str, places: Places, run: FileRun, theirs: str
) -> bool:
    packed = rows.packed(mine, places)
    return packed is not None and packed == run.packed(theirs)


def _alike(layout: Layout, rows: PickedRows, files: Sequence[EntityFile], which: Bools) -> Bools:
    """Which of these memories are spelt as their rows in all that these repeat."""
    same = np.full(len(rows), bool(layout.repeated))
    for mine, theirs in layout.repeated.items() if len(rows) else ():
        equal = map(eq, rows.each(mine), picked(files, theirs, which))
        same &= np.fromiter(equal, np.bool_, len(rows))
    return same


def _say_the_same(layout: Layout, row: Row, file: EntityFile) -> bool:
    record, listed = file.record, row.content_hash
    if record is None or listed not in (file.sha256, record.content_sha256, None):
        return False
    return layout.agrees(row, file)


def _is_agreed(layout: Layout, row: Row, file: EntityFile | None) -> bool:
    if file is None or file.status is not FileStatus.WHOLE or file.record is None:
        return False
    malformed = row.problems or row.deleted_at is not None
    same = row.kind == file.kind and row.id == file.record.id
    return same and not malformed and _say_the_same(layout, row, file)
