"""Which snapshots hold a memory, by its id or by words of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from synthstore.backup.listing import kind_at, layout_of
from synthstore.errors import SynthstoreError
from synthstore.files.jsonio import ParseFailure, parse
from synthstore.layout.base import Layout
from synthstore.model.ids import Kind
from synthstore.model.text import excerpt, text_of
from synthstore.progress import Progress, SilentProgress
from synthstore.repository.manifest import FileRow, Snapshot
from synthstore.repository.naming import of_name
from synthstore.repository.place import Place
from synthstore.repository.vault import Repository


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an entity, and the snapshots that hold it."""

    kind: Kind
    id: str
    path: str
    sha256: str
    size: int
    content: str
    """The beginning of its text."""
    snapshots: tuple[Snapshot, ...]
    """Oldest first."""


@dataclass(frozen=True, slots=True)
class FindReport:
    """What was found."""

    repository: str
    wanted: str
    searched: int
    """Snapshots that were looked through."""
    versions: tuple[Version, ...]
    unread: int = 0
    """Entities and snapshots that could not be read."""


def find(
    place: Place,
    wanted: str,
    name: str | None = None,
    *,
    lock_wait: float = 0.0,
    progress: Progress | None = None,
) -> FindReport:
    """Every version whose id is ``wanted``, else those whose text holds it, upper case or lower.

    Raises UsageError for a name that no snapshot has, NotAStoreError, LockedError, OperationError.
    """
    with Repository.reading(place, lock_wait) as repository:
        finder = _Finder(repository, wanted)
        snapshots = of_name(repository.snapshots(), name, place.where)
        finder.unread += len(repository.unread)
        finder.gather(snapshots)
        versions = finder.by_id() or tuple(finder.by_text(progress or SilentProgress()))
    return FindReport(place.where, wanted, len(snapshots), tuple(versions), finder.unread)


class _Finder:
    def __init__(self, repository: Repository, wanted: str) -> None:
        self.repository, self.wanted = repository, wanted
        self.unread = 0
        self._held: dict[tuple[str, str], list[Snapshot]] = {}
        """Snapshots by (path, sha256)."""
        self._rows: dict[tuple[str, str], tuple[FileRow, Layout]] = {}

    def gather(self, snapshots: Sequence[Snapshot]) -> None:
        """Collect every version of every entity file."""
        trees: dict[str, Sequence[FileRow]] = {}
        for snapshot in snapshots:
            if snapshot.tree not in trees:
                try:
                    trees[snapshot.tree] = self.repository.tree(snapshot).files
                except SynthstoreError:
                    self.unread += 1
                    continue
            layout = layout_of(snapshot)
            for row in trees[snapshot.tree]:
                key = row.path, row.sha256
                self._held.setdefault(key, []).append(snapshot)
                self._rows.setdefault(key, (row, layout))

    def by_id(self) -> tuple[Version, ...]:
        """The versions of the entity with that id."""
        found = []
        for key, (row, layout) in self._rows.items():
            kind = kind_at(layout, row.path)
            if kind and self.wanted in (row.id, layout.id_from_path(row.path)):
                found.append(self._version(key, kind, self._text(row) or ""))
        return tuple(found)

    def by_text(self, progress: Progress) -> Iterator[Version]:
        """The versions whose text holds the words."""
        words = self.wanted.casefold()
        progress.start("searching", len(self._rows))
        for key, (row, layout) in self._rows.items():
            progress.advance(1)
            kind = kind_at(layout, row.path)
            text = self._text(row) if kind else None
            if kind and text is not None and words in text.casefold():
                yield self._version(key, kind, text)

    def _version(self, key: tuple[str, str], kind: Kind, text: str) -> Version:
        row, layout = self._rows[key]
        name = row.id or layout.id_from_path(row.path)
        held = tuple(self._held[key])
        return Version(kind, name, row.path, row.sha256, row.size, excerpt(text), held)

    def _text(self, row: FileRow) -> str | None:
        try:
            skeleton = self.repository.skeleton(row.object)
            document = parse(skeleton).value
        except (SynthstoreError, ParseFailure):
            self.unread += 1
            return None
        return text_of(document)
