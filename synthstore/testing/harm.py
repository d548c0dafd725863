"""Ways to hurt bytes: flips, cuts and zeros, as disks and half-done writes leave them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from synthstore.testing.stores import Built

MOMENT_LONG_AGO = 1_743_080_007
"""Seconds since the epoch: old enough for a temporary file to be nobody's any more."""


def flipped(raw: bytes, at: int, bit: int = 0) -> bytes:
    """``raw`` with one bit turned over."""
    return raw[:at] + bytes([raw[at] ^ (1 << bit)]) + raw[at + 1 :]


def digit_at(raw: bytes, key: str) -> int:
    """Where the fourth decimal of the first long number after ``key`` stands.

    Its lowest bit moves the number by 0.0001: far beyond rounding, too little to change a norm.
    """
    start = raw.index(f'"{key}"'.encode())
    found = re.compile(rb"-?0\.\d{3}(?=\d{9})").search(raw, start)
    assert found is not None
    return found.end()


def flip_embedding(built: Built, entity_id: str) -> None:
    """Turn over one bit in a digit of the entity's embedding; the file still parses."""
    raw = built.raw(entity_id)
    built.overwrite(entity_id, flipped(raw, digit_at(raw, built.embedding_key(entity_id))))


def rewrite(built: Built, entity_id: str, change: Callable[[bytes], bytes]) -> None:
    """Replace the bytes of an entity's file, mode and mtime kept."""
    built.overwrite(entity_id, change(built.raw(entity_id)))


def cut(built: Built, entity_id: str, keep: int) -> None:
    """Cut the entity's file to its first ``keep`` bytes; a negative number: less so many."""
    rewrite(built, entity_id, lambda raw: raw[:keep])


def nulled(raw: bytes) -> bytes:
    """As many zero bytes: the shape that a power cut leaves."""
    return bytes(len(raw))


def replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """A change of the only ``old`` in a file."""

    def change(raw: bytes) -> bytes:
        assert raw.count(old) == 1, (old, raw.count(old))
        return raw.replace(old, new)

    return change


def hurt_part(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Replace the bytes of a catalog, index or mapping in place."""
    path.write_bytes(change(path.read_bytes()))
