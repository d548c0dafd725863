"""Shards on their way through worker processes: what is read and packed there arrives here.

The blocks go through memory that both map: a pipe would copy each byte four times, and both ends
would wait for it. What goes through the pipe is plain values, which cost least to spell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from itertools import chain
from typing import Any, NamedTuple

from synthstore.backup.encoding import Read, Shard, read_shard
from synthstore.files.passing import Filled, Passed, Tray, Trays, fill
from synthstore.files.sharing import Address
from synthstore.layout.base import Layout
from synthstore.model.facts import Stat
from synthstore.repository.blocks import Block
from synthstore.repository.packing import Packer
from synthstore.repository.packs import Coding
from synthstore.scan.pool import in_order, shards

Plain = tuple[Any, ...]
"""A Read without its types."""


Head = tuple[int, int, bytes, int, int]
"""A block without its bytes: coding, plain size, digest; sizes of what is stored and its rows."""


class Parcel(NamedTuple):
    """What one worker made of a shard."""

    reads: list[Plain]
    heads: list[Head]
    filled: Filled
    """The bytes of the blocks, one after the other."""


def pack_shard(root: str, layout: Layout, paths: Sequence[str], address: Address | None) -> Parcel:
    """Read every file of ``paths`` and pack it, for whoever holds the repository."""
    packer = Packer()
    reads = read_shard(root, layout, paths, packer)
    blocks = packer.finish()
    return Parcel(
        [(path, stat and tuple(stat), *rest) for path, stat, *rest in reads],
        [(int(b.coding), b.plain, b.digest, len(b.stored), len(b.rows)) for b in blocks],
        fill(address, chain.from_iterable((b.stored, b.rows) for b in blocks)),
    )


def _unpacked(parcel: Parcel, tray: Tray | None) -> Shard:
    content = Passed(parcel.filled, tray).read()
    reads = [
        Read._make((path, stat and Stat._make(stat), *rest)) for path, stat, *rest in parcel.reads
    ]
    return Shard(reads, list(_blocks(parcel.heads, content)))


def _blocks(heads: Sequence[Head], content: bytes) -> Iterator[Block]:
    at = 0
    for coding, plain, digest, stored, rows in heads:
        behind = at + stored
        end = behind + rows
        yield Block(Coding(coding), plain, content[at:behind], digest, content[behind:end])
        at = end


def packed(
    executor: Executor, root: str, layout: Layout, paths: Sequence[str], ahead: int
) -> Iterator[Shard]:
    """Every shard of ``paths`` in order, read and packed by the executor; ``ahead`` may wait."""
    with Trays() as trays:

        def submit(shard: Sequence[str]) -> Future[Parcel]:
            return executor.submit(pack_shard, root, layout, shard, trays.hand_out())

        for parcel in in_order(map(submit, shards(paths)), ahead):
            with trays.returned() as tray:
                unpacked = _unpacked(parcel, tray)
            yield unpacked
