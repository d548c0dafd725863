"""JSON on disks, in one place: parse, spell as it was spelt, salvage, splice."""

from __future__ import annotations

from synthstore.files.buffers import parse_numbers
from synthstore.files.members import salvage, splice_field
from synthstore.files.parsing import MAX_DEPTH, Parsed, ParseFailure, TooDeep, parse
from synthstore.files.spelling import Style, dump, style_of

__all__ = [
    "MAX_DEPTH",
    "ParseFailure",
    "Parsed",
    "Style",
    "TooDeep",
    "dump",
    "parse",
    "parse_numbers",
    "salvage",
    "splice_field",
    "style_of",
]
