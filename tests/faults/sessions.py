"""The protocol by itself: a session carries out changes, and takes them back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from synthstore.errors import UsageError
from synthstore.store.runs import (
    CATALOG,
    ENTITY,
    INDEX,
    MAPPING,
    REMOVAL,
    Change,
    list_runs,
    newest_undoable,
    undo_changes,
)
from synthstore.store.session import Session
from synthstore.testing.stores import write
from tests.faults.checker import STORE
from tests.faults.scenario import Scenario, State, Step

_ORDERS = {"memory_index.json": CATALOG, "mapping.json": MAPPING, "vectors.faiss": INDEX}


def _catalog(*names: str) -> bytes:
    rows = {name: {"filepath": f"memories/{name}.json"} for name in names}
    return json.dumps({"memories": rows, "assemblies": {}}).encode()


OLD: Mapping[str, bytes] = {
    "memories/kept.json": b"as it is",
    "memories/rewritten.json": b"old",
    "memories/grown.json": b"small",
    "memories/removed.json": b"on its way out",
    "memory_index.json": _catalog("kept", "rewritten", "grown", "removed"),
    "vectors.faiss": bytes(range(256)),
    "mapping.json": b"{}",
}
NEW: Mapping[str, bytes | None] = {
    "memories/rewritten.json": b"new",
    "memories/grown.json": b"large" * (1 << 14),
    "memories/removed.json": None,
    "memories/added.json": b"not there before",
    "attic/deep/note.json": b"in folders that are not there",
    "memory_index.json": _catalog("kept", "rewritten", "grown", "added"),
    "vectors.faiss": bytes(range(255, -1, -1)),
    "mapping.json": b'{"added": 1}',
}


def build(store: Path) -> None:
    """Write the old files; a session does not ask what is in them."""
    for path, raw in OLD.items():
        write(store / path, raw)


def change(store: Path) -> None:
    """Make every file the new one, if it is not that already."""
    with Session(store) as session:
        session.run("session", [_change(store, path, raw) for path, raw in NEW.items()])


def settle(store: Path) -> None:
    """Open the store for writing, and close it."""
    Session.open(store).close()


def take_back(store: Path) -> None:
    """Undo the one run that there is, if that is not done."""
    with Session(store) as session:
        if all(info.state != "undone" for info in list_runs(store)):
            run = newest_undoable(store)
            session.run("undo", undo_changes(store, run).changes, undoes=run)


def give_back(store: Path) -> None:
    """Undo what there is to undo: after a kill in time there is nothing."""
    try:
        take_back(store)
    except UsageError:
        if list_runs(store):
            raise


def _change(store: Path, path: str, raw: bytes | None) -> Change:
    old = store / path
    sha256 = hashlib.sha256(old.read_bytes()).hexdigest() if old.exists() else None
    order = REMOVAL if raw is None else _ORDERS.get(path, ENTITY)
    return Change(path, sha256, raw, order, quarantine=sha256 is not None)


def _changed(store: Path) -> None:
    build(store)
    change(store)


_RECOVER = Step("open", settle, State.SETTLED)
_LOCK = f"{STORE}/.synthstore/lock"
_UNDO = Step("undo", give_back, State.BEFORE)

SCENARIOS = (
    Scenario(
        command="session",
        layout="native",
        build=build,
        act=change,
        sequels=((_RECOVER, _UNDO), (Step("again", change, State.AFTER), _UNDO)),
        inspect=lambda _: [],
        lock=_LOCK,
    ),
    Scenario(
        command="session-undo",
        layout="native",
        build=_changed,
        act=take_back,
        sequels=((_RECOVER,), (Step("again", take_back, State.AFTER),)),
        inspect=lambda _: [],
        origin=build,
        lock=_LOCK,
    ),
)
