"""Snapshots: a small file for each, and the tree of its files as an object in the packs."""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, NamedTuple, cast

import orjson

from synthstore.model.digests import are_digests
from synthstore.repository.codec import RAW, Number
from synthstore.repository.recipes import Encoded, Piece, write_recipe

FORMAT = 1
DAMAGED = "damaged"
"""The tag of a snapshot whose source had errors that nobody had called known."""

PARTIAL = "partial"
"""The tag of a snapshot that lacks what could not be read, or is not of one moment."""

_ROWS_A_PIECE = 64
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


class FileRow(NamedTuple):
    """One file of a snapshot."""

    path: str
    """Store-relative, POSIX."""
    size: int
    mtime_ns: int
    mode: int
    """Permission bits."""
    inode: int
    """As it was read; 0 where the file may have changed since within one tick of its clock."""
    sha256: str
    """Of its bytes, and the id of the object that holds them."""
    state: str = ""
    """What parsing found: empty, or the status of a hurt entity file."""
    id: str = ""
    """The entity that it bears, where that could be read."""

    @property
    def safe_mode(self) -> int:
        """The mode to restore: no program of another's becomes set-user-id by us."""
        return self.mode & 0o777

    @property
    def object(self) -> bytes:
        """The object's id."""
        return bytes.fromhex(self.sha256)


class FolderRow(NamedTuple):
    """One folder of a snapshot; the store itself is ``""``."""

    path: str
    mode: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Tree:
    """All that a snapshot holds, sorted by path."""

    files: tuple[FileRow, ...]
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
        found = _NAME.fullmatch(self.file)
        return found[2][:_SHORT] if found else ""

    @property
    def damaged(self) -> bool:
        """Whether its source had errors."""
        return DAMAGED in self.tags

    @property
    def good(self) -> bool:
        """Whether it is all of a store that had no errors."""
        return not (self.damaged or PARTIAL in self.tags)


def of_store(snapshots: Sequence[Snapshot], folder: str) -> tuple[Snapshot, ...]:
    """Those of the store in a folder of that name, or of the only store that there is."""
    names = {one.name for one in snapshots}
    name = folder if folder in names or len(names) != 1 else names.pop()
    return tuple(one for one in snapshots if one.name == name)


def spell_snapshot(snapshot: Snapshot) -> tuple[str, bytes]:
    """The file's name, which tells time and digest, and its bytes."""
    document = asdict(snapshot) | {"format": FORMAT, "time": snapshot.time.isoformat()}
    del document["file"]
    try:
        content = orjson.dumps(document, option=orjson.OPT_INDENT_2)
    except orjson.JSONEncodeError:
        content = json.dumps(document, indent=2).encode("ascii")
    stamp = snapshot.time.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
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
        raise ValueError("it was written by a newer version")
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


def spell_tree(tree: Tree) -> Encoded:
    """The tree as one object in pieces, so that rows that stay are stored once.

    A line is a JSON array, of a folder or of a file; a piece ends behind a path chosen by its crc.
    """
    rows: list[tuple[str, tuple[object, ...]]]
    rows = [(row.path, ("d", *row)) for row in tree.folders]
    rows += [(row.path, ("f", *row)) for row in tree.files]
    pieces: list[bytes] = []
    lines: list[bytes] = []
    for path, row in sorted(rows, key=itemgetter(0)):
        lines.append(_line(row))
        if zlib.crc32(path.encode("utf-8", "surrogatepass")) % _ROWS_A_PIECE == 0:
            pieces.append(b"\n".join([*lines, b""]))
            lines = []
    return _in_pieces([*pieces, b"\n".join([*lines, b""])] if lines else pieces)


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


def _in_pieces(pieces: Iterable[bytes]) -> Encoded:
    """A list as a row of byte pieces, without a skeleton."""
    whole = hashlib.sha256()
    found: list[Piece] = []
    size = 0
    for data in pieces:
        whole.update(data)
        size += len(data)
        found.append(Piece(hashlib.sha256(data).digest(), Number.BYTES, data))
    body = write_recipe(b"", [0] * len(found), [RAW] * len(found), [p.id for p in found])
    return Encoded(whole.digest(), size, body, tuple(found), is_recipe=True, is_list=True)


def read_tree(content: bytes) -> Tree:
    """Read what ``spell_tree`` spelt; raises ValueError for anything else."""
    rows = _loads(b"[%b]" % content.rstrip(b"\n").replace(b"\n", b","))
    files = [row for row in rows if type(row) is list and row[:1] == ["f"]]
    folders = [row for row in rows if type(row) is list and row[:1] == ["d"]]
    if len(files) + len(folders) != len(rows):
        raise ValueError("a line of it is of neither a file nor a folder")
    # Checked by columns: to look at each field by itself takes most of the time.
    file_columns = _columns(files, _FILE_TYPES)
    if not are_digests(file_columns[_DIGEST]):
        raise ValueError("the sha256 of a file of it cannot be one")
    return Tree(
        tuple(map(FileRow._make, zip(*file_columns[1:], strict=True))),
        tuple(map(FolderRow._make, zip(*_columns(folders, _FOLDER_TYPES)[1:], strict=True))),
    )


def _columns(rows: Sequence[Sequence[Any]], types: Sequence[type]) -> Sequence[Sequence[Any]]:
    """The fields of the rows, one after the other; raises ValueError where one cannot be."""
    if any(len(row) != len(types) for row in rows):
        raise ValueError("a line of it has more or fewer fields than it should")
    columns = list(zip(*rows, strict=True)) or [()] * len(types)
    for column, kind in zip(columns, types, strict=True):
        if not {kind}.issuperset(map(type, column)):
            raise ValueError("a field of it is of another type than it should be")
    return columns
