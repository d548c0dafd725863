"""A run up to its commit: staged batch by batch, and gone without a trace if that fails."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from synthstore.errors import OperationError
from synthstore.files.durable import remove_tree
from synthstore.files.flushing import Flush
from synthstore.files.inside import Tree
from synthstore.files.space import require_room
from synthstore.files.walk import read_file
from synthstore.progress import Progress
from synthstore.store.admission import Custody
from synthstore.store.berths import Berth, StagingArea, wait_for_writers
from synthstore.store.items import Items
from synthstore.store.journal import RunFolder, next_run, run_folders
from synthstore.store.plan import NO_SLOT, Change, Plan, require_sound
from synthstore.store.staging import (
    Stage,
    Wish,
    check_room,
    missing_folders,
    require_access,
    stage,
    survey,
)
from synthstore.store.undoing import made_folders


@dataclass(frozen=True, slots=True)
class Intent:
    """What a run is for, beside its changes."""

    command: str
    note: Mapping[str, object]
    undoes: str | None
    emptied: tuple[str, ...] = ()
    """Folders that go if the changes leave them empty."""


class Preparation:
    """One run in the making."""

    def __init__(self, root: Path, custody: Custody, intent: Intent, progress: Progress) -> None:
        self._root, self._custody, self._intent = root, custody, intent
        self._progress = progress
        self._now = datetime.now(UTC)
        self._begun: tuple[RunFolder, Flush] | None = None
        self._undo = ExitStack()
        self._next = 0
        self._slots: dict[str, int] = {}
        """Of every path so far."""

    def staged(self, path: str) -> bytes | None:
        """The new bytes that there are for ``path`` by now."""
        slot = self._slots.get(path, NO_SLOT)
        return None if slot == NO_SLOT else self.content(slot)

    def content(self, slot: int) -> bytes:
        """The new bytes in ``slot``."""
        return read_file(self._begin()[0].new, str(slot))[0]

    def berth(self, files: int, size: int) -> Berth:
        """Slots for so many ``files``, of ``size`` bytes together; DiskFullError without room."""
        folder, _ = self._begin()
        require_room(folder.path, [size], files=files)
        return Berth(StagingArea(str(folder.new)), self._take_slots(files))

    def forget(self, slot: int) -> None:
        """Remove what was staged in ``slot``, which no change is going to name."""
        self._begin()[0].forget(slot)

    def prepare(self, batches: Iterable[Sequence[Change]]) -> tuple[RunFolder, Plan] | None:
        """Stage all of ``batches``, and write the plan aside.

        None, and no trace, where no byte would change.
        """
        items = Items()
        made: set[str] = set()
        with Tree(self._root) as tree, self._undo, _closed(batches):
            for wishes in self._surveyed(tree, batches):
                folder, flush = self._begin()
                at = Stage(tree, folder, self._custody, self._progress, flush)
                items.extend(stage(at, wishes))
                made |= missing_folders(tree, wishes)
                news = (wish for wish in wishes if wish.change.content is not None)
                self._slots.update((wish.change.path, wish.slot) for wish in news)
                del wishes, news
            if not items:
                return None
            folder, flush = self._begin()
            plan = self._plan(folder.run, self._now, items, made)
            with ThreadPoolExecutor(1, thread_name_prefix="synthstore-plan") as beside:
                # What is staged has to be durable before the plan counts, not before it is written.
                writing = beside.submit(folder.write_plan, plan, self._custody)
                flush.finish(map(str, items.staged))
            writing.result()
            self._undo.pop_all()
            flush.close()
        return folder, plan

    def _begin(self) -> tuple[RunFolder, Flush]:
        """The run's folder, made when it is first needed, and what makes its files durable."""
        if self._begun is None:
            folder = RunFolder(self._root, self._name(self._now))
            self._undo.callback(abandon, folder)
            for part in (folder.new, folder.old):
                self._custody.make_private(part)
            flush = Flush(folder.new)
            self._undo.callback(flush.close)
            self._begun = folder, flush
        return self._begun

    def _take_slots(self, count: int) -> int:
        first, self._next = self._next, self._next + count
        return first

    def _name(self, now: datetime) -> str:
        return next_run((folder.run for folder in run_folders(self._root)), now)

    def _plan(self, run: str, now: datetime, items: Items, made: Iterable[str]) -> Plan:
        intent = self._intent
        return Plan(
            run=run,
            command=intent.command,
            started_at=f"{now:%Y-%m-%dT%H:%M:%S.%fZ}",
            items=items.in_order(),
            made=tuple(sorted(made)),
            dropped=intent.emptied
            or (made_folders(self._root, intent.undoes) if intent.undoes else ()),
            undoes=intent.undoes,
            note=intent.note,
        )

    def _surveyed(
        self, tree: Tree, batches: Iterable[Sequence[Change]]
    ) -> Iterator[Sequence[Wish]]:
        """Each batch with what stands at its paths now, room and access asked for."""
        for batch in batches:
            require_sound(batch, self._slots)
            changes = [change for change in batch if not change.idle]
            wishes = survey(tree, changes, self._take_slots(len(changes)))
            require_access(tree, wishes)
            check_room(self._root, wishes)
            if wishes:
                yield wishes
            # Nothing of a batch is held while the next one is made.
            del batch, changes, wishes


@contextmanager
def _closed(batches: Iterable[Sequence[Change]]) -> Iterator[None]:
    """Close a generator when the body ends: who fills berths for it must have stopped by then."""
    try:
        yield
    finally:
        if isinstance(batches, Generator):
            batches.close()


def remove_run(folder: RunFolder) -> None:
    """Remove a run that was never committed."""
    wait_for_writers(folder.new)
    remove_tree(folder.quarantine)
    remove_tree(folder.path)


def abandon(folder: RunFolder) -> None:
    """As ``remove_run``, as far as that goes; the next session removes what is left of it."""
    with suppress(OperationError):
        remove_run(folder)
