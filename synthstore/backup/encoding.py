"""The work of one worker of a backup: read whole files, cut their numbers out, judge them."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, Protocol

import orjson

from synthstore.backup.listing import kind_at
from synthstore.errors import SynthstoreError
from synthstore.files.walk import UnsteadyFileError, open_folder, read_at, stat_of
from synthstore.layout.base import Layout
from synthstore.model.facts import FileStatus, Stat
from synthstore.model.ids import Kind
from synthstore.model.paths import folder_of
from synthstore.repository.blocks import Block
from synthstore.repository.codec import RAW, ROW, Style
from synthstore.repository.recipes import (
    Encoded,
    Piece,
    encode_apart,
    flat_shape_of,
    ids_in,
    write_recipe,
)
from synthstore.scan.shard import facts_of

WHOLE_BELOW = 8 << 20
"""Larger files go through in pieces."""

TICK_NS = 100_000_000
"""A file this young when it was read may change again without its time showing it."""

_PIECE = 4 << 20
_AT_ONCE = 1 << 20
_TRIES = 3
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Sink(Protocol):
    """Where what was read is stored."""

    def add(self, encoded: Encoded) -> None:
        """Store a file and its pieces."""

    def add_piece(self, piece: Piece) -> None:
        """Store a piece of a file that is still on its way."""


class Read(NamedTuple):
    """One file as read, or why it could not be; neither where it is gone."""

    path: str
    stat: Stat | None = None
    sha256: bytes | None = None
    """Of its bytes, and so the id of the object that was stored."""
    state: str = ""
    id: str = ""
    problem: str | None = None
    settled: bool = False
    """Whether it was so old when it was read that it cannot have changed since in the same tick."""


class Shard(NamedTuple):
    """What one worker read."""

    reads: list[Read]
    blocks: list[Block]


def read_shard(root: str, layout: Layout, paths: Sequence[str], sink: Sink) -> list[Read]:
    """Read and encode every file of ``paths``."""
    found: list[Read] = []
    for folder, group in groupby(paths, key=folder_of):
        members = list(group)
        try:
            with open_folder(Path(root), folder) as fd:
                found += [_read(fd, root, layout, path, sink) for path in members]
        except FileNotFoundError:
            found += map(Read, members)
        except SynthstoreError as error:
            found += [Read(path, problem=error.message) for path in members]
    return found


def _read(fd: int, root: str, layout: Layout, path: str, sink: Sink) -> Read:
    """Read and encode one file; what cannot be read is told, not raised."""
    began = time.time_ns()
    try:
        raw, stat = read_at(fd, path.rpartition("/")[2], f"{root}/{path}")
    except FileNotFoundError:
        return Read(path)
    except SynthstoreError as error:
        return Read(path, problem=error.message)
    encoded, skeleton = encode_apart(raw)
    sink.add(encoded)
    kind = kind_at(layout, path)
    state, name = ("", "") if kind is None else _judge(layout, kind, path, skeleton, stat)
    return Read(path, stat, encoded.id, state, name, settled=_is_settled(stat, began))


def _is_settled(stat: Stat, began_ns: int) -> bool:
    return began_ns - stat.mtime_ns > TICK_NS


def _judge(layout: Layout, kind: Kind, path: str, skeleton: bytes, stat: Stat) -> tuple[str, str]:
    """What parsing finds, and the id; the numbers that were cut out cannot hurt."""
    try:
        document = orjson.loads(skeleton)
    except orjson.JSONDecodeError:
        document = None
    if isinstance(document, dict):
        name, text = document.get(layout.id_key(kind)), document.get("content")
        if isinstance(name, str) and name and isinstance(text, str) and kind == "memory":
            return "", name
        record = layout.read_record(kind, document)
        return str(FileStatus.INCOMPLETE) if record.missing else "", record.id or ""
    facts, _ = facts_of(layout, kind, path, skeleton, stat)
    state = "" if facts.status in (FileStatus.WHOLE, FileStatus.OPAQUE) else str(facts.status)
    return state, facts.id or ""


def read_large(root: Path, path: str, sink: Sink) -> Read:
    """Pass a file through in pieces, each stored at once."""
    for _ in range(_TRIES):
        try:
            read = _pass_through(root, path, sink)
        except FileNotFoundError:
            return Read(path)
        except (SynthstoreError, OSError) as error:
            return Read(path, problem=str(error))
        if read is not None:
            return read
    moving = UnsteadyFileError(f"{root / path} kept changing while it was read")
    return Read(path, problem=moving.message)


def _pass_through(root: Path, path: str, sink: Sink) -> Read | None:
    began = time.time_ns()
    with _opened(root, path) as fd:
        before = stat_of(os.fstat(fd))
        encoded = _encode_stream(fd, before.size, sink)
        after = stat_of(os.fstat(fd))
    if before != after or encoded.size != before.size:
        return None
    sink.add(encoded)
    return Read(path, after, encoded.id, settled=_is_settled(after, began))


@contextmanager
def _opened(root: Path, path: str) -> Iterator[int]:
    folder, _, name = path.rpartition("/")
    with open_folder(root, folder) as above:
        fd = os.open(name, _FILE, dir_fd=above)
    try:
        yield fd
    finally:
        os.close(fd)


def _encode_stream(fd: int, size: int, sink: Sink) -> Encoded:
    shape = flat_shape_of(fd, size)
    stream = _Stream(fd, sink)
    if shape is None:
        # A file that grows as fast as it is read would never end.
        stream.cut(size, _PIECE, RAW)
        return stream.encoded()
    stream.skip(shape.vectors_at)
    stream.cut(shape.ids_at - shape.vectors_at, 4 * shape.dim, ROW)
    stream.skip(max(0, size - shape.ids_at))
    return stream.encoded()


class Outline(NamedTuple):
    """A Flat index that was read, without the vectors that its recipe refers to."""

    read: Read
    encoded: Encoded

    def pieces(self) -> bytes:
        """The ids of its vectors, one after the other, each of which must be stored already."""
        return ids_in(self.encoded.body)


def outline(root: Path, path: str) -> Outline | None:
    """Read a large Flat index where the repository is not at hand; None if it is no such file."""
    try:
        with _opened(root, path) as fd:
            flat = flat_shape_of(fd, os.fstat(fd).st_size) is not None
    except (SynthstoreError, OSError):
        return None
    drawn = _Drawn()
    read = read_large(root, path, drawn) if flat else None
    return None if read is None or drawn.encoded is None else Outline(read, drawn.encoded)


class _Drawn:
    """Stores nothing."""

    def __init__(self) -> None:
        self.encoded: Encoded | None = None

    def add(self, encoded: Encoded) -> None:
        self.encoded = encoded

    def add_piece(self, piece: Piece) -> None:
        pass


class _Digest:
    """A sha256 that a second core works out, a block behind."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="synthstore-hash")
        self._last: Future[None] | None = None

    def update(self, data: bytes) -> None:
        """Take the next block, once the one before is done with."""
        if self._last is not None:
            self._last.result()
        self._last = self._thread.submit(self._sha256.update, data)

    def digest(self) -> bytes:
        """Of all blocks; no more may come."""
        self._thread.shutdown()
        return self._sha256.digest()


class _Stream:
    """A file on its way, hashed whole, cut into pieces and a skeleton."""

    def __init__(self, fd: int, sink: Sink) -> None:
        self._file = os.fdopen(os.dup(fd), "rb")
        self._sink = sink
        self._whole = _Digest()
        self._skeleton: list[bytes] = []
        self._gap = 0
        self._size = 0
        self._gaps: list[int] = []
        self._styles: list[Style] = []
        self._ids: list[bytes] = []

    def _read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._whole.update(data)
        self._size += len(data)
        return data

    def skip(self, size: int) -> None:
        """Leave ``size`` bytes in the skeleton."""
        data = self._read(size)
        self._skeleton.append(data)
        self._gap += len(data)

    def cut(self, size: int, width: int, style: Style) -> None:
        """Cut ``size`` bytes out, in pieces of ``width``; fewer where the file ends."""
        at_once = max(1, _AT_ONCE // width) * width
        for start in range(0, size, at_once):
            data = self._read(min(at_once, size - start))
            for at in range(0, len(data), width):
                self._piece(data[at : at + width], width, style)

    def _piece(self, data: bytes, width: int, style: Style) -> None:
        if len(data) < width:
            style = RAW
        piece = Piece(hashlib.sha256(data).digest(), style.number, data)
        self._sink.add_piece(piece)
        self._gaps.append(self._gap)
        self._styles.append(style)
        self._ids.append(piece.id)
        self._gap = 0

    def encoded(self) -> Encoded:
        """The recipe of what went by."""
        self._file.close()
        body = write_recipe(b"".join(self._skeleton), self._gaps, self._styles, self._ids)
        return Encoded(self._whole.digest(), self._size, body, (), is_recipe=True)
