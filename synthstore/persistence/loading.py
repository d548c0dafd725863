"""One entity from its file: read without blocking the loop, proved, and understood."""

from __future__ import annotations

import asyncio
import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiofiles
import orjson

from synthstore.errors import CorruptEntityError
from synthstore.files.failure import failure
from synthstore.files.jsonio import ParseFailure, parse, salvage
from synthstore.files.walk import IrregularFileError, open_folder, read_file
from synthstore.layout.base import Layout
from synthstore.layout.documents import read_entity
from synthstore.model.entities import Entity
from synthstore.model.ids import EntityRef
from synthstore.model.times import instant_us
from synthstore.persistence.folds import Identity, identity
from synthstore.persistence.listed import Listed
from synthstore.shell import cited
from synthstore.store.changes import Logged

SMALL = 1 << 18
"""Files up to this are parsed at once; larger ones in a thread."""

_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Claim:
    """What catalog and log say of an entity that is about to be loaded."""

    ref: EntityRef
    path: str
    row: Listed | None
    line: Logged | None

    @property
    def hashes(self) -> frozenset[str]:
        """What the file may be: as saved last, or, where that save is not there yet, as before."""
        said = {self.row.content_hash if self.row else None}
        if self.line is not None:
            said |= {self.line.sha256, *self.line.earlier}
        return frozenset(sha for sha in said if sha is not None)


async def read_bytes(root: Path, path: str) -> tuple[bytes, Identity]:
    """The bytes of a store's file and its state; FileNotFoundError where it is gone.

    Links are not followed and devices not opened.
    """

    def opener(_: str, flags: int) -> int:
        folder, _, base = path.rpartition("/")
        with open_folder(root, folder) as fd:
            return os.open(base, flags | _FLAGS, dir_fd=fd)

    shown = root / path
    try:
        async with aiofiles.open(shown, "rb", opener=opener) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise IrregularFileError(f"{shown} is no regular file")
            return await file.read(), identity(status)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise failure(error, shown, "read") from error


async def understand(layout: Layout, claim: Claim, raw: bytes) -> Entity:
    """The entity that ``raw`` is; raises CorruptEntityError where it is not what is claimed."""
    if len(raw) <= SMALL:
        return proved(layout, claim, raw)
    return await asyncio.to_thread(proved, layout, claim, raw)


def read_entity_file(root: Path, layout: Layout, claim: Claim) -> Entity | None:
    """As reading and understanding, in this thread; None where there is no file."""
    try:
        raw, _ = read_file(root, claim.path)
    except FileNotFoundError:
        return None
    return proved(layout, claim, raw)


def proved(layout: Layout, claim: Claim, raw: bytes) -> Entity:
    """As ``understand``, in this thread."""
    document = _document(claim, raw)
    digest = hashlib.sha256(raw).hexdigest()
    key = layout.id_key(claim.ref.kind)
    found = document.get(key, document.get("assembly_id"))
    if found != claim.ref.id:
        raise _corrupt(claim, f"bears the id {found!r}", document)
    missing = () if _enough(claim.ref, document) else ("content",)
    if missing or not _fits(layout, claim, document, digest):
        why = "lacks its content" if missing else "has other bytes than its row's content_hash says"
        raise _corrupt(claim, why, document)
    return read_entity(layout, claim.ref, document).based_on(digest)


def _document(claim: Claim, raw: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        try:
            value = parse(raw).value
        except ParseFailure as error:
            raise _corrupt(claim, f"does not parse: {error}", salvage(raw)) from error
    if not isinstance(value, dict):
        raise _corrupt(claim, "holds no JSON object", {})
    return value


def _enough(ref: EntityRef, document: Mapping[str, Any]) -> bool:
    return ref.kind == "assembly" or isinstance(document.get("content"), str)


def _fits(layout: Layout, claim: Claim, document: Mapping[str, Any], digest: str) -> bool:
    """Whether the bytes are those that were saved, or newer ones of a writer without our log."""
    known = claim.hashes
    if not known or digest in known:
        return True
    record = layout.read_record(claim.ref.kind, document)
    if record.content_sha256 in known:
        return True
    row_us = instant_us(claim.row.updated_at) if claim.row is not None else None
    said = [us for us in (row_us, claim.line.at if claim.line else None) if us is not None]
    return record.updated_us is not None and bool(said) and record.updated_us > max(said)


def _corrupt(claim: Claim, why: str, fields: Mapping[str, object]) -> CorruptEntityError:
    return CorruptEntityError(
        f"{claim.path}, the file of {claim.ref.kind} {claim.ref.id!r}, {why}",
        fields=fields,
        hint=f"look at it with {cited('synthstore verify')}, mend it with"
        f" {cited('synthstore repair')}",
    )


def lost(claim: Claim) -> CorruptEntityError:
    """The catalog lists an entity that has no file."""
    return _corrupt(claim, "is missing, though the catalog lists it", {})
