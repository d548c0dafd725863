"""The work of one worker of a restore: rebuild files, write them, read them back, judge them.

Bytes that are read back with the sha256 that the snapshot names are the file that was stored, and
all that parsing them would tell follows from what they were rebuilt from. So an entity is judged
while its numbers are still numbers: the rest of its text is parsed, and the numbers are put where
the text has them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate, groupby
from pathlib import Path
from typing import BinaryIO, Final

from synthstore.backup.listing import kind_at
from synthstore.errors import OperationError
from synthstore.files.durable import hash_file, write_new
from synthstore.files.jsonio import Parsed, ParseFailure, parse, parse_numbers
from synthstore.files.walk import open_folder, read_at
from synthstore.layout.base import Layout
from synthstore.model.facts import FileStatus, Stat
from synthstore.model.paths import folder_of
from synthstore.repository.codec import Style
from synthstore.repository.manifest import FileRow
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


def lay_shard(place: Place, aside: Path, layout: Layout | None, rows: Sequence[FileRow]) -> Laid:
    """In a worker process: as ``lay_rows``."""
    repository = _opened.get(place.where)
    if repository is None:
        repository = _opened[place.where] = Repository.open(place)
    return lay_rows(repository, aside, layout, rows)


def lay_rows(
    repository: Repository, aside: Path, layout: Layout | None, rows: Sequence[FileRow]
) -> Laid:
    """Write the files of ``rows`` below ``aside``, not synced, and read each back.

    Entities are judged where the ``layout`` is known. What is lost may stand there as far as it was
    written. Raises OperationError where a file does not read back as it was written.
    """
    layer = _Layer(repository, aside, layout)
    for folder, group in groupby(rows, key=lambda row: folder_of(row.path)):
        with open_folder(aside, folder) as fd:
            for row in group:
                layer.lay(fd, row)
    return Laid(layer.lost, gathered(layer.seen))


class _Layer:
    """Lays files one by one, and keeps what was learned of them."""

    def __init__(self, repository: Repository, aside: Path, layout: Layout | None) -> None:
        self._repository, self._aside, self._layout = repository, aside, layout
        self.lost: dict[str, str] = {}
        self.seen: list[Seen] = []

    def lay(self, fd: int, row: FileRow) -> None:
        """Lay one file into the open folder ``fd``."""
        name = row.path.rpartition("/")[2]
        try:
            if row.size < WHOLE_BELOW:
                self._lay_whole(fd, name, row)
            else:
                self._lay_in_pieces(fd, name, row)
        except LostObjectError as error:
            self.lost[row.path] = error.message

    def _lay_whole(self, fd: int, name: str, row: FileRow) -> None:
        rebuilt = self._repository.rebuild(row.object)
        shown = f"{self._aside}/{row.path}"
        write_new(
            name,
            rebuilt.content,
            mode=row.safe_mode,
            mtime_ns=row.mtime_ns,
            sync=False,
            dir_fd=fd,
            shown=shown,
            # What counts is the sha256 of what is read back.
            sha256=row.sha256,
        )
        raw, stat = read_at(fd, name, shown)
        if hashlib.sha256(raw).hexdigest() != row.sha256:
            raise _lost(row) if raw == rebuilt.content else _unsound(shown)
        seen = self._judged(row, rebuilt, stat)
        if seen is not None:
            self.seen.append(seen)

    def _lay_in_pieces(self, fd: int, name: str, row: FileRow) -> None:
        def send(out: BinaryIO) -> None:
            out.writelines(self._repository.stream(row.object))

        shown = f"{self._aside}/{row.path}"
        written = write_new(
            name,
            send,
            mode=row.safe_mode,
            mtime_ns=row.mtime_ns,
            sync=False,
            dir_fd=fd,
            shown=shown,
        )
        if written != row.sha256:
            raise _lost(row)
        if hash_file(shown) != row.sha256:
            raise _unsound(shown)

    def _judged(self, row: FileRow, rebuilt: Rebuilt, stat: Stat) -> Seen | None:
        """What a scan would say of a whole entity file; None for all others."""
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


def _lost(row: FileRow) -> LostObjectError:
    return LostObjectError(f"object {row.sha256[:16]}: its bytes are not those that were stored")


def _unsound(shown: str) -> OperationError:
    return OperationError(
        f"{shown} does not read back as it was written",
        hint="check the disk and the system's log, then try again",
    )


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
    texts = [part.text for part in rebuilt.parts]
    texts[place] = b"%d" % _MARK
    text = b"".join(recipe.filled(texts))
    with suppress(ParseFailure):
        parsed = parse(text)
        document = parsed.value
        if text.count(texts[place]) == 1 and isinstance(document, dict) and not parsed.rigid:
            found = document.get(key)
            if isinstance(found, list) and found == [_MARK]:
                document[key] = rebuilt.parts[place].doubles
                return parsed
    return None


def _place_of(recipe: Recipe, key: str) -> int | None:
    """Which part seems to be the numbers of ``key``, if one does."""
    stands = recipe.skeleton.find(b'"%b"' % key.encode("ascii"))
    places = enumerate(accumulate(recipe.gaps))
    return next((place for place, at in places if at > stands >= 0), None)


def _is_plain(style: Style) -> bool:
    """Whether nothing but white space and one comma stands around and between the numbers."""
    return not (style.before.strip(_SPACE) or style.after.strip(_SPACE)) and (
        style.between.strip(_SPACE) == b","
    )
