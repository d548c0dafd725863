"""V001 to V011: index and mappings, and what each subsumes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from synthstore.model.facts import PartStatus
from synthstore.model.ids import numeric_id
from synthstore.scan.inventory import AccessProblem
from synthstore.testing.stores import unit_vectors
from tests.inventories import DIM, MEMORIES, Shelf, healthy
from tests.rules import BOTH, CORE, NATIVE, Case, assert_said, case, found, rows

ALL = MEMORIES + 2
LATER = "2027-01-01T00:00:00.000000"


def index_is(status: PartStatus, **facts: Any) -> Any:
    gone: dict[str, Any] = {"ids": None, "vectors": None, "dim": 0, "ntotal": 0, **facts}
    return lambda s: s.index_is.update(status=status, problem="cut short", **gone)


def mapping_is(status: PartStatus) -> Any:
    return lambda s: s.mapping_is.update(status=status, entries=None, problem="cut short")


def both(*acts: Any) -> Any:
    def act(shelf: Shelf) -> None:
        for one in acts:
            one(shelf)

    return act


def without(label: str) -> Any:
    def act(shelf: Shelf) -> None:
        shelf.drop_vector(label)
        shelf.unmap(label)

    return act


def nothing_embedded(shelf: Shelf) -> None:
    for label in shelf.ids:
        shelf.embed(label, None)
    index_is(PartStatus.MISSING)(shelf)
    mapping_is(PartStatus.MISSING)(shelf)
    shelf.more.update(tables={})


def empty_index(shelf: Shelf) -> None:
    for label in shelf.ids:
        without(label)(shelf)
        shelf.embed(label, None)
    mapping_is(PartStatus.MISSING)(shelf)


def orphan(*, mapped: bool) -> Any:
    def act(shelf: Shelf) -> None:
        number = numeric_id("mem_nobody")
        shelf.add_vector(number, unit_vectors(1, DIM, 55))
        if mapped:
            shelf.entries["mem_nobody"] = number

    return act


def flip(label: str, bit: int) -> Any:
    def act(shelf: Shelf) -> None:
        shelf.vectors.view(np.uint32)[shelf.at(label), 3] ^= np.uint32(1 << bit)

    return act


def poison(label: str, value: float) -> Any:
    def act(shelf: Shelf) -> None:
        shelf.vectors[shelf.at(label), 2] = value

    return act


def stretch(factor: float, *labels: str) -> Any:
    """Embeddings of another length, whose vectors stay of length 1."""

    def act(shelf: Shelf) -> None:
        for label in labels or shelf.ids:
            old = np.array(shelf.doc(label)[shelf.embedding_key(label)], dtype=np.float32)
            shelf.embed(label, [float(x) for x in old * np.float32(factor)])

    return act


def other_dimension(shelf: Shelf) -> None:
    shelf.vectors = unit_vectors(len(shelf.numbers), 2 * DIM, 5)


def tie(shelf: Shelf) -> None:
    for n, label in enumerate(sorted(shelf.ids)):
        size = DIM if n % 2 else DIM // 2
        if size != DIM:
            shelf.embed(label, [float(x) for x in unit_vectors(1, size, n)[0]])
    shelf.drop_row("a0")
    del shelf.files[shelf.path("a0")]
    without("a0")(shelf)


def twice(label: str) -> Any:
    return lambda s: s.add_vector(s.entries[s.vector_id(label)], s.vectors[s.at(label)])


def share(shelf: Shelf) -> None:
    shelf.entries[shelf.vector_id("m5")] = shelf.entries[shelf.vector_id("m4")]


def swap(shelf: Shelf) -> None:
    one, other = shelf.vector_id("m4"), shelf.vector_id("m5")
    shelf.entries[one], shelf.entries[other] = shelf.entries[other], shelf.entries[one]


def misname(shelf: Shelf) -> None:
    shelf.entries["mem_nobody"] = shelf.entries.pop(shelf.vector_id("m5"))


def second(change: Any) -> Any:
    def act(shelf: Shelf) -> None:
        shelf.second = dict(shelf.entries)
        change(shelf.second)

    return act


def counted(act: Any = None) -> Any:
    def both_acts(shelf: Shelf) -> None:
        shelf.number_on()
        if act is not None:
            act(shelf)

    return both_acts


def bare(shelf: Shelf) -> None:
    shelf.number_on()
    shelf.index_is.update(has_ids=False, description="Flat")


def renamed_inside(shelf: Shelf) -> None:
    shelf.edit("m5", id="mem_x")


def lossy(change: float) -> Any:
    def act(shelf: Shelf) -> None:
        shelf.vectors += np.float32(0.01)
        shelf.vectors[shelf.at("m5")] *= np.float32(change)
        shelf.index_is.update(exact=False)

    return act


def newest(shelf: Shelf) -> None:
    """What a newer file's embedding says, and the row and the vector do not."""
    vector = [float(x) for x in unit_vectors(1, DIM, 77)[0]]
    shelf.rot("m6", embedding=vector, updated_at=LATER)


def mapping_of_strangers(shelf: Shelf) -> None:
    index_is(PartStatus.MISSING)(shelf)
    shelf.entries = {f"mem_{n}": numeric_id(f"mem_{n}") for n in range(3)}


CASES = (
    Case(
        name="missing",
        act=index_is(PartStatus.MISSING),
        codes={"V001": 1},
        subject=None,
        severity="error",
    ),
    case("unreadable", index_is(PartStatus.UNREADABLE), V002=1),
    case("nothing-embedded", nothing_embedded, E001=ALL),
    case("empty-index", empty_index, E001=ALL),
    Case(name="no-vector", act=without("m6"), codes={"V003": 1}, subject="m6", severity="error"),
    case("no-vector-of-assembly", without("a1"), V003=1),
    case("no-vector-but-mapped", lambda s: s.drop_vector("m6"), V003=1, V007=1),
    Case(
        name="orphan",
        act=orphan(mapped=True),
        codes={"V004": 1},
        subject=str(numeric_id("mem_nobody")),
    ),
    case("orphan-unmapped", orphan(mapped=False), V004=1, V007=1),
    case("row-without-file", lambda s: s.files.pop(s.path("m6")), M001=1),
    Case(name="stale", act=flip("m6", 0), codes={"V005": 1}, subject="m6"),
    case("stale-sign", flip("a0", 31), V005=1),
    case("edited", newest, NATIVE, C008=1, V005=1),
    case("rotten", lambda s: s.rot("m6", embedding=[1.0] * DIM), NATIVE, M004=1),
    case("normalised", stretch(4.0)),
    case("normalised-and-stale", both(stretch(4.0), flip("m6", 20)), V005=1),
    case("one-too-long", stretch(4.0, "m6")),
    case("lossy", lossy(1.0)),
    case("lossy-and-stale", lossy(-1.0), V005=1),
    case("mapping-missing", mapping_is(PartStatus.MISSING), V006=1),
    case("mapping-unreadable", mapping_is(PartStatus.UNREADABLE), V006=1),
    case(
        "both-missing",
        both(*(f(PartStatus.MISSING) for f in (index_is, mapping_is))),
        V001=1,
        V006=1,
    ),
    case(
        "both-torn",
        both(*(f(PartStatus.UNREADABLE) for f in (index_is, mapping_is))),
        V002=1,
        V006=1,
    ),
    case("unmapped", lambda s: s.unmap("m6"), V007=1),
    case("dangling", lambda s: s.entries.update(mem_nobody=17), V007=1),
    case("swapped", swap, V007=1),
    case("misnamed", misname, V007=1),
    case("bad-number", lambda s: s.mapping_is.update(bad_entries=("x",)), V007=1),
    case("second-in-step", second(dict), CORE),
    case("second-off", second(lambda m: m.popitem()), CORE, V007=1),
    case("strangers", mapping_of_strangers, V001=1, V007=1),
    case("twice-in-index", twice("m6"), V008=1),
    case("shared-number", share, V008=1),
    case("name-twice", lambda s: s.mapping_is.update(duplicate_keys=("mem_x",)), V008=1),
    case("other-dimension", other_dimension, V009=1),
    case("other-dimension-and-no-vector", both(without("m6"), other_dimension), V009=1),
    case("bare-in-core-2", bare, ("core-2",), V010=1),
    case("bare", bare, V010=1),
    case("nan", poison("m6", np.nan), V011=1),
    case("infinity", poison("a0", -np.inf), V011=1),
    case("huge-but-finite", poison("m6", 3e38), V005=1),
    case("counted", counted()),
    case("counted-unmapped", counted(lambda s: s.unmap("m6")), V007=1),
    case("counted-misnamed", counted(misname), V007=1),
    case("counted-no-mapping", counted(mapping_is(PartStatus.MISSING)), V006=1),
    case("counted-stale", counted(flip("m6", 5)), V005=1),
    case(
        "counted-orphan",
        counted(lambda s: s.add_vector(99, unit_vectors(1, DIM, 5))),
        V004=1,
        V007=1,
    ),
    case("id-differs", renamed_inside, CORE, M005=1),
)


@rows(*CASES)
def test_vectors(one: Case, shape: str) -> None:
    assert_said(one, shape)


@pytest.mark.parametrize(("shape", "severity"), [("core-2", "info"), ("native", "warning")])
def test_a_bare_index_is_usual_in_core_2_only(shape: str, severity: str) -> None:
    shelf = healthy(shape)
    bare(shelf)
    (finding,) = found(shelf)
    assert finding.severity.label == severity
    assert finding.repair.startswith("left") == (severity == "info")


@pytest.mark.parametrize("shape", BOTH)
def test_a_tie_of_dimensions_is_told_once(shape: str) -> None:
    shelf = healthy(shape)
    tie(shelf)
    findings = found(shelf, select=["V", "E"])
    assert [f.code for f in findings] == ["V009"]
    assert findings[0].evidence["dimensions"] == {str(DIM // 2): 4, str(DIM): 4}
    assert "tie" in findings[0].message


def test_a_flipped_bit_is_no_rounding_even_in_a_tiny_store() -> None:
    shelf = healthy()
    for label in sorted(shelf.ids)[1:]:
        shelf.drop_row(label)
        without(label)(shelf)
        del shelf.files[shelf.path(label)]
    only = next(iter(shelf.entries)).removeprefix("asm:")
    label = next(label for label, i in shelf.ids.items() if i == only)
    flip(label, 0)(shelf)
    assert [f.code for f in found(shelf, select=["V"])] == ["V005"]


def test_an_orphan_is_not_told_to_be_of_a_memory_that_stands() -> None:
    shelf = healthy()
    orphan(mapped=False)(shelf)
    shelf.entries[shelf.vector_id("m5")] = numeric_id("mem_nobody")
    (finding,) = found(shelf, select=["V004"])
    assert "that no entity owns" in finding.message
    assert not finding.evidence


@pytest.mark.parametrize("mapped", [True, False])
@pytest.mark.parametrize("hidden", ["closed", "catalog", "lost", ""])
def test_what_cannot_be_seen_is_not_said_to_be_nowhere(hidden: str, mapped: bool) -> None:
    shelf = healthy()
    orphan(mapped=mapped)(shelf)
    part = {"closed": "memories", "catalog": shelf.layout.catalog_path}.get(hidden)
    if part is not None:
        shelf.more.update(access=(AccessProblem(part, "closed", {}, "open it"),))
    if hidden == "lost":
        shelf.files = {path: file for path, file in shelf.files.items() if "memories" not in path}
        shelf.more.update(folders={"memories": False, "assemblies": True})
    (finding,) = found(shelf, select=["V004"])
    seen = "which neither file nor row can be seen" not in finding.message
    assert seen == (not hidden)
    assert seen == ("a search finds what is not there" in finding.message)
    assert ("mem_nobody" in finding.message) == mapped


def test_a_quick_look_knows_the_numbers_only() -> None:
    shelf = healthy()
    orphan(mapped=True)(shelf)
    without("m6")(shelf)
    shelf.index_is.update(vectors=None)
    shelf.more.update(quick=True)
    assert [f.code for f in found(shelf, select=["V004", "V005"])] == ["V004"]


def test_many_ids_are_cut_and_counted() -> None:
    shelf = healthy()
    shelf.entries.update({f"mem_x{n:02}": n for n in range(30)})
    (finding,) = found(shelf)
    assert finding.evidence["count"] == 30
    assert finding.evidence["ids"] == [f"mem_x{n:02}" for n in range(10)]
    (finding,) = found(shelf, ids=frozenset({"mem_x29"}))
    assert "mem_x29" in str(finding.evidence["ids"])
