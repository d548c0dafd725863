"""Repositories whose digests fit and whose content cannot be: refused by name, never believed."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import zstandard

from synthstore.repository.damage import read_damage
from synthstore.repository.manifest import Tree, read_snapshot, read_tree
from synthstore.repository.pack_building import PackBuilder
from synthstore.repository.packs import (
    BLOB_ROW,
    BLOCK_ROW,
    MAGIC,
    VERSION,
    Blob,
    Coding,
    Kind,
    PackDamageError,
    read_index,
)

_TRAILER = struct.Struct("<QB32s8s")
_ID = bytes(32)
Change = Callable[[np.ndarray[Any, Any], np.ndarray[Any, Any]], object]


def pack() -> bytes:
    builder = PackBuilder()
    builder.add_blob(Coding.TEXT, Blob(_ID, Kind.PLAIN, 0, 4, 4), b"text")
    return builder.finish()[1]


def index_of(content: bytes) -> bytes:
    size = _TRAILER.unpack(content[-_TRAILER.size :])[0]
    return zstandard.decompress(content[-_TRAILER.size - size : -_TRAILER.size])


def sealed(stored: bytes) -> bytes:
    return stored + _TRAILER.pack(len(stored), VERSION, hashlib.sha256(stored).digest(), MAGIC)


def changed(change: Change) -> bytes:
    plain = index_of(pack())
    blocks = np.frombuffer(plain, BLOCK_ROW, 1, 8).copy()
    blobs = np.frombuffer(plain, BLOB_ROW, 1, 8 + BLOCK_ROW.itemsize).copy()
    change(blocks, blobs)
    return sealed(zstandard.compress(plain[:8] + blocks.tobytes() + blobs.tobytes()))


def test_a_sound_index_is_read() -> None:
    assert read_index("p", changed(lambda _, __: None)).ids() == [_ID]


@pytest.mark.parametrize(
    "change",
    [
        lambda _, blobs: blobs["block"].fill(1),
        lambda _, blobs: blobs["at"].fill(2**32 - 1),
        lambda _, blobs: blobs["size"].fill(5),
        lambda _, blobs: blobs["kind"].fill(2),
        lambda blocks, _: blocks["coding"].fill(4),
    ],
)
def test_an_index_that_contradicts_itself(change: Change) -> None:
    with pytest.raises(PackDamageError, match="contradicts itself"):
        read_index("p", changed(change))


@pytest.mark.parametrize(
    "stored",
    [
        zstandard.compress(b"\1\0"),
        zstandard.compress(struct.pack("<II", 2**32 - 1, 2**32 - 1)),
        zstandard.compress(index_of(pack()) + b"\0"),
        zstandard.compress(bytes(1 << 20)),
        b"no zstd frame",
    ],
)
def test_an_index_of_another_length(stored: bytes) -> None:
    with pytest.raises(PackDamageError):
        read_index("p", sealed(stored))


def test_a_block_of_another_size_is_not_unpacked() -> None:
    stored = zstandard.compress(b"longer than it should be")
    digest = np.frombuffer(hashlib.sha256(stored).digest(), "V32")
    bad = read_index("p", changed(lambda blocks, _: blocks["digest"].__setitem__(0, digest[0])))
    with pytest.raises(PackDamageError, match="another size"):
        bad.open_block(0, stored)


FILE = ["f", "memories/a.json", 4, 0, 0o600, 0, "0" * 64, "", ""]


def test_a_list_of_files_is_read() -> None:
    assert read_tree([orjson.dumps(FILE)]).files[0].path == "memories/a.json"
    assert read_tree([]) == Tree((), ())


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 5000,
        b'["f","a"]',
        b"[]",
        b"{}",
        b"null",
        *(orjson.dumps([*FILE[:n], None, *FILE[n + 1 :]]) for n in range(len(FILE))),
        orjson.dumps([*FILE[:6], "z" * 64, "", ""]),
        orjson.dumps([*FILE[:2], 4.5, *FILE[3:]]),
    ],
)
def test_a_line_that_is_of_nothing(line: bytes) -> None:
    with pytest.raises(ValueError):
        read_tree([line])


SNAPSHOT = {
    "format": 1, "name": "s", "time": "2025-03-18T15:30:42+00:00", "layout": "native",
    "tree": "0" * 64, "files": 1, "bytes": 1, "memories": 1, "assemblies": 0, "vectors": 1,
    "tags": [], "findings": {}, "errors": 0, "version": "1",
}  # fmt: skip


def read(document: object) -> str:
    content = orjson.dumps(document)
    digest = hashlib.sha256(content).hexdigest()[:16]
    return read_snapshot(f"20250318T153042.000000Z-{digest}", content).name


def test_a_snapshot_is_read() -> None:
    assert read(SNAPSHOT) == "s"


@pytest.mark.parametrize(
    "change",
    [
        *({key: None} for key in SNAPSHOT),
        {"tree": "../../x"},
        {"time": "2025-03-18T15:30:42"},
        {"tags": [1]},
        {"findings": {"M001": "many"}},
    ],
)
def test_a_snapshot_that_cannot_be(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        read({**SNAPSHOT, **change})


@pytest.mark.parametrize("document", [[], "text", None, {}])
def test_what_is_no_snapshot(document: object) -> None:
    with pytest.raises(ValueError):
        read(document)


@pytest.mark.parametrize("blobs", [[], {"p": 1}, {"p": [1]}, {"p": ["zz"]}])
def test_a_note_of_damage_that_cannot_be(blobs: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        read_damage(orjson.dumps({"blobs": blobs, "files": []}))
