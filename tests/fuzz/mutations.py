"""Mutations of bytes: what disks, half-done writes and hostile hands make of a file."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence

Mutation = Callable[[bytearray, random.Random], object]

_NUMBERS = (
    0, 1, -1, 2, 7, 255, 256, 0x7FFF, 0xFFFF, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1,
    1 << 32, 1 << 48, (1 << 63) - 1, 1 << 63, (1 << 64) - 1,
)  # fmt: skip
_WORDS = (
    b"null", b"true", b"NaN", b"-Infinity", b"1e400", b"-1", b"18446744073709551616", b"9" * 5000,
    b"0.1", b'""', b'"\\ud800"', b'"\\u0000"', b'"../../outside"', b'"/etc/passwd"', b'"\xff\xfe"',
    b"[]", b"{}", b"[" * 300, b"[" * 100_000, b'{"a":' * 300, b'{"id":1,"id":2}', b"\xef\xbb\xbf",
    b"\0", b"\0" * 512, b"\x1b]8;;x\x07", b",", b":", b'"', b"\\", b"\n", b"]", b"}",
)  # fmt: skip
_JSON_ENDS = b'{}[]",:\n '
_SEVERAL = 4
_RARE = 0.05


def mutate(raw: bytes, dice: random.Random, *, text: bool) -> bytes:
    """One to four mutations; the words of JSON come in where the file is ``text``."""
    if dice.random() < _RARE:
        return _something_else(raw, dice)
    kinds: Sequence[Mutation] = _TEXT if text else _BINARY
    data = bytearray(raw)
    for _ in range(dice.randint(1, _SEVERAL)):
        dice.choice(kinds)(data, dice)
    return bytes(data)


def _something_else(raw: bytes, dice: random.Random) -> bytes:
    """A file that has nothing to do with the one that was there, or is too much of it."""
    return dice.choice(
        (b"", bytes(len(raw)), dice.randbytes(len(raw)), raw * 2, raw.decode("latin-1").encode(
            "utf-16"), b"\x80\x04\x95", b"PK\x03\x04" + raw, b"[" * 100_000)
    )  # fmt: skip


def _at(data: bytearray, dice: random.Random) -> int:
    return dice.randrange(len(data) + 1)


def _span(data: bytearray, dice: random.Random) -> slice:
    start = _at(data, dice)
    return slice(start, start + dice.choice((1, 2, 4, 8, 32, 512)))


def flip(data: bytearray, dice: random.Random) -> None:
    """Turn over one bit."""
    if data:
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def scribble(data: bytearray, dice: random.Random) -> None:
    """Write random bytes over some."""
    where = _span(data, dice)
    data[where] = dice.randbytes(len(data[where]))


def blank(data: bytearray, dice: random.Random) -> None:
    """Write zeros over some."""
    where = _span(data, dice)
    data[where] = bytes(len(data[where]))


def cut(data: bytearray, dice: random.Random) -> None:
    """Cut the end off."""
    del data[_at(data, dice) :]


def drop(data: bytearray, dice: random.Random) -> None:
    """Take some out."""
    del data[_span(data, dice)]


def repeat(data: bytearray, dice: random.Random) -> None:
    """Put some in a second time."""
    piece = bytes(data[_span(data, dice)])
    at = _at(data, dice)
    data[at:at] = piece


def append(data: bytearray, dice: random.Random) -> None:
    """Add junk to the end."""
    data += dice.choice((dice.randbytes(9), bytes(dice.choice((1, 512, 4096))), bytes(data[:64])))


def number(data: bytearray, dice: random.Random) -> None:
    """Write a number from the edge of its range over four or eight bytes, often of the header."""
    size, kind = dice.choice(((4, "<I"), (8, "<Q")))
    value = dice.choice(_NUMBERS) % (1 << (8 * size))
    at = dice.choice((_at(data, dice), dice.randrange(min(len(data), 120) + 1)))
    data[at : at + size] = struct.pack(kind, value)


def word(data: bytearray, dice: random.Random) -> None:
    """Put a word in, between two others if that can be found."""
    at = _boundary(data, dice)
    data[at:at] = dice.choice(_WORDS)


def replace(data: bytearray, dice: random.Random) -> None:
    """Put a word in the place of another."""
    start = _boundary(data, dice)
    end = start
    while end < len(data) and data[end] not in _JSON_ENDS:
        end += 1
    data[start:end] = dice.choice(_WORDS)


def swap(data: bytearray, dice: random.Random) -> None:
    """Copy one piece over another of the file: a value where another belongs."""
    source, target = _span(data, dice), _span(data, dice)
    data[target] = bytes(data[source])


def _boundary(data: bytearray, dice: random.Random) -> int:
    at = _at(data, dice)
    while at < len(data) and data[at] not in _JSON_ENDS:
        at += 1
    return min(at + 1, len(data))


_BINARY: Sequence[Mutation] = (
    flip, flip, scribble, blank, cut, drop, repeat, append, number, number, number, swap,
)  # fmt: skip
_TEXT: Sequence[Mutation] = (
    flip, flip, scribble, blank, cut, drop, repeat, append, word, replace, replace, replace, swap,
)  # fmt: skip
