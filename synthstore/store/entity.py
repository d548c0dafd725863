"""The bytes of one entity file, judged."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from synthstore.files.jsonio import Parsed, ParseFailure, TooDeep, parse_numbers
from synthstore.layout.base import Layout
from synthstore.model.embedding import EmbeddingState, FloatVector, judge
from synthstore.model.facts import EntityFile, FileStatus, Stat
from synthstore.model.ids import Kind

Seen = tuple[EntityFile, FloatVector | None]
"""A file as judged, and its embedding where that is valid."""


def facts_of(layout: Layout, kind: Kind, path: str, raw: bytes, stat: Stat) -> Seen:
    """Judge the bytes of one entity file; the vector is set when the embedding is valid."""
    digest = hashlib.sha256(raw).hexdigest()
    if not raw:
        empty = EntityFile(kind, path, FileStatus.EMPTY, stat, digest, "the file is empty")
        return empty, None
    try:
        parsed = parse_numbers(raw, layout.embedding_key(kind))
    except TooDeep as error:
        deep = EntityFile(kind, path, FileStatus.OPAQUE, stat, digest, rigid=(str(error),))
        return deep, None
    except ParseFailure as error:
        return EntityFile(kind, path, FileStatus.TORN, stat, digest, str(error)), None
    return judge_document(layout, Hashed(kind, path, stat, digest), parsed)


class Hashed(NamedTuple):
    """A file whose bytes are known."""

    kind: Kind
    path: str
    stat: Stat
    sha256: str


def judge_document(layout: Layout, file: Hashed, parsed: Parsed) -> Seen:
    """Judge what the bytes of one entity file parse to, as ``facts_of`` does."""
    document = parsed.value
    kind, path, stat, digest = file
    if not isinstance(document, dict):
        problem = f"holds a JSON {type(document).__name__}, not an object"
        status = FileStatus.INCOMPLETE
        return EntityFile(kind, path, status, stat, digest, problem, rigid=parsed.rigid), None
    record = layout.read_record(kind, document)
    judged = judge(layout.plain(kind, document).get(layout.embedding_key(kind)))
    judged_file = EntityFile(
        kind,
        path,
        FileStatus.INCOMPLETE if record.missing else FileStatus.WHOLE,
        stat,
        digest,
        f"required and missing or mistyped: {', '.join(record.missing)}"
        if record.missing
        else None,
        record,
        parsed.rigid,
        judged.state,
        judged.dim,
        judged.norm,
    )
    return judged_file, judged.vector if judged.state is EmbeddingState.VALID else None
