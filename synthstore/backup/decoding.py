"""The work of one worker of a restore: rebuild files, write them, read them back, judge them.

Bytes that have the sha256 that the snapshot names, and are read back, are the file that was stored,
and all that parsing them would tell follows from what they were rebuilt from. So an entity is
judged while its numbers are still numbers: the rest of its text is parsed, and the numbers are put
where the text has them.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, groupby
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO, Final

import orjson

from synthstore.backup.listing import kind_at
from synthstore.files.arena import Shelf
from synthstore.files.durable import hash_file, write_new
from synthstore.files.jsonio import Parsed, ParseFailure, parse, parse_numbers
from synthstore.files.memory import give_back
from synthstore.files.putting import Attire, reads_back_wrong, write_proved
from synthstore.files.together import together
from synthstore.files.walk import open_folder
from synthstore.layout.base import Layout
from synthstore.model.facts import FileStatus, Stat
from synthstore.model.paths import folder_of
from synthstore.repository.codec import Style
from synthstore.repository.file_rows import Columns, FileRow, rows_of
from synthstore.repository.place import Place
from synthstore.repository.recipes import Rebuilt, Recipe
from synthstore.repository.vault import LostObjectError, Repository
from synthstore.scan.shard import DEFAULT_CAPS, Seen, ShardFacts, gathered
from synthstore.store.entity import Hashed, judge_document

WHOLE_BELOW = 8 << 20
"""Larger files go through in pieces."""

_MARK: Final = 729_516_340_817_263_594
"""Stands in for an embedding; a text that holds it by chance is parsed as it is.

With a digit more it might be beyond 64 bits, which takes a closer look to tell.
"""

_MARK_TEXT: Final = b"%d" % _MARK

_SPACE = b" \t\r\n"

_opened: dict[str, Repository] = {}
"""In a worker process: the repositories that earlier shards opened."""


@dataclass(frozen=True, slots=True)
class Laid:
    """What became of one shard."""

    lost: Mapping[str, str]
    """Files that the repository could not give back, and why."""
    facts: ShardFacts
    """Of the whole entity files, as a scan would state them."""


def lay_shard(
    place: Place,
    aside: Path,
    layout: Layout | None,
    columns: Columns,
    shelf: Shelf | None,
) -> Laid:
    """In a worker process: as ``lay_rows``, of rows that came as columns."""
    return lay_rows(make_ready(place), aside, layout, list(rows_of(columns)), shelf)


def make_ready(place: Place) -> Repository:
    """In a worker process: the repository, opened once for all shards."""
    repository = _opened.get(place.where)
    if repository is None:
        repository = _opened[place.where] = Repository.open(place)
    return repository


def lay_rows(
    repository: Repository,
    aside: Path,
    layout: Layout | None,
    rows: Sequence[FileRow],
    shelf: Shelf | None = None,
) -> Laid:
    """Write the files of ``rows`` below ``aside``, not synced, and read each back.

    Entities are judged where the ``layout`` is known; their embeddings go to the ``shelf``, where
    one is given and takes them. What is lost may stand there as far as it was written. Raises
    OperationError where a file does not read back as it was written.
    """
    layer = _Layer(repository, aside, layout)
    for folder, group in groupby(rows, key=lambda row: folder_of(row.path)):
        with open_folder(aside, folder) as fd:
            for some in together(group, size=attrgetter("size")):
                layer.lay(fd, some)
    return Laid(layer.lost, gathered(layer.seen, shelf))


class _Layer:
    """Lays a few files at a time, and keeps what was learned of them."""

    def __init__(self, repository: Repository, aside: Path, layout: Layout | None) -> None:
        self._repository, self._aside, self._layout = repository, aside, layout
        self.lost: dict[str, str] = {}
        self.seen: list[Seen] = []

    def lay(self, fd: int, rows: Sequence[FileRow]) -> None:
        """Lay files into the open folder ``fd``."""
        rebuilt = list(self._rebuilt([row for row in rows if row.size < WHOLE_BELOW]))
        stats = [self._write(fd, row, whole.content) for row, whole in rebuilt]
        judged = map(self._judged, rebuilt, stats)
        self.seen += [seen for seen in judged if seen is not None]
        for row in rows:
            if row.size >= WHOLE_BELOW:
                self._lay_in_pieces(fd, row)

    def _rebuilt(self, rows: Sequence[FileRow]) -> Iterator[tuple[FileRow, Rebuilt]]:
        """The files whose bytes are those that were stored."""
        for row in rows:
            try:
                rebuilt = self._repository.rebuild(row.object)
            except LostObjectError as error:
                self.lost[row.path] = error.message
                continue
            if hashlib.sha256(rebuilt.content).hexdigest() == row.sha256:
                yield row, rebuilt
            else:
                self.lost[row.path] = _other_bytes(row)

    def _write(self, fd: int, row: FileRow, content: bytes) -> Stat:
        return write_proved(
            row.path.rpartition("/")[2],
            content,
            Attire(row.safe_mode),
            row.mtime_ns,
            dir_fd=fd,
            shown=f"{self._aside}/{row.path}",
        )

    def _lay_in_pieces(self, fd: int, row: FileRow) -> None:
        def send(out: BinaryIO) -> None:
            pieces = self._repository.stream(row.object)
            # In fewer pieces: the vectors of an index are thousands.
            out.writelines(map(b"".join, together(pieces, size=len)))

        shown = f"{self._aside}/{row.path}"
        try:
            written = write_new(
                row.path.rpartition("/")[2],
                send,
                mode=row.safe_mode,
                mtime_ns=row.mtime_ns,
                sync=False,
                dir_fd=fd,
                shown=shown,
            )
        except LostObjectError as error:
            self.lost[row.path] = error.message
            return
        # All vectors of an index went through it, of which the entities to come need few.
        self._repository.forget()
        give_back()
        if written != row.sha256:
            self.lost[row.path] = _other_bytes(row)
        elif hash_file(shown) != row.sha256:
            raise reads_back_wrong(shown)

    def _judged(self, laid: tuple[FileRow, Rebuilt], stat: Stat) -> Seen | None:
        """What a scan would say of a whole entity file; None for all others."""
        row, rebuilt = laid
        kind = kind_at(self._layout, row.path) if self._layout is not None else None
        if self._layout is None or kind is None or row.size > DEFAULT_CAPS.of(kind):
            return None
        key = self._layout.embedding_key(kind)
        file = Hashed(kind, row.path, stat, row.sha256)
        parsed = parsed_apart(rebuilt, key)
        if parsed is not None:
            seen = judge_document(self._layout, file, parsed)
            # Numbers that are not sound in every way are left to the parser.
            if seen[1] is not None:
                return seen if seen[0].status is FileStatus.WHOLE else None
        with suppress(ParseFailure):
            seen = judge_document(self._layout, file, parse_numbers(rebuilt.content, key))
            return seen if seen[0].status is FileStatus.WHOLE else None
        return None


def _other_bytes(row: FileRow) -> str:
    return f"object {row.sha256[:16]}: its bytes are not those that were stored"


def parsed_apart(rebuilt: Rebuilt, key: str) -> Parsed | None:
    """What ``parse_numbers`` would make of the whole file, its numbers not read from their text.

    A mark is parsed where the numbers of ``key`` would stand. If it comes out as the only item of
    the list under ``key``, and stands nowhere else in the text, then any numbers with commas and
    white space between them would come out there. None where that is not so.
    """
    recipe = rebuilt.recipe
    place = None if recipe is None else _place_of(recipe, key)
    if recipe is None or place is None or not _is_plain(recipe.styles[place]):
        return None
    style = recipe.styles[place]
    texts = [part.text for part in rebuilt.parts]
    texts[place] = style.before + _MARK_TEXT + style.after
    text = recipe.joined(texts)
    parsed = _parsed(text) if text.count(_MARK_TEXT) == 1 else None
    document = None if parsed is None else parsed.value
    if parsed is None or not isinstance(document, dict) or parsed.rigid:
        return None
    if document.get(key) != [_MARK]:
        return None
    document[key] = rebuilt.parts[place].doubles
    return parsed


def _parsed(text: bytes) -> Parsed | None:
    """As ``parse``; None for what is no JSON."""
    with suppress(ValueError, TypeError):
        value = orjson.loads(text)
        # Nothing can be missing in a value that is written as the very text it was read from.
        if orjson.dumps(value, option=orjson.OPT_INDENT_2) == text:
            return Parsed(value)
    with suppress(ParseFailure):
        return parse(text)
    return None


def _place_of(recipe: Recipe, key: str) -> int | None:
    """Which part seems to be the numbers of ``key``, if one does."""
    stands = recipe.skeleton.find(_quoted(key))
    if stands < 0:
        return None
    place = bisect_right(list(accumulate(recipe.gaps)), stands)
    return place if place < len(recipe.gaps) else None


@lru_cache
def _quoted(key: str) -> bytes:
    return b'"%b"' % key.encode("ascii")


@lru_cache(maxsize=256)
def _is_plain(style: Style) -> bool:
    """Whether nothing but white space and one comma stands around and between the numbers."""
    return not (style.before.strip(_SPACE) or style.after.strip(_SPACE)) and (
        style.between.strip(_SPACE) == b","
    )
