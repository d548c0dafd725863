"""The records of runs: where they lie, how they are spelt, how their names sort by time."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from synthstore.errors import OperationError
from synthstore.files.durable import atomic_write, fsync_dir, replace, write_new
from synthstore.files.jsonio import ParseFailure, Style, dump, parse
from synthstore.files.walk import list_folder, look, read_file
from synthstore.layout.base import OWN_FOLDER
from synthstore.store.admission import PRIVATE_FILE, Custody
from synthstore.store.plan import Copy, Item, Plan

RUNS = f"{OWN_FOLDER}/runs"
QUARANTINE = f"{OWN_FOLDER}/quarantine"
LOCK = f"{OWN_FOLDER}/lock"
COMMITTED = "committed"
DONE = "done"

_PLAN = "plan.json"
_NAME = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")
_STAMP = "%Y%m%dT%H%M%SZ"
_SCHEMA = "synthstore/run/1"
_STYLE = Style("orjson", None, newline=True)
_STEPS = 1 << 16


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a run: enough to list it without reading its plan."""

    run: str
    command: str
    started_at: str
    files: int
    bytes: int
    """Size of the pre-images."""
    applied: int
    """Paths that have their new state."""
    conflicts: tuple[str, ...]
    """Paths that had changed between commit and apply, and were left."""
    undoes: str | None = None


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's folder in the store at ``root``."""

    root: Path
    run: str

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.root / RUNS / self.run

    @property
    def new(self) -> Path:
        """Holds the staged files, named by slot."""
        return self.path / "new"

    @property
    def old(self) -> Path:
        """Holds the pre-images, named by slot."""
        return self.path / "old"

    @property
    def quarantine(self) -> Path:
        """Holds copies of what the run quarantined, by store-relative path."""
        return self.root / QUARANTINE / self.run

    def has(self, name: str) -> bool:
        """Whether the record ``name`` stands there."""
        found = look(self.root, f"{RUNS}/{self.run}/{name}")
        return found is not None and found.kind == "file"

    def write_plan(self, plan: Plan, custody: Custody) -> None:
        """Write the plan durably aside; it counts once ``seal`` has renamed it."""
        document = {"schema": _SCHEMA, **asdict(plan)}
        write_new(
            self.path / _PLAN,
            dump(document, _STYLE),
            mode=PRIVATE_FILE,
            uid=custody.uid,
            gid=custody.gid,
        )
        fsync_dir(self.path)
        fsync_dir(self.path.parent)

    def seal(self) -> None:
        """From here on the run will be completed, by us or by the next session."""
        replace(self.path / _PLAN, self.path / COMMITTED)
        fsync_dir(self.path)

    def finish(self, done: Done, custody: Custody) -> None:
        """Record durably that nothing is left to do."""
        document = {"schema": _SCHEMA, **asdict(done)}
        atomic_write(
            self.path / DONE,
            dump(document, _STYLE),
            PRIVATE_FILE,
            uid=custody.uid,
            gid=custody.gid,
        )

    def plan(self) -> Plan:
        """The committed plan; raises OperationError where it is unreadable."""
        document = self._read(COMMITTED)
        try:
            return _plan(document)
        except (KeyError, TypeError, AttributeError) as error:
            raise self._torn(COMMITTED) from error

    def done(self) -> Done:
        """The final record; raises OperationError where it is unreadable."""
        document = {key: value for key, value in self._read(DONE).items() if key != "schema"}
        try:
            done = Done(**document)  # type: ignore[arg-type]
            return Done(**{**asdict(done), "conflicts": tuple(done.conflicts)})
        except TypeError as error:
            raise self._torn(DONE) from error

    def _read(self, name: str) -> dict[str, object]:
        try:
            raw, _ = read_file(self.root, f"{RUNS}/{self.run}/{name}")
            value = parse(raw).value
        except (FileNotFoundError, ParseFailure) as error:
            raise self._torn(name) from error
        if not isinstance(value, dict):
            raise self._torn(name)
        return value

    def _torn(self, name: str) -> OperationError:
        return OperationError(
            f"the record {self.path / name} is unreadable",
            hint=f"move {self.path} out of the store, then run 'synthstore repair'",
        )


def _plan(document: dict[str, object]) -> Plan:
    fields = {key: value for key, value in document.items() if key != "schema"}
    items = cast("list[dict[str, object]]", fields.pop("items"))
    made = cast("list[str]", fields.pop("made"))
    dropped = cast("list[str]", fields.pop("dropped"))
    return Plan(
        items=tuple(map(_item, items)),
        made=tuple(made),
        dropped=tuple(dropped),
        **fields,  # type: ignore[arg-type]
    )


def _item(fields: dict[str, object]) -> Item:
    rest = {key: value for key, value in fields.items() if key not in ("old", "new")}
    return Item(old=_copy(fields["old"]), new=_copy(fields["new"]), **rest)  # type: ignore[arg-type]


def _copy(fields: object) -> Copy | None:
    return None if fields is None else Copy(**fields)  # type: ignore[arg-type]


def run_folders(root: Path) -> list[RunFolder]:
    """Every run's folder, oldest first, whatever state it is in."""
    return [
        RunFolder(root, name)
        for entry in list_folder(root, RUNS)
        if entry.kind == "dir" and _NAME.fullmatch(name := entry.path.rpartition("/")[2])
    ]


def next_run(existing: Iterable[str], now: datetime) -> str:
    """A name for a run begun ``now`` (UTC) that sorts behind every name in ``existing``."""
    wanted = f"{now:{_STAMP}}-{now.microsecond * _STEPS // 1_000_000:04x}"
    newest = max(existing, default="")
    return wanted if wanted > newest else _after(newest)


def _after(run: str) -> str:
    step = int(run[-4:], 16) + 1
    moment = time_of(run) + timedelta(seconds=step // _STEPS)
    return f"{moment:{_STAMP}}-{step % _STEPS:04x}"


def time_of(run: str) -> datetime:
    """The second in which a run began, UTC."""
    return datetime.strptime(run[:16], _STAMP).replace(tzinfo=UTC)
