"""What a check found to be lost, kept beside the packs, which are never changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import orjson


@dataclass(frozen=True, slots=True)
class Damage:
    """Objects that must not be relied on."""

    blobs: Mapping[str, frozenset[bytes]]
    """Bad ones by pack."""
    files: frozenset[bytes]
    """Files that want a piece that nobody has."""


def spell_damage(damage: Damage) -> tuple[str, bytes]:
    """The note's name and its bytes."""
    document = {
        "blobs": {
            pack: sorted(blob.hex() for blob in blobs)
            for pack, blobs in sorted(damage.blobs.items())
        },
        "files": sorted(file.hex() for file in damage.files),
    }
    content = orjson.dumps(document, option=orjson.OPT_INDENT_2)
    return hashlib.sha256(content).hexdigest(), content


def read_damage(content: bytes) -> Damage:
    """Read a note; raises ValueError for anything else."""
    document = orjson.loads(content)
    if not isinstance(document, dict) or document.keys() != {"blobs", "files"}:
        raise ValueError("no note of damage")
    try:
        return Damage(
            {
                pack: frozenset(bytes.fromhex(blob) for blob in blobs)
                for pack, blobs in document["blobs"].items()
            },
            frozenset(bytes.fromhex(file) for file in document["files"]),
        )
    except (AttributeError, TypeError) as error:
        raise ValueError("no note of damage") from error
