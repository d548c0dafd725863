"""Catalog and mappings that were read before are taken as they are, unless they have moved."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from synthstore.backup import laying
from synthstore.backup.laying import LaidOut, lay_out
from synthstore.layout.base import Layout
from synthstore.model.catalog import column
from synthstore.model.columns import each_of
from synthstore.repository.vault import Repository
from synthstore.scan.claims import Claims, read_claims
from synthstore.scan.listing import list_store
from synthstore.store.evidence import recognise
from synthstore.testing.plugin import MakeStore
from synthstore.verify import LookOptions, look
from tests.vaults import back_up, opened, place_at

OLD_NS = 10**18


@pytest.fixture
def root(make_store: MakeStore) -> Path:
    return aged(make_store(n=30, dim=8))


@pytest.fixture
def layout(root: Path) -> Layout:
    return recognise(root, None)


def aged(root: Path) -> Path:
    for path in root.rglob("*"):
        os.utime(path, ns=(OLD_NS, OLD_NS))
    return root


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")
    os.utime(path, ns=(OLD_NS, OLD_NS))


def test_what_is_as_it_was_stands(root: Path, layout: Layout) -> None:
    assert read_claims(root, layout).stand(root)


@pytest.mark.parametrize("change", [lengthen, Path.touch, Path.unlink])
@pytest.mark.parametrize("name", ["memory_index.json", "*mapping*.json"])
def test_what_has_moved_does_not(
    name: str, change: Callable[[Path], None], root: Path, layout: Layout
) -> None:
    claims = read_claims(root, layout)
    (path,) = root.rglob(name)
    change(path)
    assert not claims.stand(root)
    path.write_bytes(b"{}")
    assert not claims.stand(root)


def test_what_was_missing_and_came_does_not(root: Path, layout: Layout) -> None:
    (path,) = root.rglob("*mapping*.json")
    path.unlink()
    claims = read_claims(root, layout)
    assert claims.stand(root)
    path.write_bytes(b"{}")
    os.utime(path, ns=(OLD_NS, OLD_NS))
    assert not claims.stand(root)


def test_what_was_too_young_does_not(root: Path, layout: Layout) -> None:
    (root / layout.catalog_path).touch()
    assert not read_claims(root, layout).stand(root)


# In a restore


@pytest.fixture
def repository(root: Path, tmp_path: Path) -> Repository:
    place = place_at(tmp_path / "repo")
    back_up(root, place)
    return opened(place)


@pytest.fixture
def laid(repository: Repository, layout: Layout, tmp_path: Path) -> Iterator[LaidOut]:
    tree = repository.tree(repository.snapshots()[-1])
    with ThreadPoolExecutor(1) as executor:
        laid = lay_out(repository, tree, tmp_path / "new", layout, executor=executor)
    yield laid
    laid.close()


def claims_of(laid: LaidOut) -> Claims:
    assert laid.known.claims is not None
    return laid.known.claims


def test_they_are_read_while_entities_are_written(laid: LaidOut, layout: Layout) -> None:
    claims, after = claims_of(laid), read_claims(laid.aside, layout)
    assert (claims.catalog, claims.mappings) == (after.catalog, after.mappings)
    seen = asyncio.run(look(laid.aside, layout, LookOptions(), known=laid.known))
    assert seen.inventory.catalog is claims.catalog
    assert laid.known.index is not None
    assert seen.inventory.index is laid.known.index.result()
    assert not seen.findings


def test_a_look_believes_no_claims_that_have_moved(laid: LaidOut, layout: Layout) -> None:
    (laid.aside / layout.catalog_path).unlink()
    seen = asyncio.run(look(laid.aside, layout, LookOptions(), known=laid.known))
    assert "C001" in {finding.code for finding in seen.findings}


def test_a_look_believes_no_index_that_has_moved(laid: LaidOut, layout: Layout) -> None:
    assert laid.known.index is not None
    laid.known.index.result()
    (laid.aside / layout.faiss_path).unlink()
    seen = asyncio.run(look(laid.aside, layout, LookOptions(), known=laid.known))
    assert "V001" in {finding.code for finding in seen.findings}


def test_a_look_believes_no_index_whose_vectors_move(laid: LaidOut, layout: Layout) -> None:
    first = list_store(laid.aside, layout).candidates[0]
    (laid.aside / first.path).touch()
    seen = asyncio.run(look(laid.aside, layout, LookOptions(), known=laid.known))
    assert laid.known.index is None
    assert not seen.findings


def test_none_are_read_in_an_unknown_layout(repository: Repository, tmp_path: Path) -> None:
    tree = repository.tree(repository.snapshots()[-1])
    with ThreadPoolExecutor(1) as executor:
        laid = lay_out(repository, tree, tmp_path / "new", None, executor=executor)
    laid.close()
    assert laid.known.claims is None


def test_many_entities_have_the_texts_of_their_rows(
    repository: Repository, layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(laying, "MANY", 1)
    monkeypatch.setattr(laying, "SHARD", 4)
    tree = repository.tree(repository.snapshots()[-1])
    with ThreadPoolExecutor(1) as executor:
        laid = lay_out(repository, tree, tmp_path / "new", layout, executor=executor)
    catalog = claims_of(laid).catalog.catalog
    assert catalog is not None
    kept = {id(text) for text in column(catalog.rows, "id")}
    _, facts = laid.known.take(laid.aside, list_store(laid.aside, layout).candidates)
    laid.close()
    assert len(facts.files) >= len(catalog.rows)
    assert {id(text) for text in each_of(facts.files, "record.id")} <= kept
