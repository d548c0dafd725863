"""A second reader of repositories, written from the page that describes their format.

It shares no code with the product. What does not add up raises ``ValueError`` or ``KeyError``.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import zstandard

_TRAILER = struct.Struct("<QB32s8s")
_BLOCK = struct.Struct("<QIIB32s")
_BLOB = struct.Struct("<32sIIIBQ")
_WIDTHS = {0: 1, 1: 4, 2: 8, 3: 1}
_RECIPE = 1
_DIGEST = 32


@dataclass(frozen=True, slots=True)
class Pack:
    """One pack, wholly in memory."""

    name: str
    blobs: dict[bytes, tuple[int, bytes]]
    """Kind and plain bytes by id."""


@dataclass(frozen=True, slots=True)
class Row:
    """One file of a snapshot."""

    path: str
    sha256: str
    mode: int
    mtime_ns: int


@dataclass
class Vault:
    """A repository, read at once."""

    root: Path
    packs: list[Pack] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """Packs that are not what their name says."""

    @classmethod
    def read(cls, root: Path) -> Vault:
        """Read all packs of the repository at ``root``; without any it is empty."""
        vault = cls(root)
        for path in _files(root / "packs"):
            try:
                vault.packs.append(_read_pack(path))
            except (ValueError, struct.error, zstandard.ZstdError):
                vault.broken.append(path.name)
        return vault

    def snapshots(self) -> Iterator[dict[str, Any]]:
        """What each snapshot's file says; raises ValueError for one that its name belies."""
        for path in _files(self.root / "snapshots"):
            raw = path.read_bytes()
            if not path.name.endswith("-" + hashlib.sha256(raw).hexdigest()[:16]):
                raise ValueError(f"{path.name} is not what its name says")
            yield json.loads(raw)

    def rows(self, snapshot: dict[str, Any]) -> Iterator[Row]:
        """The files of a snapshot."""
        for line in self.file(bytes.fromhex(snapshot["tree"])).splitlines():
            kind, *row = json.loads(line)
            if kind == "f":
                yield Row(row[0], row[5], row[3], row[2])

    def file(self, name: bytes) -> bytes:
        """The bytes of a file by its sha256, which they are held against."""
        kind, body = self._blob(name)
        raw = self._rebuilt(body) if kind == _RECIPE else body
        if hashlib.sha256(raw).digest() != name:
            raise ValueError(f"object {name.hex()[:8]} is not what was stored")
        return raw

    def needed(self) -> set[bytes]:
        """Every object that a snapshot needs."""
        found: set[bytes] = set()
        for snapshot in self.snapshots():
            tree = bytes.fromhex(snapshot["tree"])
            for name in (tree, *(bytes.fromhex(row.sha256) for row in self.rows(snapshot))):
                kind, body = self._blob(name)
                found |= {name, *(_recipe(body)[1] if kind == _RECIPE else ())}
        return found

    def _blob(self, name: bytes) -> tuple[int, bytes]:
        for pack in self.packs:
            if name in pack.blobs:
                return pack.blobs[name]
        raise KeyError(f"object {name.hex()[:8]} is missing")

    def _rebuilt(self, body: bytes) -> bytes:
        parts, ids, skeleton = _recipe(body)
        out, at = [], 0
        for (gap, style), piece in zip(parts, ids, strict=True):
            out += [skeleton[at : at + gap], style.spell(self._blob(piece)[1])]
            at += gap
        return b"".join([*out, skeleton[at:]])


@dataclass(frozen=True, slots=True)
class _Style:
    """How numbers were spelt."""

    number: int
    spelling: int
    before: bytes
    between: bytes
    after: bytes

    def spell(self, data: bytes) -> bytes:
        if self.number in (0, 4):
            return self.before + data + self.after
        words = (_spell(value, self.spelling).encode() for value in self._values(data))
        return self.before + self.between.join(words) + self.after

    def _values(self, data: bytes) -> Sequence[float]:
        if self.number == 2:
            return [float(str(single)) for single in np.frombuffer(data, "<f4")]
        values: list[float] = np.frombuffer(data, "<f4" if self.number == 1 else "<f8").tolist()
        return values


def _spell(value: float, spelling: int) -> str:
    text = repr(value)
    if spelling == 1 or "e-" not in text:
        return text
    if abs(value) >= 1e-5:
        return format(Decimal(text), "f")
    return text.replace("e-0", "e-")


def _recipe(body: bytes) -> tuple[list[tuple[int, _Style]], list[bytes], bytes]:
    """Gap and style of each part, the parts' ids, and the skeleton."""
    count, styles = struct.unpack_from("<II", body)
    at, table = 8, []
    for _ in range(styles):
        number, spelling, *lengths = body[at : at + 5]
        at += 5
        texts = []
        for length in lengths:
            texts.append(body[at : at + length])
            at += length
        table.append(_Style(number, spelling, *texts))
    gaps = struct.unpack_from(f"<{count}I", body, at)
    chosen = struct.unpack_from(f"<{count}H", body, at + 4 * count)
    at += 6 * count
    ids = [body[a:b] for a, b in pairwise(range(at, at + _DIGEST * count + 1, _DIGEST))]
    parts = [(gap, table[style]) for gap, style in zip(gaps, chosen, strict=True)]
    return parts, ids, body[at + _DIGEST * count :]


def _read_pack(path: Path) -> Pack:
    raw = path.read_bytes()
    if hashlib.sha256(raw).hexdigest() != path.name:
        raise ValueError(f"pack {path.name[:8]} is not what its name says")
    size, _, _, _ = _TRAILER.unpack(raw[-_TRAILER.size :])
    table = zstandard.decompress(raw[-_TRAILER.size - size : -_TRAILER.size])
    blocks, blobs = struct.unpack_from("<II", table)
    at = 8 + blocks * _BLOCK.size
    plain = [_plain(raw, *_BLOCK.unpack_from(table, 8 + n * _BLOCK.size)) for n in range(blocks)]
    found = {}
    for n in range(blobs):
        name, block, start, length, kind, _ = _BLOB.unpack_from(table, at + n * _BLOB.size)
        found[name] = kind, plain[block][start : start + length]
    return Pack(path.name, found)


def _plain(raw: bytes, at: int, stored: int, size: int, coding: int, _: bytes) -> bytes:
    data = zstandard.decompress(raw[at : at + stored], max_output_size=size)
    width = _WIDTHS[coding]
    return np.frombuffer(data, np.uint8).reshape(width, -1).T.tobytes() if width > 1 else data


def _files(folder: Path) -> list[Path]:
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in paths if not path.name.startswith(".")]
