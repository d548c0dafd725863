"""Exports and imports as the tests call them: one worker, no questions, no waiting."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synthstore.files.passing import Passed, fill
from synthstore.transfer.exporting import ExportOptions, ExportReport, export
from synthstore.transfer.formats import FORMATS
from synthstore.transfer.formats.base import ANY_SHAPE, Found
from synthstore.transfer.formats.packing import Stream
from synthstore.transfer.importing import ImportOptions, ImportReport, import_rows
from synthstore.transfer.selection import Selection
from synthstore.transfer.sources import FileSource, SampleSource, Source

FORMS = ("jsonl", "json", "csv", "parquet", "jsonl.gz", "json.zst", "csv.zst")
Row = dict[str, Any]


def write_out(
    store: Path, file: Path, *, limit: int | None = None, layout: str | None = None, **wanted: Any
) -> ExportReport:
    """Export."""
    selection = Selection(**wanted)
    options = ExportOptions(jobs=1, limit=limit, layout=layout, selection=selection)
    return asyncio.run(export(store, file, options))


def take_in(store: Path, source: Path | Source, **options: Any) -> ImportReport:
    """Import."""
    rows = FileSource(source) if isinstance(source, Path) else source
    return asyncio.run(import_rows(store, rows, ImportOptions(**{"jobs": 1, **options})))


def make_sample(store: Path, n: int = 30, dim: int = 8, seed: int = 1, **options: Any) -> Path:
    """A store for tests."""
    take_in(store, SampleSource(n, dim, seed), create=True, **options)
    return store


def rows_of(store: Path, **wanted: Any) -> list[Row]:
    """The records of a store."""
    file = store.parent / f"{store.name}.rows.jsonl"
    write_out(store, file, **wanted)
    return [json.loads(line) for line in file.read_bytes().splitlines()]


def put_rows(file: Path, rows: Sequence[object]) -> Path:
    """Write rows as JSON Lines: a text as it is, all else as JSON."""
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    file.write_text("".join(f"{line}\n" for line in lines))
    return file


def written(form: str, records: Sequence[Row], shape: Any = ANY_SHAPE) -> bytes:
    """Records as a file of a format."""
    out = io.BytesIO()
    writer = FORMATS[form].writer(out, shape)
    writer.write(Passed(fill(None, FORMATS[form].encode(records, shape))))
    writer.close()
    return out.getvalue()


def read_back(form: str, raw: bytes) -> list[Found]:
    """The rows of a file of a format."""
    return list(FORMATS[form].read(Stream(io.BytesIO(raw))))
