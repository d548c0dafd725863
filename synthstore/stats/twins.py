"""Memories that say the same: one embedding, one content."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from synthstore.errors import SynthstoreError
from synthstore.files.jsonio import ParseFailure, parse
from synthstore.files.walk import read_file
from synthstore.model.facts import EntityFile, FileStatus
from synthstore.model.text import text_of
from synthstore.scan.inventory import EmbeddingTable, Inventory
from synthstore.stats.report import Twins


def twins(root: Path, inventory: Inventory) -> tuple[Twins, ...]:
    """The groups of memories with one content and one embedding, the largest first.

    The scan keeps no content, so files are read again, but only those whose embeddings are equal.
    """
    found: dict[tuple[bytes, bytes], list[EntityFile]] = defaultdict(list)
    for digest, alike in _alike(inventory):
        for file in alike:
            content = _content(root, file)
            if content is not None:
                found[digest, content].append(file)
    groups = [_told(files) for files in found.values() if len(files) > 1]
    return tuple(sorted(groups, key=lambda group: (-len(group.ids), group.ids)))


def _alike(inventory: Inventory) -> Iterator[tuple[bytes, Sequence[EntityFile]]]:
    """Whole memories by their embedding, where several have the same."""
    for table in inventory.tables.values():
        same: dict[bytes, list[EntityFile]] = defaultdict(list)
        for digest, path in _digests(table):
            file = inventory.by_path.get(path)
            if file is not None and file.kind == "memory" and file.status is FileStatus.WHOLE:
                same[digest].append(file)
        yield from ((digest, files) for digest, files in same.items() if len(files) > 1)


def _digests(table: EmbeddingTable) -> Iterable[tuple[bytes, str]]:
    for path, row in zip(table.paths, table.matrix, strict=True):
        yield hashlib.blake2b(row.tobytes(), digest_size=16).digest(), path


def _content(root: Path, file: EntityFile) -> bytes | None:
    """A digest of a memory's content; None where it changed meanwhile, or has none."""
    try:
        raw, _ = read_file(root, file.path, file.stat.size)
        document = parse(raw).value
    except (FileNotFoundError, SynthstoreError, ParseFailure):
        return None
    content = text_of(document)
    if content is None:
        return None
    return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _told(files: Sequence[EntityFile]) -> Twins:
    sizes = sorted(file.stat.size for file in files)
    ids = (file.id or file.path for file in files)
    return Twins(tuple(sorted(ids)), sum(sizes[:-1]))
