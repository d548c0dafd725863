"""Files that hold the texts of their rows are the files that they were."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from synthstore.model.catalog import Row
from synthstore.model.columns import FileTable
from synthstore.model.facts import EntityFile
from synthstore.scan import known
from synthstore.scan.inventory import Inventory
from synthstore.scan.known import Shared
from synthstore.scan.scanner import ScanOptions, scan
from synthstore.scan.shard import ShardFacts
from synthstore.store.evidence import recognise
from synthstore.testing.stores import build

Rows = dict[str, dict[str, Any]]


def untouched(rows: Rows) -> None:
    """As it is."""


def unhash(rows: Rows) -> None:
    next(iter(rows.values()))["content_hash"] = "sha256:" + "0" * 64


def move(rows: Rows) -> None:
    next(iter(rows.values()))["filepath"] = "memories/elsewhere.json"


def forget(rows: Rows) -> None:
    del rows[next(iter(rows))]


def extend(rows: Rows) -> None:
    """Make one row as none of the columns has it."""
    next(iter(rows.values()))["more"] = 1


def scanned(root: Path) -> Inventory:
    return asyncio.run(scan(root, recognise(root), ScanOptions(jobs=1)))


@pytest.mark.parametrize("layout", ["native", "core-4"])
@pytest.mark.parametrize("change", [untouched, unhash, move, forget, extend])
def test_they_tell_the_same(layout: Any, change: Callable[[Rows], None], tmp_path: Path) -> None:
    built = build(layout, tmp_path / "store")
    catalog = built.root / "memory_index.json"
    document = json.loads(catalog.read_text())
    change(document["memories"] if layout == "native" else document)
    catalog.write_text(json.dumps(document))
    inventory = scanned(built.root)
    rows = inventory.catalog.catalog
    assert rows is not None
    before, table = list(inventory.files), inventory.tables[built.vectors().dim]
    facts = Shared(rows.rows).facts(ShardFacts(by_kind(before), tables={1: table}))
    hashes = {row.path: row.content_hash for row in rows.rows}
    for mine, theirs in zip(facts.files, before, strict=True):
        assert mine == _without_content(theirs, hashes.get(theirs.path))
    assert facts.tables[1].paths == table.paths


def test_where_rows_fit_no_file_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inventory = scanned(build("native", tmp_path / "store").root)
    catalog = inventory.catalog.catalog
    assert catalog is not None
    made: list[EntityFile] = []

    def note(file: EntityFile, _: Row | None) -> EntityFile:
        made.append(file)
        return file

    monkeypatch.setattr(known, "_shared", note)
    Shared(catalog.rows).facts(ShardFacts(by_kind(list(inventory.files))))
    assert {file.kind for file in made} == {"assembly"}


def test_the_ids_are_those_of_the_rows(tmp_path: Path) -> None:
    inventory = scanned(build("native", tmp_path / "store").root)
    catalog = inventory.catalog.catalog
    assert catalog is not None
    own = {row.id: row.id for row in catalog.rows}
    files = Shared(catalog.rows).facts(ShardFacts(inventory.files)).files
    assert all(file.id is own[file.id] for file in files if file.id is not None)


def by_kind(files: list[EntityFile]) -> FileTable:
    """The files, in whose columns no two kinds are."""
    kinds = groupby(files, attrgetter("kind"))
    return FileTable.joined([FileTable.of(group) for _, group in kinds])


def _without_content(file: EntityFile, listed: str | None) -> EntityFile:
    """The file without the hash of its content: nobody asks for it where its bytes have theirs."""
    if file.record is None or listed != file.sha256:
        return file
    return file._replace(record=file.record._replace(content_sha256=None))
