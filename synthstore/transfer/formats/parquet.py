"""Parquet, by pyarrow: embeddings as lists of a fixed size, all else as ``columns`` has it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import Any, BinaryIO

from synthstore.errors import UsageError
from synthstore.files.jsonio import ParseFailure, parse
from synthstore.files.passing import Passed
from synthstore.transfer.formats.base import CUT, Format, Found, Row, Shape, Unread
from synthstore.transfer.formats.columns import (
    COLUMNS,
    VECTORS,
    Cells,
    Holds,
    cells_of,
    json_text,
    record_from,
)
from synthstore.transfer.formats.packing import Stream
from synthstore.transfer.records import Record

_GROUP = 4096
"""Rows that are held before they are written."""
_AT_ONCE = 256


class Parquet(Format):
    """``parquet``."""

    name = "parquet"
    suffixes = (".parquet", ".pq")
    packable = False
    shaped = True

    def require(self) -> None:
        """Raise UsageError where pyarrow is not installed."""
        if find_spec("pyarrow") is None:
            raise UsageError(
                "the format parquet needs pyarrow", hint="pip install 'synthstore[parquet]'"
            )

    def encode(self, records: Iterable[Record], shape: Shape) -> Iterator[bytes]:
        """A record batch of pyarrow's, as it passes it on itself."""
        import pyarrow as pa  # noqa: PLC0415 - heavy, and an extra

        schema = _schema(shape)
        rows = [_fitted(record, shape) for record in records]
        columns = [
            _column([row.get(name) for row in rows], holds, schema.field(name).type)
            for name, holds in COLUMNS.items()
        ]
        yield pa.record_batch(columns, schema=schema).serialize()

    def writer(self, out: BinaryIO, shape: Shape) -> _Groups:
        """Begin a file on ``out``."""
        return _Groups(out, shape)

    def read(self, stream: Stream) -> Iterator[Found]:
        """The rows of all groups."""
        import pyarrow as pa  # noqa: PLC0415
        import pyarrow.parquet as pq  # noqa: PLC0415

        if not stream.source.seekable() or stream.packed:
            raise UsageError(
                "Parquet is read from its end, which a pipe or a compressed file does not give",
                hint="put it into a file of its own first",
            )
        number = 0
        try:
            with pq.ParquetFile(stream.source) as file:
                for batch in file.iter_batches(_AT_ONCE):
                    for row in batch.to_pylist():
                        number += 1
                        yield _row(number, row)
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            # Also text that is no UTF-8, and times that no calendar has.
            ends = isinstance(error, pa.ArrowInvalid) and not number
            yield Unread(number + 1, CUT if ends else "the file is damaged", cut=True)


class _Groups:
    def __init__(self, out: BinaryIO, shape: Shape) -> None:
        import pyarrow.parquet as pq  # noqa: PLC0415

        self._schema = _schema(shape)
        self._file = pq.ParquetWriter(
            out, self._schema, compression="zstd", use_dictionary=["kind", "layout"]
        )
        self._held: list[Any] = []
        self._rows = 0

    def write(self, piece: Passed) -> None:
        import pyarrow as pa  # noqa: PLC0415

        batch = pa.ipc.read_record_batch(pa.py_buffer(piece.read()), self._schema)
        self._held.append(batch)
        self._rows += batch.num_rows
        if self._rows >= _GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa  # noqa: PLC0415

        if self._held:
            table = pa.Table.from_batches(self._held)
            self._file.write_table(table, row_group_size=max(self._rows, 1))
        self._held, self._rows = [], 0

    def close(self) -> None:
        self._flush()
        self._file.close()


def _schema(shape: Shape) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    number = pa.float32() if shape.singles else pa.float64()
    plain = {
        Holds.TEXT: pa.string(),
        Holds.NUMBER: pa.float64(),
        Holds.COUNT: pa.int64(),
        Holds.TEXTS: pa.list_(pa.string()),
        Holds.JSON: pa.string(),
    }
    vectors = {
        name: pa.list_(number, dim) if dim else pa.list_(number)
        for name, dim in zip(VECTORS, shape.dims, strict=True)
    }
    return pa.schema([(name, vectors.get(name) or plain[holds]) for name, holds in COLUMNS.items()])


def _fitted(record: Record, shape: Shape) -> Cells:
    """The cells, but for embeddings that are not of this shape: those are JSON like other odds."""
    held: Record = {}
    for name, dim in zip(VECTORS, shape.dims, strict=True):
        value = record.get(name)
        if isinstance(value, list) and not (len(value) == dim and _exact(value, shape)):
            held[name] = value
    if not held:
        return cells_of(record)
    cells = cells_of({key: None if key in held else value for key, value in record.items()})
    cells["other"] |= held
    return cells


def _exact(value: list[Any], shape: Shape) -> bool:
    if not {float}.issuperset(map(type, value)):
        return False
    return not shape.singles or exact_singles(value)


def exact_singles(value: list[float]) -> bool:
    """Whether float32 holds each of these numbers exactly."""
    import numpy as np  # noqa: PLC0415 - the other formats never come here

    doubles = np.array(value, dtype=np.float64)
    with np.errstate(over="ignore"):
        return doubles.astype(np.float32).astype(np.float64).tobytes() == doubles.tobytes()


def _column(values: list[Any], holds: Holds, kind: Any) -> Any:
    import pyarrow as pa  # noqa: PLC0415

    if holds is Holds.JSON:
        values = [None if value is None else json_text(value) for value in values]
    return pa.array(values, type=kind)


def _row(number: int, row: dict[str, Any]) -> Found:
    try:
        cells = {
            name: _value(COLUMNS.get(name), value)
            for name, value in row.items()
            if value is not None
        }
        return Row(number, record_from(cells))
    except ValueError as error:
        return Unread(number, str(error))


def _value(holds: Holds | None, value: Any) -> object:
    if holds is not Holds.JSON:
        _require_json(value)
        return value
    try:
        parsed = parse(str(value).encode("utf-8"))
    except (ParseFailure, UnicodeEncodeError):
        raise ValueError("a column that should be JSON is none") from None
    if parsed.nan or "duplicate keys" in parsed.rigid:
        raise ValueError("a column holds NaN, Infinity or a key twice")
    return parsed.value


def _require_json(value: object) -> None:
    """Raise ValueError for a value of somebody else's column that JSON has no way to say."""
    if isinstance(value, list) and {float}.issuperset(map(type, value)):
        if not math.isfinite(math.hypot(*value)):
            raise ValueError("a column holds NaN or Infinity")
    elif isinstance(value, list):
        for item in value:
            _require_json(item)
    elif isinstance(value, dict):
        for item in (*value, *value.values()):
            _require_json(item)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("a column holds NaN or Infinity")
    elif not isinstance(value, str | int | None):
        raise ValueError(f"a column holds {type(value).__name__}, which JSON has no word for")
