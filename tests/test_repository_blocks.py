"""Blocks: what goes in comes out of them, and none is larger than it may be."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from synthstore.repository.blocks import BLOCK_BYTES, Block, BlockBuilder
from synthstore.repository.codec import Number
from synthstore.repository.pack_building import PackBuilder
from synthstore.repository.packs import Coding, PackIndex, read_index
from synthstore.repository.place import LocalPlace
from synthstore.repository.recipes import Piece
from synthstore.repository.vault import Repository
from synthstore.repository.writing import Writer


def piece(data: bytes, number: Number = Number.WIDE) -> Piece:
    return Piece(hashlib.sha256(data).digest(), number, data)


def vectors(count: int, kind: str = "<f4", seed: int = 1) -> list[bytes]:
    drawn = np.random.default_rng(seed).normal(scale=0.04, size=(count, 768)).astype(kind)
    return [row.tobytes() for row in drawn]


def closed(pieces: Sequence[Piece]) -> list[Block]:
    found: list[Block] = []
    builder = BlockBuilder(found.append)
    for one in pieces:
        builder.add_piece(one)
    builder.finish()
    return found


def held(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Every blob of a pack: id and bytes."""
    pack: PackIndex = read_index("p", content)
    for block, blobs in pack.by_block().items():
        at, size = pack.span(block)
        plain = pack.open_block(block, content[at : at + size])
        yield from ((blob.id, plain[blob.at : blob.at + blob.size]) for blob in blobs)


@pytest.mark.parametrize(
    ("number", "kind"), [(Number.WIDE, "<f4"), (Number.DOUBLE, "<f8"), (Number.BYTES, "<f4")]
)
def test_a_block_is_full_but_no_larger_than_it_may_be(number: Number, kind: str) -> None:
    blocks = closed([piece(data, number) for data in vectors(400, kind)])
    one = len(vectors(1, kind)[0])
    assert len(blocks) > 1
    assert all(block.plain <= BLOCK_BYTES for block in blocks)
    assert all(block.plain > BLOCK_BYTES - one for block in blocks[:-1])


def test_a_blob_larger_than_a_block_stands_alone() -> None:
    large = piece(bytes(BLOCK_BYTES + 1), Number.BYTES)
    around = [piece(b"before", Number.BYTES), large, piece(b"after", Number.BYTES)]
    assert [block.plain for block in closed(around)] == [6, BLOCK_BYTES + 1, 5]


def test_whole_blocks_and_single_pieces_come_out_of_one_pack() -> None:
    singles = [piece(data) for data in vectors(200)]
    doubles = [piece(data, Number.DOUBLE) for data in vectors(50, "<f8")]
    texts = [piece(b"text %d" % n, Number.BYTES) for n in range(20)]
    builder = PackBuilder()
    for one in singles[:100]:
        builder.add_piece(one)
    for block in closed([*singles[100:], *doubles, *texts[:10]]):
        builder.add_block(block)
    for one in texts[10:]:
        builder.add_piece(one)
    wanted = {one.id: one.data for one in (*singles, *doubles, *texts)}
    assert dict(held(builder.finish()[1])) == wanted


@pytest.mark.parametrize("known", [0, 1, 30, 59, 60])
def test_of_a_block_only_what_is_unknown_is_stored(known: int, tmp_path: Path) -> None:
    pieces = [piece(data) for data in vectors(60)]
    repository = Repository.make(LocalPlace(tmp_path / "repo"))
    writer = Writer(repository)
    for one in pieces[-known:] if known else ():
        writer.add_piece(one)
    writer.close()
    for block in closed(pieces):
        writer.add_block(block)
    writer.close()
    stored = [len(pack.blobs) for pack in repository.index.packs.values()]
    assert sorted(stored) == sorted(count for count in (known, 60 - known) if count)
    assert all(repository.read(one.id) == one.data for one in pieces)


def test_noise_does_not_spoil_how_the_rest_of_a_number_is_packed() -> None:
    [block] = closed([piece(data) for data in vectors(85)])
    assert block.coding is Coding.SINGLES
    # Of 32 bits, sign and fraction are noise, and the exponent carries less than three.
    assert len(block.stored) < 0.85 * block.plain
