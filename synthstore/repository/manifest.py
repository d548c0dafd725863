"""Snapshots: a small file for each, and the tree of its files as an object in the packs."""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import repeat
from typing import Any, NamedTuple, cast

import orjson

from synthstore.files.together import together
from synthstore.model.digests import are_digests
from synthstore.repository.codec import RAW, Number
from synthstore.repository.file_rows import Columns, FileRow, FileRows
from synthstore.repository.recipes import Encoded, Piece, write_recipe

__all__ = [
    "DAMAGED",
    "FORMAT",
    "NEWER",
    "PARTIAL",
    "FileRow",
    "FolderRow",
    "Snapshot",
    "Tree",
    "id_of",
    "read_snapshot",
    "read_tree",
    "spell_snapshot",
    "spell_tree",
    "time_of",
]

FORMAT = 1
DAMAGED = "damaged"
"""The tag of a snapshot whose source had errors that nobody had called known."""

PARTIAL = "partial"
"""The tag of a snapshot that lacks what could not be read, or is not of one moment."""

NEWER = "it was written by a newer version"
"""Why a snapshot cannot be read that is not damaged."""

_ROWS_A_PIECE = 64
_STAMP = "%Y%m%dT%H%M%S.%fZ"
_NAME = re.compile(r"(\d{8}T\d{6}\.\d{6}Z)-([0-9a-f]{16})")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHORT = 8

_SNAPSHOT_TYPES: Mapping[str, type] = {
    **dict.fromkeys(("name", "time", "layout", "tree", "version"), str),
    **dict.fromkeys(("files", "bytes", "memories", "assemblies", "vectors", "errors"), int),
    "tags": list,
    "findings": dict,
}
_FILE_TYPES = [str, str, int, int, int, int, str, str, str]
_FOLDER_TYPES = [str, str, int, int]
_DIGEST = 6
"""Where in a file's line its sha256 stands."""


class FolderRow(NamedTuple):
    """One folder of a snapshot; the store itself is ``""``."""

    path: str
    mode: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Tree:
    """All that a snapshot holds, sorted by path."""

    files: Sequence[FileRow]
    folders: tuple[FolderRow, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a snapshot says of itself."""

    name: str
    """The name that its store was given; nothing about the host."""
    time: datetime
    """UTC."""
    layout: str
    tree: str
    """The object that holds the tree, hex."""
    files: int
    bytes: int
    memories: int
    assemblies: int
    vectors: int
    tags: tuple[str, ...] = ()
    findings: Mapping[str, int] = field(default_factory=dict)
    """What was wrong with the source: how many by code."""
    errors: int = 0
    """How many of them were errors that nobody had called known."""
    version: str = ""
    """Of the program that made it."""
    file: str = ""
    """Its own file's name; it has none before it is stored."""

    @property
    def id(self) -> str:
        """The short id, for people and commands."""
        return id_of(self.file)

    @property
    def damaged(self) -> bool:
        """Whether its source had errors."""
        return DAMAGED in self.tags

    @property
    def good(self) -> bool:
        """Whether it is all of a store that had no errors."""
        return not (self.damaged or PARTIAL in self.tags)


def id_of(file: str) -> str:
    """The short id that a snapshot's file tells by its name; empty where it is called otherwise."""
    found = _NAME.fullmatch(file)
    return found[2][:_SHORT] if found else ""


def time_of(file: str) -> datetime | None:
    """When a snapshot was taken, by the name of its file alone."""
    found = _NAME.fullmatch(file)
    return datetime.strptime(found[1], _STAMP).replace(tzinfo=UTC) if found else None


def spell_snapshot(snapshot: Snapshot) -> tuple[str, bytes]:
    """The file's name, which tells time and digest, and its bytes."""
    document = asdict(snapshot) | {"format": FORMAT, "time": snapshot.time.isoformat()}
    del document["file"]
    try:
        content = orjson.dumps(document, option=orjson.OPT_INDENT_2)
    except orjson.JSONEncodeError:
        content = json.dumps(document, indent=2).encode("ascii")
    stamp = snapshot.time.astimezone(UTC).strftime(_STAMP)
    return f"{stamp}-{hashlib.sha256(content).hexdigest()[:16]}", content


def read_snapshot(file: str, content: bytes) -> Snapshot:
    """Read a snapshot's file; raises ValueError for one that is damaged or of a newer format."""
    found = _NAME.fullmatch(file)
    if found is None or hashlib.sha256(content).hexdigest()[:16] != found[2]:
        raise ValueError("its bytes are not those that its name tells of")
    document = _loads(content)
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 - of the file, not of an argument
    if document.pop("format", None) != FORMAT:
        raise ValueError(NEWER)
    _require_sound(document)
    document["time"] = datetime.fromisoformat(document["time"])
    if document["time"].tzinfo is None:
        raise ValueError("its time is in no zone")
    document["tags"] = tuple(document["tags"])
    return Snapshot(**document, file=file)


def _require_sound(document: Mapping[str, object]) -> None:
    """Raise ValueError where a snapshot's fields are not of their types."""
    bad = [key for key, kind in _SNAPSHOT_TYPES.items() if type(document.get(key)) is not kind]
    if bad:
        raise ValueError(f"its {', '.join(bad)} cannot be")
    tags, findings = document["tags"], cast("dict[str, object]", document["findings"])
    texts = all(type(tag) is str for tag in cast("list[object]", tags))
    counts = all(type(count) is int for count in findings.values())
    if not (texts and counts and _SHA256.fullmatch(str(document["tree"]))):
        raise ValueError("its tags, findings or tree cannot be")


def spell_tree(tree: Tree, take: Callable[[Piece], None]) -> Encoded:
    """The tree as one object in pieces, so that rows that stay are stored once.

    A line is a JSON array, of a folder or of a file; a piece ends behind a path chosen by its crc.
    ``take`` has each piece as soon as it is spelt: together they are as large as the list.
    """
    return in_pieces(_pieces(tree), take)


def in_pieces(pieces: Iterable[bytes], take: Callable[[Piece], None]) -> Encoded:
    """A list as a row of byte pieces, without a skeleton; ``take`` has each as it comes."""
    whole = hashlib.sha256()
    ids: list[bytes] = []
    size = 0
    for data in pieces:
        whole.update(data)
        size += len(data)
        piece = Piece(hashlib.sha256(data).digest(), Number.BYTES, data)
        take(piece)
        ids.append(piece.id)
    body = write_recipe(b"", [0] * len(ids), [RAW] * len(ids), ids)
    return Encoded(whole.digest(), size, body, is_recipe=True, is_list=True)


def _pieces(tree: Tree) -> Iterator[bytes]:
    lines: list[bytes] = []
    for path, row in _spelt_rows(tree):
        lines.append(_line(row))
        if zlib.crc32(path.encode("utf-8", "surrogatepass")) % _ROWS_A_PIECE == 0:
            yield b"\n".join([*lines, b""])
            lines = []
    if lines:
        yield b"\n".join([*lines, b""])


def _spelt_rows(tree: Tree) -> Iterator[tuple[str, Sequence[object]]]:
    """The path of each folder and file, in their order, and what its line is of."""
    folders = deque(tree.folders)
    for run in FileRows.of(tree.files).runs():
        for row in zip(repeat("f"), *run, strict=False):
            path = row[1]
            while folders and folders[0].path <= path:
                folder = folders.popleft()
                yield folder.path, ("d", *folder)
            yield path, row
    for folder in folders:
        yield folder.path, ("d", *folder)


def _line(row: Sequence[object]) -> bytes:
    try:
        return orjson.dumps(row)
    except orjson.JSONEncodeError:
        # A name that is no UTF-8 has lone surrogates, which only the other writer escapes.
        return json.dumps(row, separators=(",", ":")).encode("ascii")


def _loads(content: bytes) -> Any:
    """JSON of either writer: the store's own folder may have a name that is no UTF-8, too."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        try:
            return json.loads(content)
        except RecursionError as error:
            raise ValueError("it is nested too deep") from error


def read_tree(parts: Iterable[bytes]) -> Tree:
    """Read what ``spell_tree`` spelt, of which little stands at a time.

    Raises ValueError for anything else.
    """
    folders: list[FolderRow] = []

    def files() -> Iterator[Columns]:
        for lines in _some_lines(parts):
            columns, others = _columns_of(lines)
            folders.extend(others)
            yield columns

    try:
        return Tree(FileRows.of_columns(files()), tuple(folders))
    except OverflowError as error:
        raise ValueError("a number of it is larger than any can be") from error


def _some_lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, a few lines at a time."""
    rest = b""
    for some in together(parts, size=len):
        lines, end, rest = b"".join([rest, *some]).rpartition(b"\n")
        yield lines + end
    yield rest


def _columns_of(lines: bytes) -> tuple[Columns, Iterator[FolderRow]]:
    """The columns of the files, and the rows of the folders."""
    rows = _loads(b"[%b]" % lines.rstrip(b"\n").replace(b"\n", b","))
    files = [row for row in rows if type(row) is list and row[:1] == ["f"]]
    folders = [row for row in rows if type(row) is list and row[:1] == ["d"]]
    if len(files) + len(folders) != len(rows):
        raise ValueError("a line of it is of neither a file nor a folder")
    # Checked by columns: to look at each field by itself takes most of the time.
    columns = _columns(files, _FILE_TYPES)
    if not are_digests(columns[_DIGEST]):
        raise ValueError("the sha256 of a file of it cannot be one")
    each_folder = zip(*_columns(folders, _FOLDER_TYPES)[1:], strict=True)
    return columns[1:], map(FolderRow._make, each_folder)


def _columns(rows: Sequence[Sequence[Any]], types: Sequence[type]) -> Sequence[Sequence[Any]]:
    """The fields of the rows, one after the other; raises ValueError where one cannot be."""
    if any(len(row) != len(types) for row in rows):
        raise ValueError("a line of it has more or fewer fields than it should")
    columns = list(zip(*rows, strict=True)) or [()] * len(types)
    for column, kind in zip(columns, types, strict=True):
        if not {kind}.issuperset(map(type, column)):
            raise ValueError("a field of it is of another type than it should be")
    return columns
