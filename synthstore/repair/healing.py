"""What can be made of a hurt file: its whole fields, and its embedding from elsewhere. No I/O."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

from synthstore.files.jsonio import parse, salvage
from synthstore.model.embedding import EmbeddingState, FloatVector, judge
from synthstore.model.facts import EntityFile
from synthstore.model.ids import EntityRef, id_problem
from synthstore.repair.sources import Copy
from synthstore.repair.state import Basis

LACKING = {
    EmbeddingState.NOT_FINITE: "E003",
    EmbeddingState.MISTYPED: "E003",
    EmbeddingState.MISSING: "E001",
}
"""Embeddings in whose place a vector is better, and the code that says so."""


def salvaged(basis: Basis, file: EntityFile, ref: EntityRef) -> dict[str, object] | None:
    """Whole fields out of a hurt file, if they make an entity; no value is ever guessed."""
    raw = basis.raw.get(file.path)
    if raw is None or file.rigid:
        return None
    layout = basis.inventory.layout
    fields: dict[str, object] = dict(salvage(raw))
    key = layout.id_key(ref.kind)
    if isinstance(fields.get(key), str) and fields[key] != ref.id:
        return None
    document = {key: ref.id, **{k: v for k, v in fields.items() if k != key}}
    embedding = layout.embedding_key(ref.kind)
    vector = basis.vector(ref)
    held = layout.plain(ref.kind, document).get(embedding)
    if vector is not None and judge(held).state in LACKING:
        document[embedding] = floats(vector)
    missing = layout.read_record(ref.kind, document).missing
    return None if missing or id_problem(ref.id, kind=ref.kind) else document


def better_embedding(
    basis: Basis, file: EntityFile, ref: EntityRef
) -> tuple[FloatVector | None, str]:
    """A finite embedding for a whole file that has none, and where it was found."""
    for copy in basis.copies.get(ref, ()):
        if copy.vector is not None and _same_state(copy.file, file):
            return copy.vector, copy.source
    return basis.vector(ref), basis.inventory.index.path


def floats(vector: FloatVector) -> list[float]:
    """Spell a float32 vector as every writer of these stores does: widened to double."""
    return [float(x) for x in vector]


def agrees(copy: Copy, survived: Mapping[str, object]) -> bool:
    """Whether a copy says the same in every field that survived in the hurt file."""
    document = parse(copy.content).value
    if not isinstance(document, dict):
        return False
    return all(key in document and document[key] == value for key, value in survived.items())


def salvage_story(file: EntityFile, document: Iterable[str]) -> str:
    """What was wrong with the file, and which of its fields survived."""
    return f"{file.problem}; fields that survived whole: {', '.join(map(_plain, document))}"


def _same_state(one: EntityFile, other: EntityFile) -> bool:
    a, b = one.record, other.record
    return a is not None and b is not None and a.updated_us == b.updated_us is not None


def _plain(text: str) -> str:
    """Keys are whatever the file says, and this goes to a terminal."""
    return "".join(c if unicodedata.category(c)[0] != "C" else "?" for c in text)
