"""The table of damages: said exactly, mended, nothing else touched, taken back to the byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthstore.checks.catalogue import CATALOGUE, IN_FILES
from synthstore.checks.report import RepairReport, Report
from synthstore.errors import RefusedError
from synthstore.testing.damages import DAMAGES, Damage, entity
from synthstore.testing.damages.model import SEVERITY, resolve
from synthstore.testing.spelling import Doc, Name
from synthstore.testing.stores import Built, build
from synthstore.verify import LookOptions, verify
from tests import oracle
from tests.operate import codes, look, mend, take_back, told
from tests.trees import Tree, changed, sha_tree
from tests.users import as_nobody, common_folder

CASES = [
    pytest.param(damage, layout, id=f"{damage.name}-{layout}")
    for damage in DAMAGES
    for layout in damage.layouts
]

OURS = ".synthstore"


@pytest.fixture
def place(damage: Damage, tmp_path: Path) -> Iterator[Path]:
    """Where to build; for ``nobody``, who may not enter pytest's folders, elsewhere and as him."""
    if damage.user == "any":
        yield tmp_path / "store"
        return
    with common_folder() as folder, as_nobody():
        try:
            yield folder / "store"
        finally:
            for path in [*folder.rglob("*"), *folder.rglob("*")]:
                path.chmod(0o700)


@pytest.mark.parametrize("layout", ["native", "core-4", "core-3"])
def test_a_healthy_store_is_clean_and_left_alone(layout: Name, tmp_path: Path) -> None:
    built = build(layout, tmp_path / "store")
    before = sha_tree(built.root, skip="")
    report = look(built.root)
    assert not report.findings, told(report)
    assert report.layout == layout
    assert sha_tree(built.root, skip="") == before
    assert mend(built.root).run is None
    assert sha_tree(built.root) == sha_tree(built.root, skip=OURS) == before
    assert oracle.problems(built.root, layout) == []


@pytest.mark.parametrize(("damage", "layout"), CASES)
def test_damage(damage: Damage, layout: Name, place: Path) -> None:
    built = build(layout, place)
    damage.apply(built)
    hurt = sha_tree(built.root)
    hurt_docs = oracle.documents(built.root, layout)
    everything = sha_tree(built.root, skip="")
    said(damage, built)
    assert sha_tree(built.root, skip="") == everything, "verify wrote"
    if damage.refused:
        refuses(damage, built, hurt)
        return
    mended(damage, built, hurt)
    assert_untouched(damage, built, hurt)
    assert_nothing_invented(damage, built, hurt, hurt_docs)
    assert_in_step(damage, built)
    assert_second_does_nothing(damage, built)
    assert_undone(built, hurt)


def quick_codes(built: Built) -> set[str]:
    """What a quick look finds."""
    report = asyncio.run(verify(built.root, LookOptions(jobs=1, quick=True)))
    return {finding.code for finding in report.findings}


def said(damage: Damage, built: Built) -> None:
    """Verify says the codes of the table, at the catalogue's severity."""
    report = look(built.root)
    assert codes(report) == damage.codes, told(report)
    assert_severities(report, damage.severities)
    worst = [SEVERITY.get(code, "error") for code in damage.codes if code not in damage.severities]
    unclean = {*worst, *damage.severities.values()} & {"error", "warning"}
    assert report.exit_code == int(bool(unclean))
    assert quick_codes(built).isdisjoint(IN_FILES)


def assert_severities(report: Report, special: dict[str, str]) -> None:
    """Each finding has the severity, rule and place that the catalogue promises."""
    for finding in report.findings:
        expected = special.get(finding.code, SEVERITY.get(finding.code, "error"))
        assert finding.severity.label == expected, told(report)
        assert finding.rule == CATALOGUE[finding.code].rule
        assert finding.message
        assert finding.repair


def refuses(damage: Damage, built: Built, hurt: Tree) -> None:
    """Repair refuses, says why, and changes nothing; a dry run says that it would."""
    dry = mend(built.root, damage.how, dry_run=True)
    assert dry.refused
    with pytest.raises(RefusedError) as refusal:
        mend(built.root, damage.how)
    assert refusal.value.exit_code == 12
    assert "--allow-shrink" in (refusal.value.hint or "")
    assert sha_tree(built.root) == hurt


def mended(damage: Damage, built: Built, hurt: Tree) -> None:
    """Repair leaves exactly what the table says, and verify says the same afterwards."""
    everything = sha_tree(built.root, skip="")
    dry = mend(built.root, damage.how, dry_run=True)
    assert sha_tree(built.root, skip="") == everything, "a dry run wrote"
    report = mend(built.root, damage.how)
    assert codes(report) == damage.after, told(report)
    changed_by = report.run or report.recovered_runs
    assert (not changed_by) == (sha_tree(built.root) == hurt)
    assert report.recovered_runs or kinds(dry) == kinds(report)
    assert codes(look(built.root)) == damage.after
    left = {damage.severities_after.get(c, SEVERITY.get(c, "error")) for c in damage.after}
    assert report.clean == ("error" not in left)
    assert_severities(report, damage.severities_after)
    if damage.check is not None:
        damage.check(built)


def kinds(report: RepairReport) -> list[str]:
    """What was planned or done, in order."""
    return [action.kind for action in report.actions]


def assert_untouched(damage: Damage, built: Built, hurt: Tree) -> None:
    """Nothing but what the table names has moved, in bytes or mode."""
    now = sha_tree(built.root)
    allowed = damage.paths(built) | built.parts | {"vector_index"}
    assert changed(hurt, now) <= allowed
    modes = {path: (mode, now[path][1]) for path, (_, mode) in hurt.items() if path in now}
    assert {path: pair for path, pair in modes.items() if pair[0] != pair[1]} == {}


def assert_nothing_invented(damage: Damage, built: Built, hurt: Tree, docs: dict[str, Doc]) -> None:
    """Every entity is still there but those that rightly went; every field once stood there."""
    whole = {e.id: e for e in oracle.entities(built.root, built.layout).values()}
    lost = {entity(built, label) for label in damage.lost}
    assert not lost & whole.keys()
    now = sha_tree(built.root)
    for entity_id in built.docs.keys() - lost:
        if entity_id not in whole:
            path = built.paths[entity_id]
            # A folder that nobody may look into shows none of its files, before or after.
            if damage.user != "nobody" or path in hurt:
                assert path in now, f"{path} is gone"
            assert now.get(path) == hurt.get(path), "what nobody can read was changed"
            continue
        sources = (built.docs[entity_id], docs.get(whole[entity_id].path, {}))
        for key, value in whole[entity_id].doc.items():
            assert any(key in s and same(value, s[key]) for s in sources), (entity_id, key)


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are one, embeddings as float32."""
    if is_vector(one) and is_vector(other):
        first, second = (
            np.array(value, dtype=np.float64).astype(np.float32) for value in (one, other)
        )
        return np.array_equal(first, second, equal_nan=True)
    return json.dumps(one) == json.dumps(other)


def is_vector(value: Any) -> bool:
    """Whether a JSON value is a list of fractions."""
    return isinstance(value, list) and set(map(type, value)) == {float}


def assert_in_step(damage: Damage, built: Built) -> None:
    """An independent look finds files, rows, vectors and mapping of one mind."""
    if damage.in_step:
        assert oracle.problems(built.root, built.layout) == []


def assert_second_does_nothing(damage: Damage, built: Built) -> None:
    """Run again, repair has nothing to do and moves no byte."""
    before = sha_tree(built.root, skip="")
    again = mend(built.root, damage.how)
    assert again.run is None
    assert codes(again) == damage.after
    assert sha_tree(built.root, skip="") == before


def assert_undone(built: Built, hurt: Tree) -> None:
    """Undo gives back every byte and mode."""
    if sha_tree(built.root) == hurt:
        return
    take_back(built.root)
    assert changed(hurt, sha_tree(built.root)) == set()


def test_every_code_is_in_the_table() -> None:
    tried = {code for damage in DAMAGES for code in (*damage.codes, *damage.after)}
    assert CATALOGUE.keys() - tried == {"K001"}


def test_names_are_unique() -> None:
    names = [damage.name for damage in DAMAGES]
    assert len(names) == len(set(names))


def test_labels_resolve(tmp_path: Path) -> None:
    built = build("core-4", tmp_path / "store")
    assert resolve(built, "m8") == built.paths[built.memories[8]]
    assert json.loads((built.root / resolve(built, "a1")).read_bytes())["id"] == built.assemblies[1]
