"""Compressed files as streams; one that ends too early says so instead of ending quietly."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

import zstandard

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BLOCK = 1 << 20
_PACKED = (".gz", ".zst")
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_LEVEL = 3
_GZIP_LEVEL = 6
_BOTH_HEADERS = 31
"""What tells zlib to expect a gzip header."""


def suffix_of(name: str) -> tuple[str, str]:
    """``name`` without the suffix of a compressed file, and that suffix; empty where it has none.

    ``("store.jsonl", ".zst")`` for ``store.jsonl.zst``.
    """
    found = next((suffix for suffix in _PACKED if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(found)], found


@contextmanager
def packed(out: BinaryIO, suffix: str) -> Iterator[BinaryIO]:
    """``out``, compressed as ``suffix`` says; the same bytes for the same bytes.

    Ends what it compresses, and leaves ``out`` open.
    """
    if suffix == ".gz":
        with gzip.GzipFile("", "wb", _GZIP_LEVEL, out, mtime=0) as inner:
            yield cast("BinaryIO", inner)
    elif suffix == ".zst":
        with zstandard.ZstdCompressor(_LEVEL).stream_writer(out, closefd=False) as stream:
            yield cast("BinaryIO", stream)
    else:
        yield out


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class Stream(io.BufferedReader):
    """What is to be read, decompressed where it is compressed."""

    def __init__(self, source: BinaryIO) -> None:
        """Read ``source``, which stays open when this is closed."""
        first = source.read(_BLOCK)
        self._blocks = _Blocks(source, first)
        super().__init__(self._blocks, _BLOCK)
        self.source = source
        self.packed = self._blocks.packed

    @property
    def damage(self) -> str | None:
        """Why nothing more can be read, though the file should go on; None where it ended well."""
        return self._blocks.damage


class _Blocks(io.RawIOBase):
    def __init__(self, source: BinaryIO, first: bytes) -> None:
        super().__init__()
        self.damage: str | None = None
        self._source, self._waiting = source, first
        self._begin = _decompressor(first)
        self.packed = self._begin is not None
        self._inner: _Decompressor | None = None
        self._left = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        while not self._left:
            data = self._next()
            if data is None:
                return 0
            self._left = memoryview(data)
        target = memoryview(buffer).cast("B")
        count = min(len(target), len(self._left))
        target[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def _next(self) -> bytes | None:
        """The next bytes, perhaps none; None at the end."""
        if self.damage is not None:
            return None
        data = self._waiting or self._source.read(_BLOCK)
        self._waiting = b""
        if self._begin is None:
            return data or None
        if not data:
            if self._inner is not None:
                self.damage = "the compressed file is cut short"
            return None
        try:
            return self._unpack(data, self._begin)
        except (zlib.error, zstandard.ZstdError):
            self.damage = "the compressed file is damaged"
            return None

    def _unpack(self, data: bytes, begin: Callable[[], _Decompressor]) -> bytes:
        if self._inner is None:
            self._inner = begin()
        plain = self._inner.decompress(data)
        if self._inner.eof:
            # Compressed files may stand one behind the other in one.
            self._waiting = self._inner.unused_data.lstrip(b"\0")
            self._inner = None
        return plain


def is_packed(first: bytes) -> bool:
    """Whether a file that begins with ``first`` is compressed."""
    return _decompressor(first) is not None


def _decompressor(first: bytes) -> Callable[[], _Decompressor] | None:
    if first.startswith(_GZIP):
        return lambda: zlib.decompressobj(_BOTH_HEADERS)
    if first.startswith(_ZSTD):
        return lambda: cast("_Decompressor", zstandard.ZstdDecompressor().decompressobj())
    return None
