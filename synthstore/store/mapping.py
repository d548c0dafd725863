"""Mapping files: the vector ids of a store and their numbers in the FAISS index."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal, cast

from synthstore.errors import OperationError
from synthstore.files.jsonio import ParseFailure, Style, dump, parse, style_of
from synthstore.files.memory import MANY
from synthstore.files.walk import read_file
from synthstore.layout.base import Layout
from synthstore.layout.native import Native
from synthstore.model.entries import Entries
from synthstore.model.facts import MappingFacts, PartStatus, Spelling, Stat

MappingStyle = Literal["core", "native"]

STYLES: Mapping[MappingStyle, Style] = {
    "core": Style("json", None, ascii_only=True),
    "native": Style("orjson", 2),
}
"""How each writes a mapping of its own."""

_HEAD: Final = 1 << 12
_LARGEST: Final = 2**63 - 1


def style_in(layout: Layout) -> MappingStyle:
    """How a new mapping is spelt in a store of that layout."""
    return "native" if layout.name == Native.name else "core"


def read_mapping(root: Path, path: str) -> MappingFacts:
    """Read the mapping at ``path`` in the store at ``root``; damage becomes facts."""
    try:
        raw, stat = read_file(root, path)
    except FileNotFoundError:
        return MappingFacts(PartStatus.MISSING, path)
    except OperationError as error:
        return MappingFacts(PartStatus.UNREADABLE, path, error.message)
    return _understand(path, raw, stat)


def _understand(path: str, raw: bytes, stat: Stat) -> MappingFacts:
    sha256 = hashlib.sha256(raw).hexdigest()
    found = MappingFacts(PartStatus.UNREADABLE, path, None, sha256, stat, raw=raw)
    try:
        parsed = parse(raw)
    except ParseFailure as failure:
        return replace(found, problem=str(failure))
    if not isinstance(parsed.value, dict):
        return replace(found, problem="it is no JSON object")
    entries = _numbers(parsed.value)
    bad: tuple[str, ...] = ()
    if entries is not parsed.value or min(entries.values(), default=0) < 0:
        bad = tuple(key for key in parsed.value if entries.get(key, -1) < 0)
    if bad and not entries:
        return replace(found, problem="none of its values is a number that an index could hold")
    columns = Entries(entries)
    # The bytes of a long one take more room than is worth keeping.
    if len(columns) >= MANY and not (bad or parsed.rigid or parsed.encoding):
        looks = Spelling(raw[:_HEAD], raw.endswith(b"\n"), raw.isascii(), columns)
        found = replace(found, raw=None, looks=looks)
    return replace(
        found,
        status=PartStatus.OK,
        problem=f"{len(bad)} of its values are no numbers that FAISS ids can be" if bad else None,
        entries=columns,
        duplicate_keys=_duplicates(raw) if parsed.rigid else (),
        bad_entries=bad,
        encoding=parsed.encoding,
    )


def _numbers(document: dict[str, object]) -> dict[str, int]:
    """The members that are 64-bit integers; all most times, then the very ``document``."""
    if {int}.issuperset(map(type, document.values())):
        numbers = cast("dict[str, int]", document)
        least, largest = min(numbers.values(), default=0), max(numbers.values(), default=0)
        if least >= -_LARGEST - 1 and largest <= _LARGEST:
            return numbers
    return {
        key: value
        for key, value in document.items()
        # Python's True is an int, too; no mapping means it as 1.
        if type(value) is int and -_LARGEST - 1 <= value <= _LARGEST
    }


def _duplicates(raw: bytes) -> tuple[str, ...]:
    """Keys of the outermost object that occur more than once."""
    objects: list[list[str]] = []

    def note(pairs: list[tuple[str, object]]) -> None:
        objects.append([key for key, _ in pairs])

    # Objects are noted as they end, so the outermost is the last. Numbers stay text: they may have
    # more digits than Python converts.
    json.loads(raw, object_pairs_hook=note, parse_int=str)
    return tuple(key for key, count in Counter(objects[-1]).items() if count > 1)


def mapping_content(
    entries: Mapping[str, int],
    like: bytes | None,
    *,
    default: MappingStyle = "core",
    known: Mapping[str, int] | None = None,
) -> bytes:
    """The bytes of a mapping file of ``entries``, spelt as the file ``like`` is.

    Where ``like`` is None or tells nothing: ``default``, the Memory Core's way or our own. If its
    entries are ``known``, they mostly prove its spelling, and it need not be parsed again.
    """
    return dump(_as_dict(entries), _style(like, known) or STYLES[default])


def _style(like: bytes | None, known: Mapping[str, int] | None) -> Style | None:
    if like is None:
        return None
    style = style_of(like, _as_dict(known)) if known is not None else Style()
    if not style.proven:
        try:
            style = style_of(like, parse(like).value)
        except ParseFailure:
            return None
    return style if style.proven else None


def _as_dict(entries: Mapping[str, int]) -> dict[str, int]:
    """Entries as what any writer takes; those that are columns stay what they are."""
    if isinstance(entries, Entries):
        return dict(zip(*entries.columns, strict=True))
    return entries if isinstance(entries, dict) else dict(entries)
