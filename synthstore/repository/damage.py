"""What a check found to be lost, kept beside the packs, which are never changed."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import orjson

from synthstore.repository.place import DAMAGE, Place


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


def noted_damage(place: Place) -> tuple[Mapping[str, frozenset[bytes]], frozenset[bytes]]:
    """What all notes say: bad blobs by pack, and files that want a piece."""
    bad: dict[str, frozenset[bytes]] = {}
    files: frozenset[bytes] = frozenset()
    for name in place.names(DAMAGE):
        noted = noted_in(place, name)
        files |= noted.files
        for pack, blobs in noted.blobs.items():
            bad[pack] = bad.get(pack, frozenset()) | blobs
    return bad, files


def noted_in(place: Place, name: str) -> Damage:
    """What one note says: nothing, if it cannot be read."""
    try:
        return read_damage(place.read(f"{DAMAGE}/{name}"))
    except (ValueError, FileNotFoundError):
        return Damage({}, frozenset())


def withdraw_notes(
    place: Place,
    packs: Container[str],
    read: Container[str],
    bad: Mapping[str, AbstractSet[bytes]],
) -> bool:
    """Drop notes of blobs of packs just ``read``, none ``bad``: the medium faltered then.

    ``packs`` are all that there are. Whether there was one.
    """
    dropped = False
    for name in place.names(DAMAGE):
        noted = noted_in(place, name).blobs
        if noted and all(
            # What is said of a pack that is gone holds nothing back.
            pack not in packs or (pack in read and blobs.isdisjoint(bad.get(pack, frozenset())))
            for pack, blobs in noted.items()
        ):
            place.remove(f"{DAMAGE}/{name}")
            dropped = True
    return dropped
