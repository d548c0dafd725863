"""S001 to S009: what stands where."""

from __future__ import annotations

from typing import Any

import pytest

from synthstore.checks.finding import Severity
from synthstore.model.facts import FileStatus, PartStatus, StrayKind
from synthstore.scan.inventory import AccessProblem, UnfinishedRun
from tests.inventories import HOUR_NS, MEMORIES, STAT, Shelf, healthy
from tests.rules import Case, assert_said, case, found, rows


@pytest.mark.parametrize("shape", ["native", "core-4", "core-3"])
def test_a_healthy_store_has_no_findings(shape: str) -> None:
    assert found(healthy(shape)) == ()


def unfinished(*, alive: bool) -> Any:
    run = UnfinishedRun("20250318T153042Z-1a2b", "repair", alive)
    return lambda s: s.more.update(unfinished=(run,))


def stray(kind: StrayKind, name: str, **facts: Any) -> Any:
    def act(shelf: Shelf) -> None:
        folder = shelf.path("m0").rpartition("/")[0]
        shelf.stray(kind, f"{folder}/{name}".lstrip("/"), "symbolic link", **facts)

    return act


def no_access(shelf: Shelf) -> None:
    remedy = "chmod u+rx memories"
    shelf.more.update(access=(AccessProblem("memories", "cannot be listed", {"uid": 0}, remedy),))


def closed_folder(shelf: Shelf) -> None:
    lose(shelf, exists=True)
    no_access(shelf)


def closed_catalog(shelf: Shelf) -> None:
    path = shelf.layout.catalog_path
    shelf.more.update(access=(AccessProblem(path, "denied", {}, ""),))
    shelf.catalog_is.update(status=PartStatus.UNREADABLE, catalog=None)


def unreadable(shelf: Shelf) -> None:
    shelf.file_is("m0", status=FileStatus.UNREADABLE, record=None, problem="denied")


def unreadable_and_told(shelf: Shelf) -> None:
    unreadable(shelf)
    shelf.more.update(access=(AccessProblem(shelf.path("m0"), "denied", {}, ""),))


def add(*ids: str) -> Any:
    def act(shelf: Shelf) -> None:
        for n, entity_id in enumerate(ids):
            shelf.add(f"m{8 + n}", entity_id)

    return act


def links(*labels: str) -> Any:
    def act(shelf: Shelf) -> None:
        for label in labels:
            shelf.file_is(label, stat=STAT._replace(nlink=2))

    return act


def fifo_for_m5(shelf: Shelf) -> None:
    del shelf.files[shelf.path("m5")]
    shelf.stray(StrayKind.IRREGULAR, shelf.path("m5"), "FIFO", entity_kind="memory")


def lose(shelf: Shelf, *, exists: bool) -> None:
    for n in range(MEMORIES):
        del shelf.files[shelf.path(f"m{n}")]
    folders = dict.fromkeys(shelf.layout.entity_folders, True)
    shelf.more.update(folders={**folders, "memories": exists})


def link_as_folder(shelf: Shelf) -> None:
    lose(shelf, exists=False)
    shelf.stray(StrayKind.IRREGULAR, "memories", "symbolic link", entity_kind="memory")


def lose_but_a_link(shelf: Shelf) -> None:
    lose(shelf, exists=True)
    shelf.stray(StrayKind.IRREGULAR, shelf.path("m0"), "symbolic link", entity_kind="memory")


def forget_all(shelf: Shelf) -> None:
    lose(shelf, exists=False)
    for n in range(MEMORIES):
        shelf.drop_row(f"m{n}")
        shelf.drop_vector(f"m{n}")
        shelf.unmap(f"m{n}")
    for n in range(2):
        del shelf.files[shelf.path(f"a{n}")]
        shelf.drop_row(f"a{n}")
        shelf.drop_vector(f"a{n}")
        shelf.unmap(f"a{n}")


CASES = (
    Case(name="run", act=unfinished(alive=False), codes={"S001": 1}, severity="error"),
    Case(name="run-at-work", act=unfinished(alive=True), codes={"S001": 1}, severity="info"),
    case("leftover", stray(StrayKind.LEFTOVER, "x.json.tmp"), S002=1),
    case("fresh-leftover", stray(StrayKind.LEFTOVER, "x.json.tmp", age_ns=HOUR_NS // 2)),
    Case(
        name="foreign",
        act=stray(StrayKind.FOREIGN, "x.bak"),
        codes={"S003": 1},
        severity="info",
        subject="memories/x.bak",
    ),
    case("irregular", stray(StrayKind.IRREGULAR, "x.json"), S004=1),
    case(
        "irregular-at-a-row",
        fifo_for_m5,
        S004=1,
        M001=1,
    ),
    Case(name="no-access", act=no_access, codes={"S005": 1}, subject="memories"),
    Case(name="unreadable", act=unreadable, codes={"S005": 1}, subject=None),
    case("unreadable-and-told", unreadable_and_told, S005=1),
    case("case-collision", add("mem_AB", "mem_ab"), S006=1),
    case("device-elsewhere", add("CON", "nul.txt", "com7"), S006=3),
    case("no-device-anywhere", add("console", "nullable", "com0", "com")),
    case("cut-short-elsewhere", add("mem_a.", "mem_b "), S006=2),
    case("unicode-collision", add("caf\u00e9", "cafe\u0301"), S006=1),
    case("no-collision", add("caf\u00e9", "cafe")),
    case("hard-links", links("m0", "a0"), S007=1),
    Case(
        name="nested", act=stray(StrayKind.NESTED_STORE, "old"), codes={"S008": 1}, severity="info"
    ),
    case("folder-missing", lambda s: lose(s, exists=False), S009=1),
    case("folder-empty", lambda s: lose(s, exists=True), S009=1),
    case("folder-a-link", link_as_folder, S004=1, S009=1),
    case("folder-not-empty", lose_but_a_link, S004=1, M001=MEMORIES),
    case("nobody-listed", forget_all),
    Case(
        name="root-emptied",
        act=lambda s: lose(s, exists=True),
        codes={"S009": 1},
        shapes=("core-3",),
        subject=".",
    ),
    case("closed-folder", closed_folder, S005=1),
    case("closed-catalog", closed_catalog, S005=1),
)


@rows(*CASES)
def test_structure(one: Case, shape: str) -> None:
    assert_said(one, shape)


def test_the_remedy_is_told() -> None:
    shelf = healthy()
    no_access(shelf)
    assert found(shelf)[0].repair == "none: chmod u+rx memories"


def test_lost_folder_counts_its_rows() -> None:
    shelf = healthy()
    lose(shelf, exists=False)
    finding = found(shelf)[0]
    assert finding.subject.id == "memories"
    assert finding.evidence["count"] == MEMORIES
    assert finding.evidence["state"] == "missing"


def test_hard_links_are_counted() -> None:
    shelf = healthy()
    links("m0", "m1", "a0")(shelf)
    (finding,) = found(shelf)
    assert finding.severity is Severity.INFO
    assert finding.evidence["count"] == 3


def test_a_hurt_file_in_a_quick_look_is_not_seen() -> None:
    shelf = healthy()
    for label in shelf.ids:
        shelf.file_is(label, status=FileStatus.UNREAD, record=None)
    assert found(shelf, select=["S"]) == ()
