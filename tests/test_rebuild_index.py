"""rebuild-index: catalog and vectors from the entity files alone, nothing else touched."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from synthstore.checks.report import NO_FILE, RepairReport
from synthstore.errors import PermissionDeniedError, RefusedError, UsageError
from synthstore.render.human import outcome_blocks, plan_blocks
from synthstore.render.screen import Block, Line
from synthstore.repair.operation import RepairOptions, repair
from synthstore.repair.rebuild import RebuildOptions, rebuild_index
from synthstore.store.vectors import read_index
from synthstore.testing.damages import acts
from synthstore.testing.damages.misplaced import move_astray
from synthstore.testing.damages.vectors import add_orphan, drop_vector
from synthstore.testing.spelling import Name
from synthstore.testing.stores import Built, build
from tests.operate import codes, look, take_back
from tests.program import Program
from tests.trees import changed, sha_tree
from tests.users import as_nobody, common_folder

LAYOUTS: tuple[Name, ...] = ("native", "core-4", "core-3")
Part = Literal["memory-index", "vectors"]


@pytest.fixture(params=LAYOUTS)
def built(request: pytest.FixtureRequest, tmp_path: Path) -> Built:
    return build(request.param, tmp_path / "store")


def do(
    built: Built,
    only: Part | None = None,
    *,
    factory: str | None = None,
    metric: str | None = None,
    allow_shrink: bool = False,
    dry_run: bool = False,
) -> RepairReport:
    options = RebuildOptions(
        only=only,
        factory=factory,
        metric=metric,
        allow_shrink=allow_shrink,
        dry_run=dry_run,
        jobs=1,
    )
    return asyncio.run(rebuild_index(built.root, options, confirm=lambda _: True))


def index_of(built: Built) -> tuple[str, str, int]:
    facts = read_index(built.root, built.index.relative_to(built.root).as_posix())
    return facts.description, facts.metric, facts.ntotal


def test_a_healthy_store_gets_the_same_bytes(built: Built) -> None:
    before = sha_tree(built.root)
    report = do(built)
    assert sha_tree(built.root) == before
    assert report.run is None


def test_all_parts_gone_come_back_from_the_files(built: Built) -> None:
    files = sha_tree(built.root)
    for part in (built.catalog, built.index, built.mapping):
        part.unlink()
    do(built)
    assert not look(built.root).findings
    touched = changed(files, sha_tree(built.root))
    assert touched <= built.parts


def test_garbage_in_both_is_replaced_and_undone(built: Built) -> None:
    built.catalog.write_bytes(b"{ torn")
    built.index.write_bytes(b"garbage")
    hurt = sha_tree(built.root)
    do(built)
    assert not look(built.root).findings
    take_back(built.root)
    assert sha_tree(built.root) == hurt


def test_only_the_catalog(built: Built) -> None:
    acts.forget_row(built, built.memories[1])
    add_orphan(built)
    index = built.index.read_bytes()
    report = do(built, "memory-index")
    assert built.index.read_bytes() == index
    assert "M002" not in codes(report)
    assert "V004" in codes(report)


def test_only_the_vectors(built: Built) -> None:
    acts.forget_row(built, built.memories[1])
    add_orphan(built)
    drop_vector(built, built.memories[2])
    catalog = built.catalog.read_bytes()
    report = do(built, "vectors")
    assert built.catalog.read_bytes() == catalog
    assert codes(report) == {"M002": 1}


def test_type_and_metric_are_kept_unless_told(built: Built) -> None:
    was = index_of(built)
    add_orphan(built)
    do(built, "vectors")
    assert index_of(built) == was


@pytest.mark.parametrize(
    ("factory", "description"), [("IDMap2,HNSW8,Flat", "HNSW8"), ("IDMap2,IVF2,Flat", "IVF2")]
)
def test_another_type_on_demand(built: Built, factory: str, description: str) -> None:
    report = do(built, "vectors", factory=factory)
    assert description in index_of(built)[0]
    assert index_of(built)[2] == 14
    assert not report.findings
    add_orphan_free = do(built, "vectors")
    assert description in index_of(built)[0], add_orphan_free.actions
    take_back(built.root)


def test_another_metric_on_demand(built: Built) -> None:
    other = "l2" if index_of(built)[1] == "ip" else "ip"
    do(built, "vectors", metric=other)
    assert index_of(built)[1:] == (other, 14)


def test_an_unknown_type_is_wrong_usage_and_changes_nothing(built: Built) -> None:
    before = sha_tree(built.root)
    with pytest.raises(UsageError, match="Nonsense7"):
        do(built, "vectors", factory="Nonsense7")
    assert sha_tree(built.root) == before


def test_too_few_vectors_to_train_says_how_many(built: Built) -> None:
    with pytest.raises(UsageError, match="14") as error:
        do(built, "vectors", factory="IDMap2,IVF64,Flat")
    assert "64" in (error.value.hint or "")


def test_the_only_copy_of_an_embedding_is_not_dropped(built: Built) -> None:
    memory = built.memories[3]
    built.edit(memory, lambda doc: doc.update({built.embedding_key(memory): None}))
    before = sha_tree(built.root)
    with pytest.raises(RefusedError, match="only copy"):
        do(built, "vectors")
    assert sha_tree(built.root) == before
    do(built, "vectors", allow_shrink=True)
    assert index_of(built)[2] == 13


def test_rot_keeps_its_row_and_its_vector(tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    memory = built.memories[4]
    row = built.row(memory)
    raw = built.file(memory).read_bytes()
    built.file(memory).write_bytes(raw.replace(b'"content": "', b'"content": "~', 1))
    report = do(built)
    assert codes(report) == {"M004": 1}
    assert built.row(memory) == row
    assert index_of(built)[2] == 14


def test_rows_that_would_go_are_counted(tmp_path: Path) -> None:
    built = build("core-4", tmp_path / "store", memories=40, assemblies=0)
    for memory in built.memories[:12]:
        acts.unlink(built, memory)
    with pytest.raises(RefusedError, match="12 of 40"):
        do(built, "memory-index")


def test_unknown_keys_of_rows_survive(tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    memory = built.memories[0]
    changes = {"pinned": True, "created_at": "1999-01-01T00:00:00"}
    built.edit_rows(lambda rows: rows[memory].update(changes), memory)
    do(built, "memory-index")
    row = json.loads(built.catalog.read_text())["memories"][memory]
    assert row["pinned"] is True
    assert row["created_at"] != "1999-01-01T00:00:00"


def test_a_dry_run_builds_nothing(built: Built) -> None:
    add_orphan(built)
    before = sha_tree(built.root, skip="")
    report = do(built, dry_run=True)
    assert {a.kind for a in report.actions} == {"write-index"}
    assert sha_tree(built.root, skip="") == before


def test_many_vectors_of_entities_that_no_list_knows_are_not_dropped_silently(
    tmp_path: Path,
) -> None:
    built = build("native", tmp_path / "store", memories=40)
    for memory in built.memories[:15]:
        built.file(memory).unlink()
    built.catalog.write_bytes(built.catalog.read_bytes()[:-7])
    before = sha_tree(built.root)
    with pytest.raises(RefusedError, match="15 of 42 vectors would go"):
        do(built)
    refused = do(built, "vectors", dry_run=True).refused
    assert refused is not None
    assert "15 of 42 vectors" in refused
    assert sha_tree(built.root) == before
    do(built, allow_shrink=True)
    assert index_of(built)[2] == 27


def test_what_no_file_holds_is_named(built: Built) -> None:
    lost = sorted(built.memories[8:11])
    for memory in lost:
        built.file(memory).unlink()
    report = do(built)
    gone = [a for a in report.actions if a.kind == "drop-row"]
    assert sorted(a.subject.id for a in gone) == lost
    assert {a.because for a in gone} == {NO_FILE}
    by = told(outcome_blocks(report, verbose=False, quiet=False), lost)
    back = f"`synthstore undo {built.root}`, then `synthstore repair {built.root} --repo REPO`"
    assert by == f"what a snapshot holds of them comes back by: {back}"


def told(blocks: Iterable[Block], ids: Iterable[str]) -> str:
    """The line behind the one that names all of these."""
    lines = [block.text for block in blocks if isinstance(block, Line)]
    at = next(at for at, line in enumerate(lines) if all(one in line for one in ids))
    return lines[at + 1]


def test_what_only_a_snapshot_could_hold_is_told_before(built: Built) -> None:
    lost = sorted(built.memories[8:11])
    for memory in lost:
        built.file(memory).unlink()
    by = told(plan_blocks(do(built, dry_run=True), verbose=False), lost)
    back = f"`synthstore repair {built.root} --repo REPO`"
    assert by == f"what a snapshot holds of them comes back by: {back}"


def test_the_advice_for_what_a_snapshot_holds_is_true(
    built: Built, cli: Program, tmp_path: Path
) -> None:
    before, repo = sha_tree(built.root), tmp_path / "repo"
    assert cli("backup", built.root, "--repo", repo).code == 0
    memory = built.memories[8]
    built.file(memory).unlink()
    do(built)
    take_back(built.root)
    assert cli("repair", built.root, "--repo", repo, "--yes").code == 0
    assert sha_tree(built.root) == before


@pytest.mark.parametrize("only", [None, "memory-index", "vectors"])
@pytest.mark.parametrize("aside", ["{}.bak", "{}.1a2b3c4d.tmp", "old/{}.json"])
def test_the_row_and_the_vector_of_what_a_copy_survives_of_stay(
    built: Built, only: Part | None, aside: str
) -> None:
    memory = built.memories[8]
    before, row, path = sha_tree(built.root), built.row(memory), built.file(memory)
    target = path.parent / aside.format(path.stem)
    target.parent.mkdir(exist_ok=True)
    path.rename(target)
    report = do(built, only)
    assert built.row(memory) == row
    assert built.vector_id(memory) in built.entries()
    assert index_of(built)[2] == 14
    assert codes(report)["M001"] == 1
    assert report.next == f"synthstore repair {built.root} --dry-run"
    waiting = [a for a in report.actions if a.subject.id == memory and only != "vectors"]
    assert [(a.kind, a.status, a.source) for a in waiting] == [
        ("drop-row", "skipped", target.relative_to(built.root).as_posix())
    ] * (only != "vectors")
    asyncio.run(repair(built.root, RepairOptions(), confirm=lambda _: True))
    assert before[built.paths[memory]] == sha_tree(built.root)[built.paths[memory]]
    assert codes(look(built.root)).keys() <= {"S003"}


def test_a_row_whose_deletion_had_begun_waits_for_no_copy(tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    memory = built.memories[8]
    path = built.file(memory)
    path.rename(path.with_suffix(".bak"))
    acts.set_row(deleted_at="2025-03-18T15:30:42")(built, memory)
    do(built)
    assert memory not in json.loads(built.catalog.read_text())["memories"]
    assert memory not in built.entries()


@pytest.fixture
def ordinary(tmp_path: Path) -> Iterator[Built]:
    """A store of an ordinary user, who we are then."""
    # What is imported only when it is needed may be closed to that user.
    foreign = build("native", tmp_path / "store")
    foreign.index.unlink()
    do(foreign)
    with common_folder() as parent, as_nobody():
        built = build("native", parent / "store", memories=9)
        yield built
        for path in (built.root / "memories", built.root / "assemblies"):
            path.chmod(0o755)


@pytest.mark.parametrize("mode", [0, 0o100, 0o400])
@pytest.mark.parametrize("folder", ["memories", "assemblies"])
@pytest.mark.parametrize("only", [None, "memory-index", "vectors"])
def test_what_is_in_a_closed_folder_is_not_gone(
    folder: str, only: Part | None, mode: int, ordinary: Built
) -> None:
    before = sha_tree(ordinary.root)
    closed = ordinary.root / folder
    whole = closed.stat().st_mode
    closed.chmod(mode)
    for dry_run in (True, False):
        with pytest.raises(PermissionDeniedError, match="is closed to this user") as caught:
            do(ordinary, only, allow_shrink=True, dry_run=dry_run)
        assert str(caught.value.hint).startswith(f"chmod u+rx {closed} ")
    closed.chmod(whole)
    assert sha_tree(ordinary.root) == before


def test_a_closed_file_keeps_its_row_and_vector(ordinary: Built) -> None:
    memory = ordinary.memories[2]
    row, vectors = ordinary.row(memory), index_of(ordinary)
    ordinary.file(memory).chmod(0)
    assert set(codes(do(ordinary))) == {"S005"}
    assert (ordinary.row(memory), index_of(ordinary)) == (row, vectors)


@pytest.mark.parametrize("only", [None, "vectors"])
@pytest.mark.parametrize("listed", ["listed", "on no list"])
def test_the_vector_of_a_memory_in_the_wrong_folder_waits_for_it(
    built: Built, listed: str, only: Part | None
) -> None:
    memory = built.memories[8]
    move_astray(built, memory)
    if listed == "on no list":
        acts.forget_row(built, memory)
    count = index_of(built)[2]
    do(built, only)
    assert index_of(built)[2] == count
    mended = asyncio.run(repair(built.root, RepairOptions(), confirm=lambda _: True))
    assert "write-index" not in {action.kind for action in mended.actions}
    assert not look(built.root).findings
