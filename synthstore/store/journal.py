"""The records of runs: where they lie, how they are spelt, how their names sort by time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import MAXYEAR, UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from synthstore.errors import OperationError
from synthstore.files.durable import atomic_write, fsync_dir, remove, write_new
from synthstore.files.durable import replace as rename
from synthstore.files.jsonio import ParseFailure, Style, dump, parse
from synthstore.files.walk import list_folder, look, read_file
from synthstore.layout.base import OWN_FOLDER
from synthstore.shell import cited, path_word
from synthstore.store.admission import PRIVATE_FILE, Custody
from synthstore.store.items import Copy, Item, Items
from synthstore.store.plan import Plan, require_inside

RUNS = f"{OWN_FOLDER}/runs"
QUARANTINE = f"{OWN_FOLDER}/quarantine"
LOCK = f"{OWN_FOLDER}/lock"
WRITE_LOCK = f"{OWN_FOLDER}/write.lock"
"""Held by a library around each of its changes."""
COMMITTED = "committed"
DONE = "done"

_PLAN = "plan.json"
_NAME = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")
_STAMP = "%Y%m%dT%H%M%SZ"
_SCHEMA = "synthstore/run/1"
_STYLE = Style("orjson", None, newline=True)
_LINE = Style("orjson", None)
_STEPS = 1 << 16
_PORTION = 1_000
_LISTS = frozenset({"conflicts", "made", "dropped"})
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("run", "command", "started_at", "path", "sha256"), str),
    **dict.fromkeys(("files", "bytes", "applied", "slot", "order"), int),
    **dict.fromkeys(("size", "mode", "uid", "gid", "mtime_ns"), int),
    **dict.fromkeys((*_LISTS, "items"), list),
    "undoes": (str, type(None)),
}


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
        write_new(
            self.path / _PLAN,
            lambda out: out.writelines(_plan_text(plan)),
            mode=PRIVATE_FILE,
            uid=custody.uid,
            gid=custody.gid,
        )
        # Up to the root: a session that was killed may have made any of them without an fsync.
        for folder in (self.path, *self.path.parents[:3]):
            fsync_dir(folder)

    def seal(self) -> None:
        """From here on the run will be completed, by us or by the next session."""
        rename(self.path / _PLAN, self.path / COMMITTED)
        fsync_dir(self.path)

    def finish(self, done: Done, custody: Custody) -> None:
        """Record durably that nothing is left to do."""
        document = _spelt(done)
        atomic_write(
            self.path / DONE,
            dump(document, _STYLE),
            PRIVATE_FILE,
            uid=custody.uid,
            gid=custody.gid,
        )

    def forget(self, slot: int) -> None:
        """Remove both files of a slot: a link kept for nothing gives a store's file two names."""
        remove(self.new / str(slot))
        remove(self.old / str(slot))

    def plan(self) -> Plan:
        """The committed plan; raises OperationError where it is unreadable."""
        document = self._read(COMMITTED)
        try:
            plan = _plan(document)
            require_inside(plan)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise self._torn(COMMITTED) from error
        return plan

    def done(self) -> Done:
        """The final record; raises OperationError where it is unreadable."""
        document = self._read(DONE)
        try:
            return Done(**_known(Done, document))
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
            hint=f"move {self.path} out of the store, then run"
            f" {cited(f'synthstore repair {path_word(self.root)}')}",
        )


def _spelt(record: Plan | Done) -> dict[str, object]:
    fields = {name: getattr(record, name) for name in record.__slots__}
    return {"schema": _SCHEMA, **fields}


def _plan_text(plan: Plan) -> Iterator[bytes]:
    """A plan spelt portion by portion: all of a large one as a document is many times its text."""
    # Only strings come before the items, and no string holds a bare quotation mark.
    head, mark, tail = dump({**_spelt(plan), "items": []}, _STYLE).partition(b'"items":[]')
    yield head + mark[:-1]
    for start in range(0, len(plan.items), _PORTION):
        portion = list(map(_spelt_item, plan.items[start : start + _PORTION]))
        text = dump(portion, _LINE, finite=True)[1:-1]
        yield b"," + text if start else text
    yield b"]" + tail


def _spelt_item(item: Item) -> dict[str, object]:
    return {
        "slot": item.slot,
        "path": item.path,
        "order": item.order,
        "old": _spelt_copy(item.old),
        "new": _spelt_copy(item.new),
    }


def _spelt_copy(copy: Copy | None) -> dict[str, object] | None:
    if copy is None:
        return None
    # As its ``_asdict`` has it, in half the time.
    sha256, size, mode, uid, gid, mtime_ns = copy
    return {
        "sha256": sha256,
        "size": size,
        "mode": mode,
        "uid": uid,
        "gid": gid,
        "mtime_ns": mtime_ns,
    }


def _known(kind: type, document: Mapping[str, object]) -> dict[str, Any]:
    """The fields of ``kind``; keys that a later version added are passed over."""
    fields: Sequence[str] = getattr(kind, "_fields", ()) or getattr(kind, "__slots__", ())
    known = {key: document[key] for key in fields if key in document}
    for key, value in known.items():
        if not isinstance(value, _TYPES.get(key, object)) or isinstance(value, bool):
            raise TypeError(f"{key} is mistyped")
    return known | {
        key: _texts(cast("Iterable[object]", known[key])) for key in _LISTS & known.keys()
    }


def _texts(values: Iterable[object]) -> tuple[str, ...]:
    if not all(isinstance(value, str) for value in values):
        raise TypeError("not a list of texts")
    return cast("tuple[str, ...]", tuple(values))


def _plan(document: Mapping[str, object]) -> Plan:
    plan = Plan(**_known(Plan, document))
    return replace(
        plan,
        items=Items(map(_item, cast("Iterable[dict[str, object]]", plan.items))),
    )


def _item(fields: Mapping[str, object]) -> Item:
    item = Item(**_known(Item, fields))
    return Item(item.slot, item.path, item.order, _copy(fields["old"]), _copy(fields["new"]))


def _copy(fields: object) -> Copy | None:
    return None if fields is None else Copy(**_known(Copy, cast("Mapping[str, object]", fields)))


def run_folders(root: Path) -> list[RunFolder]:
    """Every run's folder, oldest first, whatever state it is in."""
    return [
        RunFolder(root, name)
        for entry in list_folder(root, RUNS)
        if entry.kind == "dir" and _is_run(name := entry.path.rpartition("/")[2])
    ]


def _is_run(name: str) -> bool:
    """Whether one of us can have named it: it tells a time, and one that others can follow."""
    if not _NAME.fullmatch(name):
        return False
    try:
        return time_of(name).year < MAXYEAR
    except ValueError:
        return False


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
