"""Entity files for tests of layouts, judged without any file being written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from synthstore.layout.base import Layout, Place
from synthstore.layout.core import Core2, Core3, Core4
from synthstore.layout.native import Native
from synthstore.model.catalog import Row
from synthstore.model.facts import EntityFile, FileStatus, Stat
from synthstore.model.ids import EntityRef, Kind

NATIVE, CORE4, CORE3, CORE2 = Native(), Core4(), Core3(), Core2()
LAYOUTS: tuple[Layout, ...] = (NATIVE, CORE4, CORE3, CORE2)

KIND: dict[Place, Kind] = {Place.MEMORY: "memory", Place.ASSEMBLY: "assembly"}
STAT = Stat(1, 0, 0o600, 0, 0, 1, 1)


def whole(layout: Layout, path: str, document: Mapping[str, object]) -> EntityFile:
    """The facts of a whole file at ``path`` that holds ``document``."""
    kind = KIND[layout.place(path)]
    digest = hashlib.sha256(json.dumps(document).encode()).hexdigest()
    record = layout.read_record(kind, document)
    assert record.missing == ()
    return EntityFile(kind, path, FileStatus.WHOLE, STAT, digest, record=record)


def relisted(layout: Layout, row: Mapping[str, object], ref: EntityRef) -> Row:
    """``row`` written into a catalog of its own and read back."""
    catalog = layout.read_catalog(layout.write_catalog(None, {ref: row}))
    assert [found.ref for found in catalog.rows] == [ref]
    return catalog.rows[0]
