"""``repair --safe`` on every damage of the table: it never loses, and touches no entity."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from synthstore.checks.report import RepairReport
from synthstore.errors import RefusedError
from synthstore.repair.operation import RepairOptions, repair
from synthstore.testing.damages import DAMAGES, Damage
from synthstore.testing.stores import Built, build
from tests.operate import codes, look, take_back
from tests.trees import changed, sha_tree

UNATTENDED = [d for d in DAMAGES if d.user == "any" and "interrupted" not in d.name]


def mend_safely(root: Path) -> RepairReport | None:
    """What cron does; None where it is refused."""
    try:
        return asyncio.run(repair(root, RepairOptions(safe=True, jobs=1), confirm=lambda _: True))
    except RefusedError:
        return None


def listed(built: Built) -> set[str]:
    """Ids in the catalog; none where it cannot be read."""
    try:
        document = json.loads(built.catalog.read_bytes())
        tables = [document["memories"], document["assemblies"]] if built.native else [document]
        return {key for table in tables for key in table}
    except (OSError, ValueError, LookupError, TypeError):
        return set()


@pytest.mark.parametrize("damage", UNATTENDED, ids=lambda damage: damage.name)
def test_nothing_can_be_lost(damage: Damage, tmp_path: Path) -> None:
    built = build(damage.layouts[-1], tmp_path / "store")
    damage.apply(built)
    hurt, rows = sha_tree(built.root), listed(built)
    before = codes(look(built.root))
    report = mend_safely(built.root)
    now = sha_tree(built.root)
    if report is None:
        assert now == hurt
        return
    assert changed(hurt, now) <= built.parts | {"vector_index"}
    assert rows <= listed(built)
    # What a full repair would say besides, such as two rows of one file while one is frozen.
    assert codes(report).keys() <= before.keys() | damage.after.keys()
    assert mend_safely(built.root).run is None  # type: ignore[union-attr]
    if report.run is not None:
        take_back(built.root)
    assert changed(hurt, sha_tree(built.root)) == set()
