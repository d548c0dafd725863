"""Check: whether a repository can give back all that its snapshots hold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from synthstore.backup.choosing import sound_before
from synthstore.backup.listing import kind_at, layout_of
from synthstore.backup.report import CheckReport, LostEntity, Unsound
from synthstore.errors import OperationError
from synthstore.progress import Progress, SilentProgress
from synthstore.repository.config import require_known
from synthstore.repository.damage import Damage, withdraw_notes
from synthstore.repository.index import Index
from synthstore.repository.manifest import Snapshot
from synthstore.repository.packs import Blob, Kind, PackDamageError, PackIndex
from synthstore.repository.place import PACKS, SNAPSHOTS, Place
from synthstore.repository.recipes import RecipeError, read_recipe
from synthstore.repository.shelf import told, unlisted
from synthstore.repository.vault import LostObjectError, Repository
from synthstore.store.opening import Clock

TRIES = 3
"""How often a repository that changes meanwhile is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """How far to look."""

    name: str | None = None
    """Only the snapshots of this name; the packs are looked at all the same."""
    read_data: bool = False
    drill: Path | None = None
    """A folder to restore the newest snapshots into; None: no drill."""
    lock_wait: float = 0.0
    """Seconds that a drill waits for a prune to end."""
    max_age: float | None = None
    """Seconds that the newest snapshot of each name may be old."""


def check_repository(
    place: Place, options: CheckOptions, progress: Progress | None = None
) -> CheckReport:
    """Look at a repository; writes nothing but its notes of what is lost.

    It takes no lock: what looks wrong while others add and take away is looked at again.
    """
    clock = Clock()
    for _ in range(TRIES):
        before = _names(place)
        checker = _Checker(Repository(place), options, progress or SilentProgress())
        checker.run()
        if checker.clean or _names(place) == before:
            break
    checker.note()
    stale = dict(_stale(checker.snapshots, options.max_age))
    index = checker.repository.index
    return CheckReport(
        repository=place.where,
        read_data=options.read_data,
        snapshots=len(checker.snapshots),
        packs=len(index.sizes),
        objects=len(index),
        bytes=sum(index.sizes.values()),
        problems=tuple(checker.problems),
        lost=tuple(checker.lost),
        stale=tuple(stale.values()),
        overdue=tuple(name or options.name for name in stale),
        unsound=tuple(_unsound(checker.snapshots)),
        started_at=clock.started_at,
        elapsed_seconds=clock.elapsed(),
    )


def _names(place: Place) -> list[AbstractSet[str]]:
    return [place.names(folder).keys() for folder in (PACKS, SNAPSHOTS)]


def _stale(
    snapshots: tuple[Snapshot, ...], max_age: float | None
) -> Iterator[tuple[str | None, str]]:
    """Each name that wants a backup, and why."""
    if max_age is None:
        return
    now, age = datetime.now(UTC), timedelta(seconds=max_age)
    times: dict[str, list[datetime]] = {}
    for snapshot in snapshots:
        times.setdefault(snapshot.name, []).append(snapshot.time)
    if not times:
        yield None, "no snapshot at all"
    for name, taken in sorted(times.items()):
        # One of a wrong clock, years ahead, must not hide for years that no more are taken.
        if not any(now - age <= time <= now + age for time in taken):
            newest = max((time for time in taken if time <= now), default=max(taken))
            ahead = ", which is yet to come" if newest > now else ""
            yield name, f"{name}: the newest snapshot is of {newest:%Y-%m-%dT%H:%M:%SZ}{ahead}"


def _unsound(snapshots: tuple[Snapshot, ...]) -> Iterator[Unsound]:
    newest = {one.name: one for one in snapshots}
    for _, snapshot in sorted(newest.items()):
        if not snapshot.good:
            yield Unsound(snapshot, sound_before(snapshots, snapshot))


class _Checker:
    def __init__(self, repository: Repository, options: CheckOptions, progress: Progress) -> None:
        self.repository, self.options, self.progress = repository, options, progress
        self.snapshots: tuple[Snapshot, ...] = ()
        self.problems: list[str] = []
        self.lost: list[LostEntity] = []
        self.bad: dict[str, set[bytes]] = {}
        """Blobs that could not be had from their pack."""
        self.good = Index()
        """Those that could."""
        self.read: set[str] = set()
        """Packs whose data was looked at."""
        self.lacking: frozenset[bytes] = frozenset()
        """Files of snapshots that cannot be put together."""

    @property
    def clean(self) -> bool:
        return not (self.problems or self.lost)

    def run(self) -> None:
        lost = require_known(self.repository.place)
        self.problems += [lost] if lost is not None else []
        # Snapshots first: a backup may end meanwhile, and packs are there before their snapshot.
        found, unreadable = self.repository.listed_snapshots()
        self.repository.reload()
        index = self.repository.index
        why = {name: f"pack {name[:16]}: {text}" for name, text in index.unreadable.items()}
        if self.options.read_data:
            why |= self._read_packs()
            self._withdraw_notes()
            index = self.repository.index
        else:
            self.good = index
        self.problems += [
            told(self.repository.place, file, text) for file, text in unreadable.items()
        ]
        wanted = self.options.name
        self.snapshots = tuple(one for one in found if wanted is None or one.name == wanted)
        self.lacking = frozenset(self._lacking(found))
        if self.lacking or self.problems:
            # Damage that costs nothing, for another pack has the same objects, is no finding.
            self.problems += why.values()

    def _withdraw_notes(self) -> None:
        """Let go of what an earlier check noted and this reading disproved."""
        try:
            packs = self.repository.index.packs
            if not withdraw_notes(self.repository.place, packs, self.read, self.bad):
                return
        except OperationError as error:
            self.problems.append(f"a note of damage that is none could not be dropped: {error}")
        self.repository.reload()

    def note(self) -> None:
        """Keep what was found in mind, so that the next backup stores it again."""
        if not (self.bad or self.lacking):
            return
        blobs = {pack: frozenset(names) for pack, names in self.bad.items()}
        try:
            self.repository.note_damage(Damage(blobs, self.lacking))
        except OperationError as error:
            # A repository that may only be read is checked all the same.
            self.problems.append(f"the damage could not be noted for the next backup: {error}")

    def _read_packs(self) -> dict[str, str]:
        index = self.repository.index
        self.progress.start("reading packs", sum(index.sizes.values()), "bytes")
        why: dict[str, str] = {}
        for name, pack in index.packs.items():
            try:
                content = self.repository.place.read(f"{PACKS}/{name}")
            except FileNotFoundError:
                why[name] = f"pack {name[:16]}: it is gone"
                continue
            self.read.add(name)
            if hashlib.sha256(content).hexdigest() != name:
                why[name] = f"pack {name[:16]}: its bytes are not those that its name tells of"
            self._read_pack(pack, content)
            self.good.add(pack, frozenset(self.bad.get(name, ())))
            self.progress.advance(len(content))
        return why

    def _read_pack(self, pack: PackIndex, content: bytes) -> None:
        for block, blobs in pack.by_block().items():
            at, size = pack.span(block)
            try:
                plain = pack.open_block(block, content[at : at + size])
            except PackDamageError:
                self.bad.setdefault(pack.name, set()).update(blob.id for blob in blobs)
                continue
            for blob in blobs:
                if not _is_whole(blob, plain[blob.at : blob.at + blob.size]):
                    self.bad.setdefault(pack.name, set()).add(blob.id)

    def _lacking(self, snapshots: tuple[Snapshot, ...]) -> dict[bytes, str]:
        """Files of snapshots that cannot be had, and why; the newest snapshots first."""
        verdicts: dict[bytes, str | None] = {}
        newest = {one.name: one for one in snapshots}
        for snapshot in reversed(snapshots):
            tree = bytes.fromhex(snapshot.tree)
            problem = self._verdict(tree, verdicts)
            if problem is not None:
                self.problems.append(unlisted(self.repository.place, snapshot, problem))
                continue
            self._look_at(snapshot, verdicts, newest=snapshot is newest[snapshot.name])
        return {name: problem for name, problem in verdicts.items() if problem is not None}

    def _look_at(
        self, snapshot: Snapshot, verdicts: dict[bytes, str | None], *, newest: bool
    ) -> None:
        try:
            rows = self.repository.tree(snapshot).files
        except LostObjectError as error:
            self.problems.append(unlisted(self.repository.place, snapshot, error.message))
            return
        layout = layout_of(snapshot)
        for row in rows:
            known = row.object in verdicts
            problem = self._verdict(row.object, verdicts)
            if problem is None or known:
                continue
            kind = kind_at(layout, row.path)
            name = row.id or (layout.id_from_path(row.path) if kind else row.path)
            self.lost.append(
                LostEntity(
                    snapshot.id,
                    row.path,
                    kind or "file",
                    name,
                    row.sha256,
                    problem,
                    snapshot.name,
                    newest,
                )
            )

    def _verdict(self, name: bytes, verdicts: dict[bytes, str | None]) -> str | None:
        if name not in verdicts:
            verdicts[name] = self._problem(name)
        return verdicts[name]

    def _problem(self, name: bytes) -> str | None:
        """Why a file cannot be put together."""
        if name not in self.good:
            return "missing" if name not in self.repository.index else "damaged"
        where = self.repository.index.find(name)
        if where is None or where.blob.kind is Kind.PLAIN:
            return None
        try:
            recipe = self.repository.recipe(name)
        except LostObjectError as error:
            return error.message
        lacking = [piece for piece in recipe.ids if piece not in self.good] if recipe else []
        return f"{len(lacking)} of its pieces are missing or damaged" if lacking else None


def _is_whole(blob: Blob, body: bytes) -> bool:
    if len(body) != blob.size:
        return False
    if blob.kind is Kind.PLAIN:
        return hashlib.sha256(body).digest() == blob.id
    try:
        read_recipe(body)
    except RecipeError:
        return False
    return True
