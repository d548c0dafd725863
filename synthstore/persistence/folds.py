"""What a library does with a store's parts as wholes: fold, and read the rows of the catalog.

Plain functions of a store's path that answer with plain values, so that a thread can do them as
well as a process of their own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from synthstore.layout.base import Layout
from synthstore.model.catalog import Scalar
from synthstore.model.ids import EntityRef
from synthstore.persistence.listed import Listed, rows_of
from synthstore.store.backups import keep_copy
from synthstore.store.catalog import load_catalog, read_catalog
from synthstore.store.folding import fold
from synthstore.store.session import Session

COMMAND = "the library"
CHUNK = 250
"""Rows that come over from another process at once: parsing more would hold up everybody."""

Identity = tuple[int, int, int, int] | None
Rows = dict[EntityRef, Listed]


def identity(status: os.stat_result) -> Identity:
    """What tells two states of a file apart."""
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def identity_at(path: Path | str) -> Identity:
    """The state of the file at ``path``; None where there is none."""
    try:
        return identity(os.lstat(path))
    except OSError:
        return None


def bring_in(root: Path, layout: Layout, *, backups: tuple[int, int]) -> None:
    """Fold, having taken a copy of the catalog if one is due.

    ``backups`` are the number of copies, and the seconds between two of them.
    """
    with Session(root, shared=True, command=COMMAND) as session, session.changing():
        keep_copy(session, layout, *backups)
        fold(session, layout)


def rows(root: Path, layout: Layout) -> tuple[Rows | None, Identity]:
    """The catalog's rows, None where it is missing or unreadable, and the state they are of."""
    # Asked first: what changes after it is noticed by the next look.
    state = identity_at(root / layout.catalog_path)
    catalog = read_catalog(root, layout, load_catalog(root, layout.catalog_path, lightly=True))
    return None if catalog.catalog is None else rows_of(catalog.catalog.rows), state


def row_chunks(found: Rows) -> Iterator[list[list[Scalar]]]:
    """Rows as lists, in portions."""
    values = [list(row) for row in found.values()]
    for start in range(0, len(values), CHUNK):
        yield values[start : start + CHUNK]
