"""Whatever happens to a store, in whatever order: repair ends, loses nothing, can be undone."""

from __future__ import annotations

import hashlib
import json
import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from synthstore.checks.report import RepairReport
from synthstore.errors import RefusedError
from tests import oracle
from tests.damages import DAMAGES, Damage, How
from tests.operate import codes, look, mend, take_back, told
from tests.oracle import Entity
from tests.spelling import Name
from tests.stores import Built, build
from tests.trees import changed, sha_tree

NOT_APPLICABLE = (
    OSError,
    ValueError,
    LookupError,
    AssertionError,
    AttributeError,
    TypeError,
    RecursionError,
    struct.error,
)
"""What a damage raises where an earlier one left nothing for it to hurt."""


def composable(layout: Name) -> list[Damage]:
    """The damages that make sense on top of each other."""
    return [
        d
        for d in DAMAGES
        if d.composable and layout in d.layouts and d.user == "any" and "oversize" not in d.name
    ]


@st.composite
def accidents(draw: st.DrawFn) -> tuple[Name, list[Damage]]:
    """A layout and one to five damages to a store of it."""
    layout: Name = draw(st.sampled_from(("native", "core-4", "core-3")))
    return layout, draw(st.lists(st.sampled_from(composable(layout)), min_size=1, max_size=5))


@given(accident=accidents())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_accident(accident: tuple[Name, list[Damage]]) -> None:
    layout, damages = accident
    with tempfile.TemporaryDirectory() as folder:
        built = build(layout, Path(folder) / "store")
        hurt_all(built, damages)
        survives(built)


def hurt_all(built: Built, damages: Sequence[Damage]) -> None:
    """Do one after another; what cannot be done any more is left out."""
    for damage in damages:
        try:
            damage.apply(built)
        except NOT_APPLICABLE as error:
            note(f"{damage.name} left out: {error!r}")


def survives(built: Built) -> None:
    """All that repair promises, on any store."""
    hurt = sha_tree(built.root)
    before = oracle.entities(built.root, built.layout)
    deleted = marked_deleted(built)
    said = codes(look(built.root))
    note(f"{built.layout}: {dict(said)}")
    assert sha_tree(built.root, skip="") == hurt
    report, how = mend_somehow(built)
    after = look(built.root)
    assert codes(after) == codes(report), f"{told(report)}\n--\n{told(after)}"
    nothing_lost(built, before, deleted)
    mended = sha_tree(built.root, skip="")
    assert mend(built.root, how).run is None
    assert sha_tree(built.root, skip="") == mended
    if report.run is not None:
        take_back(built.root)
    assert changed(hurt, sha_tree(built.root)) == set()


def mend_somehow(built: Built) -> tuple[RepairReport, How]:
    """Repair; where it refuses, nothing has changed, and it is allowed to shrink."""
    before = sha_tree(built.root)
    try:
        return mend(built.root), How()
    except RefusedError as refusal:
        note(f"refused: {refusal.message}")
        assert sha_tree(built.root) == before
        how = How(allow_shrink=True)
        return mend(built.root, how), how


def marked_deleted(built: Built) -> set[str]:
    """Ids whose deletion has begun."""
    try:
        document = json.loads(built.catalog.read_bytes())
        tables = [document["memories"], document["assemblies"]] if built.native else [document]
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    rows = [item for table in tables if isinstance(table, dict) for item in table.items()]
    return {key for key, row in rows if isinstance(row, dict) and "deleted_at" in row}


def nothing_lost(built: Built, before: dict[str, Entity], deleted: set[str]) -> None:
    """Each entity that parsed stands where it stood, or lives on, or its bytes are put aside."""
    after = oracle.entities(built.root, built.layout)
    living = {(entity.is_memory, entity.id) for entity in after.values()}
    aside = {
        hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (built.root / ".synthstore" / "quarantine").rglob("*")
        if path.is_file()
    }
    for path, entity in before.items():
        stands = path in after and after[path].id == entity.id
        put_aside = hashlib.sha256(entity.raw).hexdigest() in aside
        assert stands or put_aside or entity.id in deleted, f"{path} is gone"
        kept = (entity.is_memory, entity.id) in living
        assert kept or put_aside or entity.id in deleted, f"{entity.id} is no more"
