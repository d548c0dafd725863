"""The log of changes that an open library made and that catalog and index do not show yet.

A line is written before the change that it announces, so the log knows at least as much as the
files. Each line carries its own checksum: what a crash tore is passed over. Folding turns pending
lines into the catalog and the index and leaves only what must be remembered longer, namely which
entities were deleted.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

import orjson

from synthstore.errors import SynthstoreError
from synthstore.files.appending import GrowingFile
from synthstore.files.durable import atomic_write
from synthstore.files.walk import look, read_file
from synthstore.layout.base import OWN_FOLDER
from synthstore.model.ids import EntityRef
from synthstore.store.admission import PRIVATE_FILE, Custody

LOG = f"{OWN_FOLDER}/changes.log"
REMEMBERED = 5_000
"""How many deletions are remembered after they were folded."""

_EARLIER = 16
"""How many earlier saves are known: each but the last takes a writer that died in the midst."""

_TAIL = 64
"""How much of what was read is compared to tell a log that grew from another one."""

_CRC = b',"crc":"'
_KINDS = ("memory", "assembly")


class Deed(StrEnum):
    """What a line announces."""

    SAVE = "save"
    DELETE = "delete"
    GONE = "gone"
    """A deletion that was folded: nothing is pending, but the entity must not come back."""


@dataclass(frozen=True, slots=True)
class Logged:
    """One line."""

    deed: Deed
    ref: EntityRef
    sha256: str | None = None
    """Of the bytes that a save was about to write."""
    at: int | None = None
    """Their ``updated_at``, in microseconds since the epoch."""
    revives: bool = field(default=False, compare=False)
    """Whether the log has its deletion before: without a file the entity is gone. Not spelt."""
    earlier: tuple[str, ...] = field(default=(), compare=False)
    """The sha256 of pending saves before it, newest last. Not spelt.

    The file may still be one of them: the save of this line is under way, or was cut short.
    """


@dataclass(frozen=True, slots=True)
class Pending:
    """What a log comes to: the last word on each entity."""

    last: Mapping[EntityRef, Logged] = field(default_factory=dict)
    """In the order in which the entities were first named."""

    @property
    def saved(self) -> Mapping[EntityRef, Logged]:
        """Entities whose last change was a save."""
        return {ref: line for ref, line in self.last.items() if line.deed is Deed.SAVE}

    @property
    def deleted(self) -> frozenset[EntityRef]:
        """Entities whose deletion the files may not show yet."""
        return frozenset(ref for ref, line in self.last.items() if line.deed is Deed.DELETE)

    @property
    def gone(self) -> frozenset[EntityRef]:
        """Entities that were deleted, folded or not."""
        return frozenset(ref for ref, line in self.last.items() if line.deed is not Deed.SAVE)

    @property
    def open(self) -> int:
        """How many entities catalog and index are behind with."""
        return sum(line.deed is not Deed.GONE for line in self.last.values())


def pending_of(lines: Iterable[Logged]) -> Pending:
    """Bring lines together, the later ones counting."""
    last: dict[EntityRef, Logged] = {}
    _merge(last, lines)
    return Pending(last)


def _merge(last: dict[EntityRef, Logged], lines: Iterable[Logged]) -> None:
    for line in lines:
        known = last.get(line.ref)
        last[line.ref] = line if known is None else _following(known, line)


def _following(known: Logged, line: Logged) -> Logged:
    """``line`` with what matters of the one before it."""
    if line.deed is Deed.GONE or known.deed is Deed.GONE:
        return line
    gone = line.deed is Deed.SAVE and (known.deed is Deed.DELETE or known.revives)
    said = () if known.sha256 is None else (known.sha256,)
    earlier = dict.fromkeys((*known.earlier, *said, *line.earlier))
    return replace(line, revives=gone or line.revives, earlier=tuple(earlier)[-_EARLIER:])


def load_log(root: Path) -> Pending:
    """What the log of the store at ``root`` says; raises OperationError where it is unreadable."""
    try:
        raw, _ = read_file(root, LOG, growing=True)
    except FileNotFoundError:
        return Pending()
    return pending_of(parse_lines(raw))


def read_log(root: Path) -> Pending:
    """As ``load_log``, for whoever only looks: nothing where it is closed to this user."""
    try:
        return load_log(root)
    except SynthstoreError:
        return Pending()


def has_pending(root: Path) -> bool:
    """Whether the log of the store at ``root`` holds anything that is not folded."""
    entry = look(root, LOG)
    return entry is not None and entry.stat.size > 0 and read_log(root).open > 0


def parse_lines(raw: bytes) -> Iterator[Logged]:
    """The lines that are whole; torn and foreign ones are passed over."""
    for text in raw.split(b"\n"):
        line = _parse(text)
        if line is not None:
            yield line


def spell(line: Logged) -> bytes:
    """One line with its checksum, newline included."""
    document: dict[str, str | int] = {
        "op": line.deed.value,
        "kind": line.ref.kind,
        "id": line.ref.id,
    }
    if line.sha256 is not None:
        document["sha256"] = line.sha256
    if line.at is not None:
        document["at"] = line.at
    body = orjson.dumps(document)[:-1]
    return b'%b%b%08x"}\n' % (body, _CRC, zlib.crc32(body))


def _parse(text: bytes) -> Logged | None:
    body, found, check = text.rpartition(_CRC)
    if not found or check != b'%08x"}' % zlib.crc32(body):
        return None
    document = orjson.loads(body + b"}")
    kind = document.get("kind")
    if kind not in _KINDS or document.get("op") not in set(Deed):
        return None
    ref = EntityRef(kind, document["id"])
    return Logged(Deed(document["op"]), ref, document.get("sha256"), document.get("at"))


class ChangeLog:
    """The log as one process follows it; appended to only under the store's write lock."""

    def __init__(self, root: Path, custody: Custody, *, flush_threshold: int) -> None:
        self._root, self._custody = root, custody
        self._threshold = flush_threshold
        self._file: GrowingFile | None = None
        self._mark: int | None = None
        self._read_to = 0
        self._tail = b""
        self._seen = 0
        self._unsynced = 0
        self._settled = 0
        self._last: dict[EntityRef, Logged] = {}

    @property
    def pending(self) -> Pending:
        """All that was read and written so far."""
        # A copy: whoever goes through it may be another thread than the one that appends.
        return Pending(dict(self._last))

    @property
    def open(self) -> int:
        """How many entities catalog and index are behind with, or a few more."""
        return len(self._last) - self._settled

    @property
    def size(self) -> int:
        """How many bytes of it are known."""
        return self._read_to

    def line(self, ref: EntityRef) -> Logged | None:
        """The last word on ``ref``."""
        return self._last.get(ref)

    def stale(self) -> bool:
        """Whether another process wrote to the log or folded it since ``refresh``."""
        try:
            now = os.lstat(self._root / LOG)
        except OSError:
            return self._mark is not None
        return now.st_ino != self._mark or now.st_size != self._seen

    def refresh(self) -> bool:
        """Read what is new; True where the log was folded, so that the catalog is another."""
        mark: int | None
        try:
            raw, stat = read_file(self._root, LOG, growing=True)
            mark = stat.inode
        except FileNotFoundError:
            raw, mark = b"", None
        # The number of a file that is gone may be that of the next but one.
        folded = mark != self._mark or not raw.startswith(self._tail, self._tail_at)
        if folded:
            self._read_to = 0
            self._mark = mark
        whole = raw.rfind(b"\n") + 1
        # Other threads look meanwhile: they find what was known until all of the new log is.
        last = {} if folded else self._last
        _merge(last, parse_lines(raw[self._read_to : whole]))
        self._last = last
        if folded:
            self._settled = len(self._last) - self.pending.open
        # A torn tail is read again once somebody has completed or buried it.
        self._read_to, self._seen = whole, len(raw)
        self._tail = raw[max(0, whole - _TAIL) : whole]
        return folded

    @property
    def _tail_at(self) -> int:
        return self._read_to - len(self._tail)

    def append(self, lines: Sequence[Logged], *, sync: bool = False) -> None:
        """Announce changes; durable at once where ``sync`` says so or enough have gathered.

        A save of what the log says was deleted is durable at once: without its line a crash would
        leave only the deletion.
        """
        file = self._open()
        sync = sync or any(self._revives(line) for line in lines)
        data = b"".join(map(spell, lines))
        file.append(data)
        self._unsynced += len(lines)
        if sync or self._unsynced >= self._threshold:
            self.sync()
        _merge(self._last, lines)
        self._read_to = self._seen = os.lstat(self._root / LOG).st_size
        self._tail = data[-_TAIL:]

    def _revives(self, line: Logged) -> bool:
        known = self._last.get(line.ref)
        return line.deed is Deed.SAVE and known is not None and known.deed is not Deed.SAVE

    def _open(self) -> GrowingFile:
        if self._file is None or not self._file.current:
            self.close()
            custody = self._custody
            self._file = GrowingFile(self._root / LOG, uid=custody.uid, gid=custody.gid)
            self._unsynced = 0
            self._mark = os.lstat(self._root / LOG).st_ino
        return self._file

    def sync(self) -> None:
        """Make all appended lines durable."""
        if self._file is not None and self._unsynced:
            self._file.sync()
            self._unsynced = 0

    def close(self) -> None:
        """Let the file go."""
        if self._file is not None:
            self._file.close()
            self._file = None


def settle_log(root: Path, custody: Custody, folded: Pending) -> None:
    """Replace the log by what must be remembered of it; the write lock must be held."""
    gone = [ref for ref, line in folded.last.items() if line.deed is not Deed.SAVE]
    kept = b"".join(spell(Logged(Deed.GONE, ref)) for ref in gone[-REMEMBERED:])
    atomic_write(root / LOG, kept, PRIVATE_FILE, uid=custody.uid, gid=custody.gid)
