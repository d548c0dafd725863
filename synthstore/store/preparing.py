"""A run up to its commit: staged batch by batch, and gone without a trace if that fails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from synthstore.errors import OperationError
from synthstore.files.durable import remove_tree
from synthstore.files.inside import Tree
from synthstore.files.walk import read_file
from synthstore.progress import Progress
from synthstore.store.admission import Custody
from synthstore.store.journal import RunFolder, next_run, run_folders
from synthstore.store.plan import Change, Item, Plan, require_sound
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
        self._folder: RunFolder | None = None
        self._slots: dict[str, int] = {}

    def staged(self, path: str) -> bytes | None:
        """The new bytes that there are for ``path`` by now."""
        if self._folder is None or path not in self._slots:
            return None
        return read_file(self._folder.new, str(self._slots[path]))[0]

    def prepare(self, batches: Iterable[Sequence[Change]]) -> tuple[RunFolder, Plan] | None:
        """Stage all of ``batches``, and write the plan aside.

        None, and no trace, where no byte would change.
        """
        now = datetime.now(UTC)
        items: list[Item] = []
        made: set[str] = set()
        with Tree(self._root) as tree, ExitStack() as undo:
            for wishes in self._surveyed(tree, batches):
                if self._folder is None:
                    self._folder = RunFolder(self._root, self._name(now))
                    undo.callback(_abandon, self._folder)
                items += stage(Stage(tree, self._folder, self._custody, self._progress), wishes)
                made |= missing_folders(tree, wishes)
                self._slots.update((wish.change.path, wish.slot) for wish in wishes)
            if self._folder is None or not items:
                return None
            plan = self._plan(self._folder.run, now, items, made)
            self._folder.write_plan(plan, self._custody)
            undo.pop_all()
        return self._folder, plan

    def _name(self, now: datetime) -> str:
        return next_run((folder.run for folder in run_folders(self._root)), now)

    def _plan(self, run: str, now: datetime, items: Iterable[Item], made: Iterable[str]) -> Plan:
        intent = self._intent
        return Plan(
            run=run,
            command=intent.command,
            started_at=f"{now:%Y-%m-%dT%H:%M:%S.%fZ}",
            items=tuple(sorted(items, key=lambda item: item.order)),
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
        paths: set[str] = set()
        slots = 0
        for batch in batches:
            require_sound(batch, paths)
            wishes = survey(tree, [change for change in batch if not change.idle], slots)
            slots += len(wishes)
            require_access(tree, wishes)
            check_room(self._root, wishes)
            if wishes:
                yield wishes


def remove_run(folder: RunFolder) -> None:
    """Remove a run that was never committed."""
    remove_tree(folder.quarantine)
    remove_tree(folder.path)


def _abandon(folder: RunFolder) -> None:
    # The next session removes what is left of it.
    with suppress(OperationError):
        remove_run(folder)
