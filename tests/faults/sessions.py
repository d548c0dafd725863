"""The protocol by itself: a session carries out changes, and takes them back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import partial
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
from tests.faults import accidents
from tests.faults.scenario import Scenario, State, Step
from tests.stores import Built

_ORDERS = {"memory_index.json": CATALOG, "vector_index/mapping.json": MAPPING}


def change(store: Path) -> None:
    """Rewrite, add (in a new folder too), remove, and bring parts in step, if it is not done."""
    with accidents.twin("native") as built:
        wanted = _wanted(built)
    with Session(store) as session:
        session.run("session", [_change(store, path, raw) for path, raw in wanted.items()])


def settle(store: Path) -> None:
    """Open the store for writing, and close it."""
    Session.open(store).close()


def take_back(store: Path) -> None:
    """Undo the one run that there is, if that is not done."""
    with Session(store) as session:
        if all(info.state != "undone" for info in list_runs(store)):
            run = newest_undoable(store)
            session.run("undo", undo_changes(store, run), undoes=run)


def give_back(store: Path) -> None:
    """Undo what there is to undo: after a kill in time there is nothing."""
    try:
        take_back(store)
    except UsageError:
        assert list_runs(store) == []


def _change(store: Path, path: str, raw: bytes | None) -> Change:
    old = store / path
    sha256 = hashlib.sha256(old.read_bytes()).hexdigest() if old.exists() else None
    order = REMOVAL if raw is None else _ORDERS.get(path, ENTITY)
    if path.endswith(".faiss"):
        order = INDEX
    return Change(path, sha256, raw, order, quarantine=sha256 is not None)


def _wanted(built: Built) -> Mapping[str, bytes | None]:
    first, second, gone = (built.paths[name] for name in built.memories[:3])
    rewritten = built.root / second
    added = {"memories/extra.json": b'{"memory_id": "extra"}', "attic/deep/note.json": b"{}"}
    catalog = json.loads(built.catalog.read_bytes())
    rows = catalog["memories"]
    del rows[built.memories[2]]
    rows["extra"] = {"filepath": "memories/extra.json"}
    return {
        first: b" " * (1 << 16) + (built.root / first).read_bytes(),
        second: rewritten.read_bytes().replace(b"harbour", b"heath"),
        gone: None,
        **added,
        "vector_index/memory_vectors.faiss": built.vectors().without(2).dump(),
        "vector_index/mapping.json": built.mapping.read_bytes() + b"\n",
        "memory_index.json": json.dumps(catalog).encode(),
    }


_PLAIN = partial(accidents.healthy, "native")
_RECOVER = Step("open", settle, State.SETTLED)
_UNDO = Step("undo", give_back, State.BEFORE)


def _changed(store: Path) -> None:
    _PLAIN(store)
    change(store)


SCENARIOS = (
    Scenario(
        command="session",
        layout="native",
        build=_PLAIN,
        act=change,
        sequels=((_RECOVER, _UNDO), (Step("again", change, State.AFTER), _UNDO)),
        inspect=lambda _: [],
    ),
    Scenario(
        command="session-undo",
        layout="native",
        build=_changed,
        act=take_back,
        sequels=((_RECOVER,), (Step("again", take_back, State.AFTER),)),
        inspect=lambda _: [],
        origin=_PLAIN,
    ),
)
