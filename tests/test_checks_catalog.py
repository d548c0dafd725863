"""C001 to C009: the catalog and its rows, and what each subsumes."""

from __future__ import annotations

from typing import Any

import pytest

from synthstore.checks.standing import Fate, standing
from synthstore.model.facts import PartStatus
from synthstore.model.ids import EntityRef
from tests.inventories import Shelf, healthy
from tests.rules import BOTH, CORE, NATIVE, Case, assert_said, case, found, rows

LATER = "2027-01-01T00:00:00.000000"
EARLIER = "2020-01-01T00:00:00.000000"


def catalog_is(status: PartStatus) -> Any:
    return lambda s: s.catalog_is.update(status=status, catalog=None, problem="cut short")


def unlisted_besides(shelf: Shelf) -> None:
    shelf.drop_row("m5")
    catalog_is(PartStatus.UNREADABLE)(shelf)


def path_outside(path: str, *, gone: bool = False) -> Any:
    def act(shelf: Shelf) -> None:
        shelf.set_path("m5", path)
        if gone:
            del shelf.files[shelf.path("m5")]

    return act


def ghost(shelf: Shelf) -> None:
    shelf.rows("m5")["ghost"] = dict(shelf.rows("m5")[shelf.ids["m5"]])
    shelf.recount()


def ghost_of_a_hurt_file(shelf: Shelf) -> None:
    ghost(shelf)
    kind, _ = shelf.files[shelf.path("m5")]
    shelf.files[shelf.path("m5")] = kind, b"{"


def rows_cross(shelf: Shelf) -> None:
    shelf.set_path("m4", shelf.path("m5"))
    shelf.set_path("m5", shelf.path("m4"))


def moved(shelf: Shelf) -> None:
    shelf.set_path("m5", "memories/nowhere.json")


def malformed_and_moved(shelf: Shelf) -> None:
    shelf.set_path("m5", 17)


def malformed_and_gone(shelf: Shelf) -> None:
    shelf.set_path("m5", None)
    del shelf.files[shelf.path("m5")]


def marked(shelf: Shelf, *labels: str) -> None:
    for label in labels:
        shelf.set_row(label, deleted_at="2025-03-20T10:00:00.000000")


def marked_and_torn(shelf: Shelf) -> None:
    marked(shelf, "m5")
    kind, _ = shelf.files[shelf.path("m5")]
    shelf.files[shelf.path("m5")] = kind, b""


def marked_and_half_gone(shelf: Shelf) -> None:
    marked(shelf, "m5")
    shelf.drop_vector("m5")
    shelf.unmap("m5")
    del shelf.files[shelf.path("m5")]


def logged_as_deleted(shelf: Shelf) -> None:
    ref = EntityRef("memory", shelf.ids["m6"])
    shelf.more.update(deleted=frozenset({ref}))
    shelf.drop_row("m6")


def hash_of_content(shelf: Shelf) -> None:
    inventory = shelf.inventory()
    record = inventory.by_path[shelf.path("m5")].record
    assert record is not None
    shelf.set_row("m5", content_hash=f"sha256:{record.content_sha256}")


def rot_without_times(shelf: Shelf) -> None:
    shelf.rot("m5", content="x", updated_at=LATER)
    shelf.set_row("m5", updated_at="some day")


CASES = (
    Case(name="gone", act=catalog_is(PartStatus.MISSING), codes={"C001": 1}, severity="error"),
    Case(
        name="unreadable",
        act=catalog_is(PartStatus.UNREADABLE),
        codes={"C002": 1},
        subject="memory_index.json",
    ),
    case("unreadable-says-it-for-all", unlisted_besides, C002=1),
    Case(name="malformed", act=malformed_and_moved, codes={"C003": 1}, subject="m5"),
    case("malformed-and-no-file", malformed_and_gone, C003=1),
    case("counts", lambda s: s.catalog["metadata"].update(memory_count=9), NATIVE, C004=1),
    Case(name="climbs", act=path_outside("../x.json"), codes={"C005": 1}, subject="m5"),
    case("absolute", path_outside("/x.json"), C005=1),
    case("backslash", path_outside("memories\\x.json"), C005=1),
    case("climbs-and-no-file", path_outside("../x.json", gone=True), C005=1),
    Case(name="ghost", act=ghost, codes={"C006": 1}, subject="ghost"),
    case("ghost-of-a-hurt-file", ghost_of_a_hurt_file, C006=1, M003=1),
    case("points-at-another", lambda s: s.set_path("m5", s.path("m4")), C006=1),
    case("rows-cross", rows_cross, C007=2),
    case("moved", moved, C007=1),
    case("moved-in-spelling-only", lambda s: s.set_path("m5", "./" + s.path("m5"))),
    case("score", lambda s: s.set_row("m5", quickrecal_score=0.01), NATIVE, C007=1),
    case("count-of-members", lambda s: s.set_row("a0", member_count=9), NATIVE, C007=1),
    case("quickrecal", lambda s: s.set_row("m5", quickrecal=0.01), ("core-3",), C007=1),
    case("edited", lambda s: s.rot("m5", content="x", updated_at=LATER), NATIVE, C008=1),
    case("edited-assembly", lambda s: s.rot("a0", name="x", updated_at=LATER), NATIVE, C008=1),
    case("no-hash-in-core", lambda s: s.rot("m5", content="x"), CORE),
    case("hash-of-content", hash_of_content, NATIVE),
    case("times-prove-nothing", rot_without_times, NATIVE, M004=1),
    Case(
        name="marked",
        act=lambda s: marked(s, "m5"),
        shapes=NATIVE,
        codes={"C009": 1},
        severity="warning",
    ),
    case("marked-both-kinds", lambda s: marked(s, "m5", "a0"), NATIVE, C009=2),
    case("marked-and-torn", marked_and_torn, NATIVE, C009=1),
    case("marked-and-half-gone", marked_and_half_gone, NATIVE, C009=1),
    case("logged-as-deleted", logged_as_deleted),
)


@rows(*CASES)
def test_catalog(one: Case, shape: str) -> None:
    assert_said(one, shape)


def test_the_field_is_named() -> None:
    shelf = healthy()
    moved(shelf)
    shelf.set_row("m5", quickrecal_score=0.01)
    (finding,) = found(shelf)
    assert finding.evidence["fields"] == ["filepath", "quickrecal_score"]


@pytest.mark.parametrize("shape", BOTH)
def test_the_fates_of_rows(shape: str) -> None:
    shelf = healthy(shape)
    path_outside("../x.json")(shelf)
    shelf.set_path("m4", "memories/nowhere.json")
    del shelf.files[shelf.path("m3")]
    shelf.files[shelf.path("m2")] = "memory", b"{"
    ghost(shelf)
    shelf.set_path("m1", shelf.path("m0"))
    stand = standing(shelf.inventory())
    fates = {claim.ref.id: claim.fate for claim in stand.claims}
    assert [fates[shelf.ids[f"m{n}"]] for n in range(6)] == [
        Fate.STANDS,
        Fate.SHARED,
        Fate.HURT,
        Fate.MISSING,
        Fate.ELSEWHERE,
        Fate.OUTSIDE,
    ]
    without = [claim.ref.id for claim in stand.claims if claim.file is None]
    assert without == [shelf.ids["m3"], "ghost"]
    assert all(map(stand.names_its_file, stand.usual.refs()))
