"""The formats that records are written in and read from, and how one is told."""

from __future__ import annotations

from collections.abc import Mapping

from synthstore.errors import UsageError
from synthstore.transfer.formats.array import JsonArray
from synthstore.transfer.formats.base import Format
from synthstore.transfer.formats.jsonl import JsonLines
from synthstore.transfer.formats.packing import suffix_of
from synthstore.transfer.formats.parquet import Parquet
from synthstore.transfer.formats.table import Csv

FORMATS: Mapping[str, Format] = {
    one.name: one for one in (JsonLines(), JsonArray(), Csv(), Parquet())
}
"""By the name that ``--format`` gives them."""

_BEGINNINGS = {b"PAR1": "parquet", b"[": "json", b"{": "jsonl"}


def format_of(name: str, chosen: str | None) -> Format:
    """The format of a file called ``name``: the one ``chosen``, else by its suffix, else jsonl.

    Raises UsageError for a Parquet file that is to be compressed once more.
    """
    plain, packed = suffix_of(name)
    found = FORMATS[chosen] if chosen is not None else named(plain) or FORMATS["jsonl"]
    if packed and not found.packable:
        raise UsageError(
            f"{found.name} is compressed inside already", hint=f"call the file {plain}"
        )
    return found


def named(name: str) -> Format | None:
    """The format that the suffix of ``name`` stands for."""
    lower = name.lower()
    return next((one for one in FORMATS.values() if lower.endswith(one.suffixes)), None)


def told_by(beginning: bytes) -> Format:
    """The format that a file's first bytes show."""
    text = beginning.removeprefix(b"\xef\xbb\xbf").lstrip()
    name = next((one for mark, one in _BEGINNINGS.items() if text.startswith(mark)), "csv")
    return FORMATS[name if text else "jsonl"]
