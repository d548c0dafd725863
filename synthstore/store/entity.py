"""The bytes of one entity file, judged."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from synthstore.files.jsonio import Parsed, ParseFailure, TooDeep, parse_numbers
from synthstore.layout.base import Layout
from synthstore.model.embedding import (
    EmbeddingState,
    FloatVector,
    Judged,
    forgiving,
    judge,
    judge_each,
)
from synthstore.model.facts import EntityFile, FileStatus, Stat
from synthstore.model.ids import Kind

Seen = tuple[EntityFile, FloatVector | None]
"""A file as judged, and its embedding where that is valid."""


def facts_of(layout: Layout, kind: Kind, path: str, raw: bytes, stat: Stat) -> Seen:
    """Judge the bytes of one entity file; the vector is set when the embedding is valid."""
    return facts_of_each(layout, [Raw(kind, path, raw, stat)])[0]


class Raw(NamedTuple):
    """A file as it was read."""

    kind: Kind
    path: str
    content: bytes
    stat: Stat


def facts_of_each(layout: Layout, files: Sequence[Raw]) -> list[Seen]:
    """As ``facts_of``, for a few files together."""
    digests = [hashlib.sha256(file.content).hexdigest() for file in files]
    parsed = [_parsed(layout, *both) for both in zip(files, digests, strict=True)]
    with forgiving():
        judged = judge_each(
            [_numbers(layout, one.kind, of) for one, of in zip(files, parsed, strict=True)]
        )
    return [
        _seen(layout, file, digest, one, verdict) if isinstance(one, Parsed) else (one, None)
        for file, digest, one, verdict in zip(files, digests, parsed, judged, strict=True)
    ]


def _parsed(layout: Layout, file: Raw, digest: str) -> Parsed | EntityFile:
    """What a file holds; its facts where that is no document."""
    kind, path, raw, stat = file
    if not raw:
        return EntityFile(kind, path, FileStatus.EMPTY, stat, digest, "the file is empty")
    try:
        return parse_numbers(raw, layout.embedding_key(kind))
    except TooDeep as error:
        return EntityFile(kind, path, FileStatus.OPAQUE, stat, digest, rigid=(str(error),))
    except ParseFailure as error:
        return EntityFile(kind, path, FileStatus.TORN, stat, digest, str(error))


class Hashed(NamedTuple):
    """A file whose bytes are known."""

    kind: Kind
    path: str
    stat: Stat
    sha256: str


def judge_document(layout: Layout, file: Hashed, parsed: Parsed) -> Seen:
    """Judge what the bytes of one entity file parse to, as ``facts_of`` does."""
    return _seen(layout, file, file.sha256, parsed, judge(_numbers(layout, file.kind, parsed)))


def _numbers(layout: Layout, kind: Kind, parsed: Parsed | EntityFile) -> object:
    """What stands where the embedding belongs, if anything does."""
    document = parsed.value if isinstance(parsed, Parsed) else None
    if not isinstance(document, dict):
        return None
    return layout.plain(kind, document).get(layout.embedding_key(kind))


def _seen(layout: Layout, file: Raw | Hashed, digest: str, parsed: Parsed, judged: Judged) -> Seen:
    """What a document is, its embedding being ``judged``."""
    document = parsed.value
    kind, path, stat = file.kind, file.path, file.stat
    if not isinstance(document, dict):
        problem = f"holds a JSON {type(document).__name__}, not an object"
        status = FileStatus.INCOMPLETE
        return EntityFile(kind, path, status, stat, digest, problem, rigid=parsed.rigid), None
    record = layout.read_record(kind, document)
    judged_file = EntityFile(
        kind,
        path,
        FileStatus.INCOMPLETE if record.missing else FileStatus.WHOLE,
        stat,
        digest,
        _lack(layout, kind, document, record.missing) if record.missing else None,
        record,
        parsed.rigid,
        judged.state,
        judged.dim,
        judged.norm,
    )
    return judged_file, judged.vector if judged.state is EmbeddingState.VALID else None


def _lack(layout: Layout, kind: Kind, document: dict[str, object], missing: Sequence[str]) -> str:
    """What is wrong with a document that is no whole entity of its kind."""
    other: Kind = "assembly" if kind == "memory" else "memory"
    if not layout.identify(other, document)[1]:
        return f"it holds a whole {other}, but stands where the files of the other kind belong"
    return f"required and missing or mistyped: {', '.join(missing)}"
