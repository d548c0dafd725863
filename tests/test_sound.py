"""A rule that is proven silent finds nothing; what is known of pairs is what is known of all."""

from __future__ import annotations

import asyncio
import gc
import tempfile
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synthstore.checks import agreement, sound, standing
from synthstore.checks.pairing import pairs_of, rows_of
from synthstore.checks.parting import NO_ROW, Parted, Usual, parted
from synthstore.checks.registry import RULES, check
from synthstore.errors import NewerFormatError, NotAStoreError
from synthstore.model.columns import FileTable, column_of
from synthstore.model.ids import EntityRef, numeric_id
from synthstore.model.numbers import _reduced, numeric_ids
from synthstore.scan.inventory import Inventory
from synthstore.scan.scanner import ScanOptions, scan
from synthstore.store.evidence import recognise
from synthstore.testing.damages import DAMAGES, Damage
from synthstore.testing.spelling import Name
from synthstore.testing.stores import build
from tests.layouts import NATIVE
from tests.test_properties import Accident, accidents, hurt_all

LAYOUTS: tuple[Name, ...] = ("native", "core-4", "core-3")
CASES = [
    pytest.param(damage, layout, id=f"{damage.name}-{layout}")
    for damage in DAMAGES
    for layout in damage.layouts
    if damage.user == "any"
]
PROOFS = (
    sound.paired,
    sound.named,
    agreement.agreeing,
    sound.embedded,
    sound.numbered,
    sound.equal,
    sound.mapped,
)
LOOKS = {"full": ScanOptions(jobs=1), "quick": ScanOptions(jobs=1, quick=True)}


def seen(root: Path, options: ScanOptions) -> Inventory:
    """One scan."""
    return asyncio.run(scan(root, recognise(root), options))


def nothing_usual(inventory: Inventory) -> Parted:
    """All files and rows of an inventory, each to be looked at closely."""
    files, rows = inventory.files, rows_of(inventory)
    none, nowhere = [None] * len(files), np.full(len(files), NO_ROW, dtype=np.intp)
    usual = Usual(files, column_of(files, "kind"), none, nowhere)
    return Parted(usual, dict(enumerate(files)), dict(enumerate(rows)))


def all_claims(inventory: Inventory, brought: standing.Standing) -> list[standing.Claim]:
    """The claim of each row, in its order."""
    rows, found = rows_of(inventory), dict(zip(brought.claim_at, brought.claims, strict=True))
    for at, file in zip(brought.usual.row_at.tolist(), inventory.files, strict=True):
        if at != NO_ROW:
            ref = EntityRef(rows[at].kind, rows[at].id)
            fate = standing.Fate.STANDS
            found[at] = standing.Claim(rows[at], ref, fate, file.path, file)
    return [found[at] for at in sorted(found)]


def require_silence(inventory: Inventory) -> None:
    """Run all that is proven silent on an inventory that nothing is proven of."""
    bare = replace(inventory)
    for proof in (pairs_of, *PROOFS):
        vars(bare)[f"{proof.__module__}.{proof.__qualname__}"] = None
    vars(bare)[f"{parted.__module__}.{parted.__qualname__}"] = nothing_usual(inventory)
    nothing = np.zeros(len(rows_of(inventory)), dtype=np.bool_)
    said = agreement.Agreed(nothing, nothing, {})
    vars(bare)[f"{agreement.__name__}.{agreement.agreed.__qualname__}"] = said
    for rule in RULES:
        found = list(rule.run(bare))
        if rule.silent(inventory):
            assert found == [], rule.codes
        assert sorted(rule.run(inventory), key=repr) == sorted(found, key=repr), rule.codes
    brought, compared = standing.standing(inventory), standing.standing(bare)
    for part in ("losers", "hurt", "doomed", "heir_of", "astray"):
        assert getattr(brought, part) == getattr(compared, part), part
    files = brought.standing_file
    # What is no number equals nothing, but is spelt alike.
    assert repr(list(files.items())) == repr(list(compared.standing_file.items()))
    for ref, file in files.items():
        assert ref in files
        assert repr(files.get(ref)) == repr(file)
    assert set(brought.known) == set(compared.known)
    assert brought.bears.items() <= compared.bears.items()
    assert repr(all_claims(inventory, brought)) == repr(list(compared.claims))


def require_rows_kept(inventory: Inventory) -> None:
    """A row that agrees with its file is the row that the file deserves, order and all."""
    rows, said = rows_of(inventory), agreement.agreed(inventory)
    usual = [row for row, is_said in zip(rows, said.rows, strict=True) if is_said]
    for row in (*usual, *said.others.values()):
        fresh = inventory.layout.row_for(inventory.by_path[row.path or ""], row, rows)
        assert list(fresh.items()) == list(row.raw.items())


@pytest.mark.parametrize("how", LOOKS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_is_proven_of_a_healthy_store(layout: Name, how: str, tmp_path: Path) -> None:
    inventory = seen(build(layout, tmp_path / "store").root, LOOKS[how])
    held = {proof.__name__ for proof in PROOFS if proof(inventory)}
    quick = {"embedded"} if how == "quick" else set()
    assert held == {proof.__name__ for proof in PROOFS} - quick
    require_silence(inventory)
    require_rows_kept(inventory)


@pytest.mark.parametrize(("damage", "layout"), CASES)
def test_proofs_hold_on_hurt_stores(damage: Damage, layout: Name, tmp_path: Path) -> None:
    built = build(layout, tmp_path / "store")
    damage.apply(built)
    for options in (*LOOKS.values(), ScanOptions(jobs=1, subset=(1, 2))):
        inventory = seen(built.root, options)
        require_silence(inventory)
        require_rows_kept(inventory)


@pytest.mark.parametrize("hurt", [None, DAMAGES[0]], ids=["healthy", "hurt"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_remembered_of_an_inventory_does_not_keep_it(
    hurt: Damage | None, layout: Name, tmp_path: Path
) -> None:
    built = build(layout, tmp_path / "store")
    if hurt is not None:
        hurt.apply(built)
    inventory = seen(built.root, LOOKS["full"])
    check(inventory)
    list(standing.standing(inventory).claims)
    left = weakref.ref(inventory)
    gc.disable()
    try:
        del inventory
        assert left() is None
    finally:
        gc.enable()


@given(accident=accidents())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_proofs_hold_after_any_accident(accident: Accident) -> None:
    layout, damages = accident
    with tempfile.TemporaryDirectory() as folder:
        built = build(layout, Path(folder) / "store")
        hurt_all(built, damages)
        for options in LOOKS.values():
            try:
                inventory = seen(built.root, options)
                require_silence(inventory)
                require_rows_kept(inventory)
            except (NewerFormatError, NotAStoreError):
                return


@given(names=st.lists(st.text(st.characters(exclude_categories=()))))
def test_numbers_of_many_are_those_of_each(names: list[str]) -> None:
    assert numeric_ids(names).tolist() == [numeric_id(name) for name in names]


@given(number=st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([2**63 - 1, 2**63, 2**64 - 1])))
def test_numbers_are_reduced_at_their_edges(number: int) -> None:
    assert int(_reduced(np.array([number], dtype=np.uint64))[0]) == number % (2**63 - 1)


@given(
    numbers=st.lists(st.integers(0, 9), max_size=8),
    ids=st.lists(st.integers(0, 9), max_size=8),
)
def test_positions_are_one_to_one_or_none(numbers: list[int], ids: list[int]) -> None:
    found = sound._positions(np.array(numbers, dtype=np.int64), np.array(ids, dtype=np.int64))
    once = len(set(ids)) == len(ids) and len(set(numbers)) == len(numbers)
    if not once or not set(ids) <= set(numbers):
        assert found is None
    else:
        assert found is not None
        assert found.tolist() == [ids.index(n) if n in ids else -1 for n in numbers]


def test_a_name_is_that_of_the_id() -> None:
    assert NATIVE.all_named(["memories/a.json"], ["memory"], ["a"])
    assert not NATIVE.all_named(["memories/b.json"], ["memory"], ["a"])
    assert not NATIVE.all_named(["memories/a.json"], ["assembly"], ["b"])


def test_bytes_alone_tell_that_the_rows_of_a_healthy_store_agree(tmp_path: Path) -> None:
    root = build("native", tmp_path / "s", memories=5, assemblies=2).root
    inventory = seen(root, LOOKS["full"])
    rows, row_at = rows_of(inventory), parted(inventory).usual.row_at
    memories = [kind == "memory" for kind in column_of(inventory.files, "kind")]
    # Kind by kind, as those of a larger store stand.
    files = FileTable.joined(
        FileTable.chosen(inventory.files, [k is want for k in memories]) for want in (False, True)
    )
    found = agreement._packed_alike(NATIVE, rows, files, row_at)
    assert found.tolist() == memories
    assert agreement.agreeing(inventory)
