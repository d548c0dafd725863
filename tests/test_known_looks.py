"""A look reads what has moved, and holds the index against what is known without a second copy."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from synthstore.repair.rebuild import RebuildOptions, rebuild_index
from synthstore.scan.known import Known
from synthstore.scan.listing import list_store
from synthstore.scan.shard import Candidate
from synthstore.store.evidence import recognise
from synthstore.testing.harm import flipped
from synthstore.testing.plugin import MakeStore
from synthstore.verify import Look, LookOptions, look

DIM = 16


@pytest.fixture
def root(make_store: MakeStore) -> Path:
    """A store with an index in the order of its files, all so old that a later change shows."""
    store = make_store(n=30, dim=DIM)
    (index,) = store.rglob("*.faiss")
    index.unlink()
    asyncio.run(rebuild_index(store, RebuildOptions(), confirm=lambda _: True))
    return aged(store)


def aged(root: Path) -> Path:
    for path in root.rglob("*"):
        os.utime(path, ns=(10**18, 10**18))
    return root


def seen(root: Path, known: Known | None = None) -> Look:
    options = LookOptions()
    if known is None:
        return asyncio.run(look(root, recognise(root, None), options))
    return asyncio.run(look(root, recognise(root, None), options, known=known))


def test_vectors_that_are_known_are_not_had_twice(root: Path) -> None:
    first = seen(root)
    then = seen(root, Known.of(first.inventory))
    assert first.inventory.index.vectors is not first.inventory.tables[DIM].matrix
    assert then.inventory.index.vectors is then.inventory.tables[DIM].matrix
    assert then.findings == first.findings


@pytest.mark.parametrize("at", [100, -400])
def test_a_flipped_vector_is_found_all_the_same(at: int, root: Path) -> None:
    known = Known.of(seen(root).inventory)
    (index,) = root.rglob("*.faiss")
    raw = index.read_bytes()
    index.write_bytes(flipped(raw, at % len(raw)))
    assert [finding.code for finding in seen(root, known).findings] == ["V005"]


def candidates(root: Path) -> list[Candidate]:
    return list_store(root, recognise(root, None), names_only=True).candidates


def test_nothing_is_read_again_where_all_is_as_it_was(root: Path) -> None:
    inventory = seen(root).inventory
    fresh, facts = Known.of(inventory).take(root, candidates(root))
    assert not fresh
    assert facts.files == inventory.files
    assert facts.tables == inventory.tables


def test_what_is_left_out_is_not_known(root: Path) -> None:
    inventory = seen(root).inventory
    first, *others = candidates(root)
    known = Known.of(inventory, {first.path})
    fresh, facts = known.take(root, [first, *others])
    assert fresh == [first]
    assert facts.files == inventory.files[1:]
    assert first.path not in facts.tables[DIM].paths
    assert not known


def test_a_file_that_was_not_known_and_is_gone_leaves_no_embedding(root: Path) -> None:
    first, *others = candidates(root)
    (root / first.path).touch()
    known = Known.of(seen(root).inventory)
    fresh, facts = known.take(root, others)
    assert not fresh
    assert list(facts.tables[DIM].paths) == [candidate.path for candidate in others]


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")
    os.utime(path, ns=(10**18, 10**18))


def take_other_place(path: Path) -> None:
    aside = path.with_name("aside")
    shutil.copy2(path, aside)
    aside.replace(path)


def become_link(path: Path) -> None:
    aside = path.with_name("aside")
    path.rename(aside)
    path.symlink_to(aside.name)


CHANGES: Sequence[Callable[[Path], None]] = (
    grow,
    take_other_place,
    become_link,
    Path.touch,
    Path.unlink,
    lambda path: path.chmod(0o604),
)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("places", [[0], [-1], [3, 4, 9]])
def test_what_has_moved_is_to_be_read(
    places: Sequence[int], change: Callable[[Path], None], root: Path
) -> None:
    inventory = seen(root).inventory
    known, listed = Known.of(inventory), candidates(root)
    moved = [listed[place] for place in places]
    for candidate in moved:
        change(root / candidate.path)
    fresh, facts = known.take(root, listed)
    paths = {candidate.path for candidate in moved}
    assert fresh == [candidate for candidate in listed if candidate.path in paths]
    assert facts.files == [file for file in inventory.files if file.path not in paths]


def test_files_that_come_and_go_hide_no_other(root: Path) -> None:
    inventory = seen(root).inventory
    known, listed = Known.of(inventory), candidates(root)
    gone, *others = listed
    new = Candidate(f"{others[0].path}-new", "memory", others[0].stat)
    shutil.copy2(root / others[0].path, root / new.path)
    fresh, facts = known.take(root, [others[0], new, *others[1:]])
    assert fresh == [new]
    assert facts.files == [file for file in inventory.files if file.path != gone.path]
