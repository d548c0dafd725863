"""Ids: what an entity may be called, and the names derived from it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Literal, NamedTuple

Kind = Literal["memory", "assembly"]

ASSEMBLY_PREFIX = "asm:"
MAX_ID_BYTES = 200

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""All of Unicode's category Cc."""

_PLAIN = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9_.-]{{0,{MAX_ID_BYTES - 1}}}")
"""Ids against which nothing stands, as most are."""

_PLAIN_BYTES = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"


class EntityRef(NamedTuple):
    """One entity of a store."""

    kind: Kind
    id: str


def in_order(refs: Iterable[EntityRef]) -> list[EntityRef]:
    """The refs sorted, as ``sorted`` does it: a text at a time compares faster than a pair."""
    ordered = sorted(refs, key=itemgetter(1))
    ordered.sort(key=itemgetter(0))
    return ordered


def is_plain(entity_id: str) -> bool:
    """Whether an id needs no closer look, as nearly all."""
    return _PLAIN.fullmatch(entity_id) is not None


def are_plain(ids: Sequence[str]) -> bool:
    """Whether each of the ``ids`` is plain, asked of all of them at once."""
    text = "\n".join(ids)
    if not (text.isascii() and all(ids) and max(map(len, ids), default=0) <= MAX_ID_BYTES):
        return False
    if text.startswith((".", "-")) or "\n." in text or "\n-" in text:
        return False
    return text.encode("ascii").translate(None, _PLAIN_BYTES) == b"\n" * (len(ids) - 1)


def id_problem(entity_id: str, *, kind: Kind = "memory", native: bool = True) -> str | None:
    """Say why ``entity_id`` is not allowed, or None if it is."""
    if is_plain(entity_id):
        return None
    try:
        size = len(entity_id.encode("utf-8"))
    except UnicodeEncodeError:
        return "holds a lone surrogate"
    if not 1 <= size <= MAX_ID_BYTES:
        return f"is {size} bytes long; 1 to {MAX_ID_BYTES} are allowed"
    reserved = native and kind == "memory" and entity_id.startswith(ASSEMBLY_PREFIX)
    faults = {
        "holds a path separator": "/" in entity_id or "\\" in entity_id,
        "holds a control character": _CONTROL.search(entity_id) is not None,
        f"begins with {entity_id[0]!r}": entity_id[0] in ".-",
        f"begins with {ASSEMBLY_PREFIX!r}, which marks the vectors of assemblies": reserved,
    }
    return next((fault for fault, holds in faults.items() if holds), None)


def vector_id(ref: EntityRef) -> str:
    """Name an entity's vector: a memory's id as it is, an assembly's behind ``asm:``."""
    return vector_name(ref.kind, ref.id)


def vector_name(kind: Kind, entity_id: str) -> str:
    """As ``vector_id``, for an entity that is no ref."""
    return entity_id if kind == "memory" else ASSEMBLY_PREFIX + entity_id


def ref_of_vector(name: str) -> EntityRef:
    """The entity whose vector has that name."""
    entity_id = name.removeprefix(ASSEMBLY_PREFIX)
    return EntityRef("memory" if entity_id == name else "assembly", entity_id)


def numeric_id(vector_name: str) -> int:
    """Derive the 63-bit FAISS id of a vector name: ``int(md5, 16) % (2**63 - 1)``."""
    digest = hashlib.md5(vector_name.encode("utf-8", "surrogatepass"), usedforsecurity=False)
    return int(digest.hexdigest(), 16) % (2**63 - 1)
