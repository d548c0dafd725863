"""Files to import that somebody else wrote: rows with bad ids, bad bytes, bombs (6 to 39)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import zstandard

from synthstore.testing.stores import Built
from tests.bad_inputs.model import Given
from tests.bad_inputs.vectors import FOREIGN, written

BOMB = 200 * 2**20
IMPORT = ("import", "{store}", "{path}", "--format", "jsonl")
GUESSED = ("import", "{store}", "{path}")


def row(**fields: object) -> bytes:
    """A line of JSON that would be a memory but for ``fields``."""
    return json.dumps({"memory_id": "mem-x", "content": "a note", **fields}).encode() + b"\n"


def lines(*raw: bytes) -> Callable[[Path, Built], object]:
    """A file of these lines."""
    return lambda path, _: path.write_bytes(b"".join(raw))


def bomb(pack: Callable[[bytes], bytes], suffix: str) -> Callable[[Path, Built], object]:
    """A small file that unpacks to one line of 200 MB, under a name that tells how."""
    raw = pack(b'{"memory_id": "' + b"a" * BOMB)
    return lambda path, _: path.with_name(path.name + suffix).write_bytes(raw)


BAD_IDS = (
    (10, "empty", ""),
    (11, "dots", ".."),
    (12, "with-slash", "../../outside"),
    (12, "with-nul", "a\0b"),
    (13, "300-bytes", "a" * 300),
    (13, "252-bytes", "é" * 126),
    (18, "newline", "a\nb"),
    (18, "lone-surrogate", "a\ud800"),
    (18, "leading-dash", "-rf"),
    (19, "escape", "\x1b[2J"),
)

REJECTED = (
    *((n, f"id-{name}", row(memory_id=bad)) for n, name, bad in BAD_IDS),
    (26, "embedding-of-strings", row(embedding=["0.1"] * 16)),
    (26, "embedding-of-other-dimension", row(embedding=[0.1] * 3)),
    (26, "embedding-with-nan", row(embedding=[float("nan")] * 16)),
    (28, "duplicate-keys", b'{"memory_id": "a", "content": "x", "content": "y"}\n'),
    (29, "junk", b"{]\n"),
    (29, "array", b"[1, 2]\n"),
)

GIVEN = (
    *(
        Given(number=n, name=f"import-{name}", make=lines(raw), command=IMPORT, code=3, kind=None)
        for n, name, raw in REJECTED
    ),
    *(
        Given(
            number=number,
            name=f"{name}-as-import",
            make=written(make),
            command=GUESSED,
            code=3,
            kind=None,
        )
        for name, (number, make) in FOREIGN.items()
    ),
    Given(
        number=36,
        name="import-gzip-bomb",
        make=bomb(lambda raw: gzip.compress(raw, 1), ".jsonl.gz"),
        command=("import", "{store}", "{path}.jsonl.gz"),
        code=3,
        kind=None,
    ),
    Given(
        number=36,
        name="import-zstd-bomb",
        make=bomb(lambda raw: zstandard.ZstdCompressor().compress(raw), ".jsonl.zst"),
        command=("import", "{store}", "{path}.jsonl.zst"),
        code=3,
        kind=None,
    ),
)
