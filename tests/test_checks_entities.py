"""M001 to M012, their twins, and what each subsumes."""

from __future__ import annotations

from typing import Any

import pytest

from synthstore.checks.frozen import frozen_paths, frozen_refs
from synthstore.checks.standing import Fate, standing
from synthstore.model.facts import FileStatus, PartStatus
from synthstore.model.ids import EntityRef
from tests.inventories import Shelf, healthy
from tests.rules import BOTH, CORE, NATIVE, Case, assert_said, case, found, rows

LATER = "2027-01-01T00:00:00.000000"
QUICK: dict[str, Any] = {"status": FileStatus.UNREAD, "record": None, "sha256": None}


def gone(*labels: str) -> Any:
    def act(shelf: Shelf) -> None:
        for label in labels:
            del shelf.files[shelf.path(label)]

    return act


def overwrite(label: str, raw: bytes, *, listed: bool = True) -> Any:
    def act(shelf: Shelf) -> None:
        kind, _ = shelf.files[shelf.path(label)]
        shelf.files[shelf.path(label)] = kind, raw
        if not listed:
            shelf.drop_row(label)

    return act


def rename_inside(label: str, new: str) -> Any:
    """Another id in the file than its name and row say; the hash fits, where there is one."""

    def act(shelf: Shelf) -> None:
        doc = shelf.doc(label)
        renamed: dict[str, object] = {
            key: new for key in ("id", "memory_id", "assembly_id") if key in doc
        }
        shelf.put(label, {**doc, **renamed})

    return act


def rot_the_id(shelf: Shelf) -> None:
    shelf.rot("m5", memory_id="mem_flipped")


def rot_the_id_into_another(shelf: Shelf) -> None:
    shelf.rot("m5", memory_id=shelf.ids["m4"])


def incomplete_and_unlisted(shelf: Shelf) -> None:
    shelf.rot("m5", content=5)
    shelf.drop_row("m5")


def rename_file(shelf: Shelf) -> None:
    shelf.move("m5", "memories/other.json")


def rename_file_and_follow(shelf: Shelf) -> None:
    rename_file(shelf)
    shelf.set_path("m5", "memories/other.json")


def newcomer(shelf: Shelf) -> None:
    shelf.add("m8", "mem_new")
    shelf.drop_row("m8")


def newcomer_of_foreign_name(shelf: Shelf) -> None:
    newcomer(shelf)
    shelf.move("m8", "memories/other.json")


def copied(**fields: object) -> Any:
    return lambda s: s.copy("m5", "memories/copy.json", **fields)


def listed_copy(shelf: Shelf) -> None:
    """The row names the copy, which has another name: the file of its own name stands."""
    shelf.copy("m5", "memories/copy.json")
    shelf.set_path("m5", "memories/copy.json")


def rotten_listed_copy(shelf: Shelf) -> None:
    shelf.copy("m5", "memories/copy.json", content="x")
    shelf.set_path("m5", "memories/copy.json")


def two_copies_of_foreign_names(shelf: Shelf) -> None:
    shelf.copy("m5", "memories/a.json")
    shelf.copy("m5", "memories/b.json", updated_at=LATER, timestamp=LATER)
    del shelf.files[shelf.path("m5")]
    shelf.set_path("m5", "memories/a.json")


def hurt_beside_whole(shelf: Shelf) -> None:
    shelf.copy("m5", "memories/other.json")
    overwrite("m5", b"")(shelf)


def sealed(status: FileStatus, *, listed: bool = True) -> Any:
    def act(shelf: Shelf) -> None:
        shelf.file_is("m5", status=status, record=None, problem="too deep")
        if not listed:
            shelf.drop_row("m5")

    return act


def quick(shelf: Shelf) -> None:
    shelf.files_are = dict.fromkeys(shelf.files, QUICK)
    shelf.index_is.update(vectors=None)
    shelf.more.update(quick=True, tables={})


def quick_with(act: Any) -> Any:
    def both(shelf: Shelf) -> None:
        act(shelf)
        quick(shelf)

    return both


def bad_id_in_row_and_file(shelf: Shelf) -> None:
    shelf.add("m8", ".hidden")


def bad_id_in_row_only(shelf: Shelf) -> None:
    shelf.rows("m5")["bad\nid"] = shelf.rows("m5").pop(shelf.ids["m5"])


CASES = (
    Case(name="gone", act=gone("m5"), codes={"M001": 1}, severity="error", subject="m5"),
    Case(name="assembly-gone", act=gone("a1"), codes={"A001": 1}, subject="a1"),
    case("unlisted", lambda s: s.drop_row("m5"), M002=1),
    case("assembly-unlisted", lambda s: s.drop_row("a0"), A002=1),
    case("torn", overwrite("m5", b"{"), M003=1),
    case("assembly-torn", overwrite("a0", b"{"), A003=1),
    case("torn-and-unlisted", overwrite("m5", b"{", listed=False), M003=1),
    case("empty", overwrite("m5", b""), M009=1),
    case("assembly-empty", overwrite("a1", b""), A009=1),
    case("no-content", lambda s: s.edit("m5", content=None), M007=1),
    case("no-content-and-unlisted", incomplete_and_unlisted, M007=1),
    case("no-members", lambda s: s.edit("a1", memories={}, memory_ids={}), A007=1),
    case("hurt-beside-whole", hurt_beside_whole, CORE[:1], M009=1, M005=1),
    case("rot", lambda s: s.rot("m5", content="x"), NATIVE, M004=1),
    case("rot-in-embedding", lambda s: s.rot("m5", embedding=[0.0] * 8), NATIVE, M004=1),
    case("rot-in-a-key", lambda s: s.rot("m5", content=None), NATIVE, M004=1),
    case("rot-in-score", lambda s: s.rot("m5", quickrecal_score=7), NATIVE, M004=1),
    case("assembly-rot", lambda s: s.rot("a0", memory_ids=["x"]), NATIVE, A004=1),
    case("rot-in-the-id", rot_the_id, NATIVE, M004=1),
    case("rot-into-another-id", rot_the_id_into_another, NATIVE, M004=1),
    Case(
        name="id-differs",
        act=rename_inside("m5", "mem_x"),
        codes={"M005": 1},
        severity="error",
        subject="mem_x",
    ),
    case("assembly-id-differs", rename_inside("a1", "asm_x"), A005=1),
    case("id-is-a-listed-one", rename_inside("m5", "mem_000000000004"), C006=1, M006=1),
    Case(name="renamed", act=rename_file, codes={"M005": 1}, severity="error", subject="m5"),
    Case(
        name="renamed-and-followed",
        act=rename_file_and_follow,
        codes={"M005": 1},
        severity="warning",
    ),
    case("newcomer", newcomer, M002=1),
    case("newcomer-of-foreign-name", newcomer_of_foreign_name, M002=1, M005=1),
    Case(name="copy", act=copied(), codes={"M006": 1}, subject="m5"),
    case("newer-copy", copied(updated_at=LATER, timestamp=LATER), M006=1),
    case("listed-copy", listed_copy, M006=1),
    case("rotten-listed-copy", rotten_listed_copy, NATIVE, M006=1, M004=1),
    case("foreign-copies", two_copies_of_foreign_names, NATIVE, M005=1, M006=1),
    Case(
        name="score-out-of-range",
        act=lambda s: s.edit("m5", quickrecal_score=3),
        codes={"M008": 1},
        severity="warning",
    ),
    case("opaque", sealed(FileStatus.OPAQUE), M010=1),
    case("opaque-and-unlisted", sealed(FileStatus.OPAQUE, listed=False), M010=1),
    case("rigid", lambda s: s.file_is("m5", rigid=("duplicate keys",)), M010=1),
    case("assembly-rigid", lambda s: s.file_is("a0", rigid=("duplicate keys",)), A010=1),
    case("oversize", sealed(FileStatus.OVERSIZE), M011=1),
    case("bad-id", bad_id_in_row_and_file, M012=1),
    case("bad-id-in-a-row", bad_id_in_row_only, M012=1, M005=1),
    case("asm-id", lambda s: s.add("m8", "asm:x"), NATIVE, M012=1),
    case("asm-id-in-core", lambda s: s.add("m8", "asm:x"), CORE),
    case("quick", quick),
    case("quick-gone", quick_with(gone("m5", "a0")), M001=1, A001=1),
    case("quick-unlisted", quick_with(lambda s: s.drop_row("m5")), M002=1),
    case("quick-renamed", quick_with(rename_file), M001=1, M002=1),
)


@rows(*CASES)
def test_entities(one: Case, shape: str) -> None:
    assert_said(one, shape)


def test_the_row_of_a_missing_file_is_told() -> None:
    shelf = healthy()
    gone("m5")(shelf)
    (finding,) = found(shelf)
    assert finding.rule == "memory-file-missing"
    assert finding.path == shelf.path("m5")
    row = shelf.rows("m5")[shelf.ids["m5"]]
    assert finding.evidence == {"listed_updated_at": row["updated_at"]}
    assert finding.message == "listed in memory_index.json, but the file is missing"


@pytest.mark.parametrize("shape", BOTH)
def test_its_own_name_stands(shape: str) -> None:
    shelf = healthy(shape)
    copied(updated_at=LATER, timestamp=LATER)(shelf)
    ref = EntityRef("memory", shelf.ids["m5"])
    stand = standing(shelf.inventory())
    assert stand.standing_file[ref].path == shelf.path("m5")
    assert stand.losers == {"memories/copy.json": ref}


def test_without_its_own_name_the_newer_stands() -> None:
    shelf = healthy()
    two_copies_of_foreign_names(shelf)
    stand = standing(shelf.inventory())
    assert list(stand.losers) == ["memories/a.json"]


def test_a_rotten_loser_is_left() -> None:
    shelf = healthy()
    rotten_listed_copy(shelf)
    repairs = {f.code: f.repair for f in found(shelf)}
    assert repairs["M006"].startswith("left")
    assert frozen_paths(shelf.inventory()).keys() == {"memories/copy.json"}


def test_rot_in_the_id_freezes_row_and_file() -> None:
    shelf = healthy()
    rot_the_id(shelf)
    inventory = shelf.inventory()
    ids = {"mem_flipped", shelf.ids["m5"]}
    assert frozen_refs(inventory) == {EntityRef("memory", i) for i in ids}


def test_the_heir_of_a_row_is_known() -> None:
    shelf = healthy("core-4")
    rename_inside("m5", "mem_x")(shelf)
    stand = standing(shelf.inventory())
    ref = EntityRef("memory", shelf.ids["m5"])
    assert stand.heir_of == {EntityRef("memory", "mem_x"): ref}
    assert stand.claim_of[ref].fate is Fate.TAKEN
    assert stand.claim_of[ref].file is None


def test_without_a_catalog_files_stand_by_themselves() -> None:
    shelf = healthy()
    shelf.catalog_is.update(status=PartStatus.MISSING, catalog=None)
    overwrite("m5", b"{")(shelf)
    stand = standing(shelf.inventory())
    assert len(stand.standing_file) == len(shelf.ids) - 1
    assert stand.hurt.keys() == {EntityRef("memory", shelf.ids["m5"])}
    assert {f.code for f in found(shelf)} == {"C001", "M003"}
