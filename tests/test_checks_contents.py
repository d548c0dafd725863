"""E001 to E006 and A020 to A023: embeddings, members, merges."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from synthstore.testing.stores import unit_vectors
from tests.inventories import DIM, Shelf, healthy
from tests.rules import CORE, NATIVE, Case, assert_said, case, found, rows

LATER = "2027-01-01T00:00:00.000000"


def bare(label: str, value: object) -> Any:
    """Another embedding, and no vector for it."""

    def act(shelf: Shelf) -> None:
        shelf.embed(label, value)
        shelf.drop_vector(label)
        shelf.unmap(label)

    return act


def held(label: str, value: object) -> Any:
    return lambda s: s.embed(label, value)


def poisoned(shelf: Shelf) -> None:
    shelf.embed("m6", None)
    shelf.vectors[shelf.at("m6"), 0] = np.nan


def norms(count: int) -> Any:
    """So many more memories of length 1, then one of length 2."""

    def act(shelf: Shelf) -> None:
        for n in range(count):
            shelf.add(f"m{10 + n}", f"mem_more{n:02}")
        long = shelf.vectors[shelf.at("m6")] * np.float32(2)
        shelf.vectors[shelf.at("m6")] = long
        shelf.embed("m6", [float(x) for x in long])

    return act


def models(**named: str) -> Any:
    def act(shelf: Shelf) -> None:
        for label, model in named.items():
            shelf.edit(label, metadata={"embedding_model": model})

    return act


def forget(*labels: str) -> Any:
    def act(shelf: Shelf) -> None:
        for label in labels:
            shelf.drop_vector(label)
            shelf.unmap(label)
            shelf.drop_row(label)
            del shelf.files[shelf.path(label)]

    return act


def turn(label: str) -> Any:
    """A composite that points elsewhere, in file and index."""

    def act(shelf: Shelf) -> None:
        other = unit_vectors(1, DIM, 8)[0]
        shelf.vectors[shelf.at(label)] = other
        shelf.embed(label, [float(x) for x in other])

    return act


def turn_and_lose_a_member(shelf: Shelf) -> None:
    turn("a0")(shelf)
    del shelf.files[shelf.path("m0")]


def turn_and_blank_a_member(shelf: Shelf) -> None:
    turn("a0")(shelf)
    bare("m0", None)(shelf)


def mean_of_long_members(shelf: Shelf) -> None:
    """The composite is the mean of the members' directions, one member is very long."""
    long = shelf.vectors[shelf.at("m0")] * np.float32(50)
    shelf.vectors[shelf.at("m0")] = long
    shelf.embed("m0", [float(x) for x in long])


def merged(**sources: list[str]) -> Any:
    def act(shelf: Shelf) -> None:
        for label, labels in sources.items():
            shelf.edit(label, merged_from=[shelf.ids.get(i, i) for i in labels])

    return act


def strings(*labels: str) -> Any:
    def act(shelf: Shelf) -> None:
        for label in labels:
            members = [member["id"] for member in shelf.doc(label)["memories"]]
            shelf.edit(label, memories=members)

    return act


CASES = (
    Case(name="missing", act=bare("m6", None), codes={"E001": 1}, severity="info", subject="m6"),
    Case(name="missing-but-held", act=held("m6", None), codes={"E001": 1}, severity="warning"),
    Case(name="empty-list", act=bare("a1", []), codes={"E001": 1}, severity="info"),
    case("missing-and-vector-bad", poisoned, E001=1, V011=1),
    case("other-dimension", bare("m6", [0.5] * 3), E002=1),
    case("other-dimension-held", held("m6", [0.5] * 3), E002=1),
    case("not-finite", held("m6", [1e39] + [0.0] * 7), E003=1),
    case("text", held("m6", ["1.0"] * DIM), E003=1),
    case("one-number", held("m6", 5), E003=1),
    case("zero", bare("m6", [0.0] * DIM), E004=1),
    case("zero-held", held("a0", [0.0] * DIM), E004=1),
    Case(name="norm", act=norms(2), codes={"E005": 1}, severity="info"),
    case("norms-too-mixed", norms(0)),
    case("models", models(m5="mini", m6="maxi"), E006=1),
    case("one-model", models(m5="mini", m6="mini")),
    Case(
        name="dangling",
        act=forget("m0"),
        codes={"A020": 1},
        severity="warning",
        subject="a0",
    ),
    case("dangling-in-both", forget("m2", "m3"), A020=4),
    case("member-with-row", lambda s: s.files.pop(s.path("m0")), M001=1),
    Case(name="composite", act=turn("a0"), codes={"A021": 1}, severity="info", subject="a0"),
    case("composite-and-no-member", turn_and_lose_a_member, M001=1),
    case("composite-and-blank-member", turn_and_blank_a_member, E001=1),
    case("mean-of-directions", mean_of_long_members, ("native",)),
    Case(name="merged-from-itself", act=merged(a0=["a0"]), codes={"A022": 1}, subject="a0"),
    case("merge-loop", merged(a0=["a1"], a1=["a0"]), A022=1),
    case("behind-a-loop", merged(a0=["a1"], a1=["a1"]), A022=1),
    case("merge-chain", merged(a0=["a1", "asm_gone"], a1=["asm_gone"])),
    case("strings", strings("a0", "a1"), CORE, A023=2),
    case(
        "rotten-members", lambda s: s.rot("a0", memory_ids=["x"], merged_from=["a"]), NATIVE, A004=1
    ),
)


@rows(*CASES)
def test_contents(one: Case, shape: str) -> None:
    assert_said(one, shape)


@pytest.mark.parametrize(("shape", "copied"), [("native", False), ("core-4", True)])
def test_an_embedded_copy_is_told(shape: str, copied: bool) -> None:
    shelf = healthy(shape)
    forget("m0")(shelf)
    (finding,) = found(shelf)
    member = shelf.ids["m0"]
    assert finding.evidence["member"] == member
    assert finding.evidence["embedded_copy"] is copied
    assert found(shelf, ids=frozenset({member})) == (finding,)


def test_a_loop_names_all_its_members_once() -> None:
    shelf = healthy()
    merged(a0=["a1"], a1=["a0"])(shelf)
    (finding,) = found(shelf)
    assert finding.evidence["ids"] == sorted(shelf.ids[a] for a in ("a0", "a1"))


def test_models_are_counted() -> None:
    shelf = healthy()
    models(m4="mini", m5="mini", m6="maxi")(shelf)
    (finding,) = found(shelf)
    assert finding.evidence["models"] == {"mini": 2, "maxi": 1}
