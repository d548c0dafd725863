"""What an operator may choose: codes, ids, acceptance, shrinking; and what moves meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthstore.checks.finding import Severity
from synthstore.checks.report import LOST, ORPHAN, ORPHAN_OF, RepairReport
from synthstore.errors import InterruptedByUserError, LockedError, RefusedError
from synthstore.files import pieces
from synthstore.render.redact import hashed, redacted
from synthstore.repair import beside, sources
from synthstore.repair.operation import RepairOptions, repair
from synthstore.store.backups import Copies
from synthstore.store.part_file import OpenFile, open_file
from synthstore.store.session import Session
from synthstore.testing import harm
from synthstore.testing.damages import acts
from synthstore.testing.damages.catalog import count_wrongly
from synthstore.testing.damages.contents import forget_wholly
from synthstore.testing.damages.misplaced import move_astray
from synthstore.testing.damages.structure import nest
from synthstore.testing.damages.vectors import ORPHAN as NAMED
from synthstore.testing.damages.vectors import (
    add_orphan,
    drop_vector,
    map_orphan,
    other_dimension,
)
from synthstore.testing.stores import Built, build
from tests.operate import codes, look, take_back
from tests.program import Program
from tests.trees import changed, sha_tree


@pytest.fixture
def built(tmp_path: Path) -> Built:
    return build("native", tmp_path / "store")


def do(
    root: Path,
    options: RepairOptions,
    confirm: Callable[[RepairReport], bool] = lambda _: True,
) -> RepairReport:
    return asyncio.run(repair(root, options, confirm=confirm))


def hurt(built: Built) -> None:
    """An unlisted memory, a torn one, a missing vector, an orphan vector."""
    acts.forget_row(built, built.memories[1])
    acts.tail(built, built.memories[2])
    drop_vector(built, built.memories[3])
    add_orphan(built)


def test_a_plan_names_the_memory_of_which_only_a_vector_is_left(built: Built) -> None:
    add_orphan(built)
    (removed,) = do(built.root, RepairOptions(dry_run=True, select=("V004",))).actions[:1]
    assert removed.because == ORPHAN
    map_orphan(built)
    (removed,) = do(built.root, RepairOptions(dry_run=True, select=("V004",))).actions[:1]
    assert (removed.kind, removed.because) == ("remove-vector", f"{ORPHAN_OF}{NAMED}")


def test_select_mends_only_the_codes_chosen(built: Built) -> None:
    hurt(built)
    before = codes(look(built.root))
    report = do(built.root, RepairOptions(select=("M002",)))
    assert codes(report) == {code: n for code, n in before.items() if code != "M002"}


def test_select_by_prefix_mends_vectors_and_leaves_the_catalog(built: Built) -> None:
    hurt(built)
    catalog = built.catalog.read_bytes()
    report = do(built.root, RepairOptions(select=("V",)))
    assert not any(code.startswith("V") for code in codes(report))
    assert {"M002", "M003"} <= codes(report).keys()
    assert built.catalog.read_bytes() == catalog


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        ("-rf", "no file is given to its id, which begins with '-'"),
        ("a/b", "no file is given to its id, which holds a path separator"),
        ("x" * 201, "no file is given to its id, which is 201 bytes long; 1 to 200 are allowed"),
        (
            "x.0123abcd.tmp",
            "no file is given to its id: memories/x.0123abcd.tmp.json would be none of a memory",
        ),
    ],
)
def test_no_member_of_an_id_that_is_not_allowed_gets_a_file(
    odd: str, why: str, tmp_path: Path
) -> None:
    built = build("core-4", tmp_path / "store")
    built.edit(
        built.assemblies[0], lambda doc: doc["memories"].append({**doc["memories"][0], "id": odd})
    )
    before = sha_tree(built.root)
    (finding,) = look(built.root).findings
    assert (finding.code, finding.repair) == ("A020", f"left: {why}")
    report = do(built.root, RepairOptions(select=("A020",)))
    assert (report.actions, codes(report)) == ((), {"A020": 1})
    assert sha_tree(built.root) == before


def test_a_member_whose_place_is_taken_is_left(tmp_path: Path) -> None:
    built = build("core-4", tmp_path / "store")
    first, second = built.memories[:2]
    forget_wholly(built, first)
    built.file(second).rename(built.file(first))
    (finding,) = (one for one in look(built.root).findings if one.code == "A020")
    assert finding.repair == "left: something else stands in the place of its file"
    report = do(built.root, RepairOptions(select=("A020",)))
    assert not any(action.kind == "recover-file" for action in report.actions)


def test_ignore_leaves_the_codes_named(built: Built) -> None:
    hurt(built)
    report = do(built.root, RepairOptions(ignore=("M",)))
    assert codes(report) == {"M002": 1, "M003": 1}


def test_id_mends_one_entity(built: Built) -> None:
    for memory in built.memories[1:4]:
        acts.forget_row(built, memory)
    report = do(built.root, RepairOptions(ids=frozenset({built.memories[2]})))
    assert [f.subject.id for f in report.findings] == sorted([built.memories[1], built.memories[3]])


def test_safe_adopts_and_mends_vectors_and_touches_no_file(built: Built) -> None:
    hurt(built)
    count_wrongly(built)
    files = {path: path.read_bytes() for path in (built.root / "memories").iterdir()}
    report = do(built.root, RepairOptions(safe=True))
    assert codes(report) == {"M003": 1}
    assert {path: path.read_bytes() for path in (built.root / "memories").iterdir()} == files


def test_safe_never_drops_a_row(built: Built) -> None:
    acts.unlink(built, built.memories[9])
    report = do(built.root, RepairOptions(safe=True))
    assert report.run is None
    assert codes(report)["M001"] == 1


def test_a_dry_run_changes_nothing_and_tells_what_it_would(built: Built) -> None:
    hurt(built)
    before = sha_tree(built.root, skip="")
    report = do(built.root, RepairOptions(dry_run=True), confirm=lambda _: pytest.fail("asked"))
    assert sha_tree(built.root, skip="") == before
    assert report.run is None
    assert {a.kind for a in report.actions} >= {"adopt-row", "salvage-file", "add-vector"}
    assert {a.status for a in report.actions} == {"planned"}
    assert report.bytes_needed > 0
    assert report.exit_code == 1


def test_declining_changes_nothing(built: Built) -> None:
    hurt(built)
    before = sha_tree(built.root)
    with pytest.raises(InterruptedByUserError):
        do(built.root, RepairOptions(), confirm=lambda _: False)
    assert sha_tree(built.root) == before


def test_nothing_to_do_asks_nothing_and_records_nothing(built: Built) -> None:
    report = do(built.root, RepairOptions(), confirm=lambda _: pytest.fail("asked"))
    assert (report.run, report.actions, report.clean) == (None, (), True)


def test_many_entities_going_is_refused_with_the_flag_named(tmp_path: Path) -> None:
    built = build("native", tmp_path / "store", memories=40)
    for memory in built.memories[20:32]:
        acts.unlink(built, memory)
    before = sha_tree(built.root)
    with pytest.raises(RefusedError) as refused:
        do(built.root, RepairOptions())
    assert "12 of 42" in refused.value.message
    assert "--allow-shrink" in (refused.value.hint or "")
    assert sha_tree(built.root) == before
    dry = do(built.root, RepairOptions(dry_run=True))
    assert dry.refused is not None
    report = do(built.root, RepairOptions(allow_shrink=True))
    assert not {"M001", "V004"} & codes(report).keys()


def test_ten_entities_may_go(tmp_path: Path) -> None:
    built = build("native", tmp_path / "store", memories=40)
    for memory in built.memories[20:30]:
        acts.unlink(built, memory)
    assert "M001" not in codes(do(built.root, RepairOptions()))


def test_the_only_copy_of_an_embedding_is_not_dropped(built: Built) -> None:
    """The index is of another dimension, and one memory has its embedding nowhere else."""
    built.edit(built.memories[5], lambda doc: doc.update(embedding=None))
    other_dimension(built)
    before = sha_tree(built.root)
    with pytest.raises(RefusedError, match="only copy"):
        do(built.root, RepairOptions())
    assert sha_tree(built.root) == before
    assert do(built.root, RepairOptions(allow_shrink=True)).run is not None


@pytest.mark.parametrize("kept", [0, 13])
def test_a_vector_that_only_a_lost_mapping_entry_named_is_not_dropped(
    built: Built, kept: int
) -> None:
    """Counted ids, as after a Memory Core's rebuild: the mapping alone says whose a vector is."""
    memory = built.memories[5]
    built.edit(memory, lambda doc: doc.update(embedding=None))
    names = {number: name for name, number in built.entries().items()}
    flat = built.vectors()
    counted = {names[int(number)]: n for n, number in enumerate(flat.ids)}
    built.put_vectors(replace(flat, ids=np.arange(len(flat.ids), dtype=np.int64)))
    del counted[memory]
    built.mapping.write_text(json.dumps(dict(list(counted.items())[:kept])))
    before = sha_tree(built.root)
    with pytest.raises(RefusedError, match="only copy"):
        do(built.root, RepairOptions())
    assert sha_tree(built.root) == before
    assert do(built.root, RepairOptions(allow_shrink=True)).run is not None


def test_a_file_that_changes_while_we_ask_is_left_alone(built: Built) -> None:
    torn, other = built.memories[2], built.memories[1]
    acts.tail(built, torn)
    acts.forget_row(built, other)

    def a_writer_meanwhile(_: RepairReport) -> bool:
        with built.file(torn).open("ab") as file:
            file.write(b" ")
        return True

    report = do(built.root, RepairOptions(), a_writer_meanwhile)
    assert built.file(torn).read_bytes().endswith(b" ")
    assert codes(report) == {"M003": 1}
    assert other in built.catalog.read_text()
    skipped = [a for a in report.actions if a.status == "skipped"]
    assert {(a.subject.id, a.because) for a in skipped} == {
        (torn, "it changed while the repair looked")
    }


@pytest.mark.parametrize("members", [1, pieces.MEMBERS])
def test_a_catalog_that_changes_while_we_ask_is_read_again(
    built: Built, members: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "MEMBERS", members)
    acts.forget_row(built, built.memories[1])

    def a_writer_meanwhile(_: RepairReport) -> bool:
        built.edit_catalog(lambda document: document["metadata"].update(last_updated="2026-01-01"))
        return True

    report = do(built.root, RepairOptions(), a_writer_meanwhile)
    assert report.clean
    assert "2026-01-01" in built.catalog.read_text()


@pytest.mark.parametrize(("failing", "times"), [(1, 1), (2, 2), (3, 6), (9, 3)])
def test_rows_that_stand_are_copied_or_else_spelt(
    built: Built, tmp_path: Path, failing: int, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It is opened to prove the spelling, to hash what is to be written, and to write it.
    hurt(built)
    other = Path(shutil.copytree(built.root, tmp_path / "other"))
    do(other, RepairOptions())
    monkeypatch.setattr(pieces, "MEMBERS", 1)
    asked: list[str] = []

    def give_out(root: Path, path: str) -> AbstractContextManager[OpenFile]:
        asked.append(path)
        if len(asked) == failing:
            raise FileNotFoundError
        return open_file(root, path)

    monkeypatch.setattr("synthstore.store.original.open_file", give_out)
    do(built.root, RepairOptions())
    assert asked == [built.catalog.name] * times
    assert built.catalog.read_bytes() == (other / built.catalog.name).read_bytes()


def test_repair_waits_for_nobody_unless_told(built: Built) -> None:
    hurt(built)
    with Session(built.root), pytest.raises(LockedError):
        do(built.root, RepairOptions())


def test_accept_takes_the_rotten_file_as_the_truth(built: Built) -> None:
    memory = built.memories[4]
    raw = built.file(memory).read_bytes()
    built.file(memory).write_bytes(raw.replace(b'"content": "', b'"content": "~', 1))
    assert codes(do(built.root, RepairOptions())) == {"M004": 1}
    options = RepairOptions(accept=("M004",), ids=frozenset({memory}))
    report = do(built.root, options)
    assert codes(report) == {}
    assert b"~" in built.file(memory).read_bytes()


def test_fail_on_decides_what_is_clean(built: Built) -> None:
    built.edit(built.memories[4], lambda doc: doc.update(embedding=[0.0] * 16))
    drop_vector(built, built.memories[4])
    strict = do(built.root, RepairOptions(fail_on=Severity.WARNING))
    assert (strict.clean, strict.exit_code) == (False, 1)
    lax = do(built.root, RepairOptions(fail_on=Severity.ERROR))
    assert (lax.clean, lax.exit_code) == (True, 0)


def test_undo_gives_back_what_safe_changed(built: Built) -> None:
    hurt(built)
    before = sha_tree(built.root)
    do(built.root, RepairOptions(safe=True))
    assert changed(before, sha_tree(built.root)) != set()
    take_back(built.root)
    assert sha_tree(built.root) == before


def test_the_old_catalog_is_copied_before_it_is_replaced(built: Built) -> None:
    acts.forget_row(built, built.memories[1])
    count_rightly = built.catalog.read_bytes()
    do(built.root, RepairOptions())
    (copy,) = (built.root / ".synthstore/index_backups").iterdir()
    assert copy.read_bytes() == count_rightly
    acts.forget_row(built, built.memories[2])
    do(built.root, RepairOptions())
    assert list(copy.parent.iterdir()) == [copy], "two within the interval"
    built.catalog.write_bytes(b"{ torn")
    do(built.root, RepairOptions(copies=Copies(3, 0)))
    assert list(copy.parent.iterdir()) == [copy], "a bad catalog was copied"
    acts.forget_row(built, built.memories[3])
    do(built.root, RepairOptions(copies=Copies(1, 0)))
    (newer,) = copy.parent.iterdir()
    assert newer != copy


def test_what_is_left_for_good_is_not_sent_to_repair_again(tmp_path: Path) -> None:
    built = build("core-4", tmp_path / "a store")
    path = built.file(built.memories[0])
    path.unlink()
    path.symlink_to(built.paths[built.memories[1]])
    report = do(built.root, RepairOptions())
    assert codes(report) == {"M001": 1, "S004": 1}
    assert report.next is None


def test_rot_is_left_with_the_command_that_accepts_it(tmp_path: Path) -> None:
    built = build("native", tmp_path / "a store")
    harm.flip_embedding(built, built.memories[8])
    accept = f"synthstore repair '{built.root}' --accept M004 --id={built.memories[8]} --dry-run"
    assert look(built.root).next == f"synthstore repair '{built.root}' --dry-run"
    for options in (RepairOptions(dry_run=True), RepairOptions()):
        report = do(built.root, options)
        assert report.next == accept
        assert redacted(report).next == accept.replace(built.memories[8], "ID")


def test_a_reason_is_said_once(built: Built) -> None:
    acts.set_path("../out.json")(built, built.memories[8])
    row = next(a for a in do(built.root, RepairOptions()).actions if a.kind == "rewrite-row")
    assert row.because == f"its file is {built.paths[built.memories[8]]}; out of date: filepath"


def test_a_limited_repair_leaves_the_rest_to_a_whole_one(built: Built) -> None:
    hurt(built)
    for options in (RepairOptions(select=("M002",)), RepairOptions(safe=True)):
        assert (do(built.root, options).next or "").endswith("store --dry-run")


def test_a_backup_tells_of_memories_that_are_not_mounted(tmp_path: Path) -> None:
    built = build("native", tmp_path / "store", memories=5, assemblies=1)
    kept = built.root / "backups/index/memory_index.20250318_153042.json"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(built.catalog.read_bytes())
    harm.hurt_part(built.catalog, harm.nulled)
    shutil.rmtree(built.root / "memories")
    before = sha_tree(built.root)
    with pytest.raises(RefusedError):
        do(built.root, RepairOptions())
    assert sha_tree(built.root) == before
    assert do(built.root, RepairOptions(allow_shrink=True)).run is not None


@pytest.mark.parametrize(
    "limit", [{"select": ("V003",)}, {"ignore": ("V009",)}, {"ids": True}], ids=str
)
def test_an_index_of_another_dimension_takes_no_vector(
    built: Built, limit: dict[str, object]
) -> None:
    drop_vector(built, built.memories[3])
    other_dimension(built)
    ids = {"ids": frozenset(built.memories[3:4])} if "ids" in limit else limit
    index = built.index.read_bytes()
    report = do(built.root, RepairOptions(**ids))
    assert codes(report)["V009"] == 1
    assert built.index.read_bytes() == index


def test_a_memory_that_another_overwrote_is_told_as_lost(tmp_path: Path) -> None:
    built = build("core-4", tmp_path / "store")
    victim = built.memories[11]
    built.overwrite(victim, built.raw(built.memories[9]))
    for options in (RepairOptions(ignore=("C",), dry_run=True), RepairOptions(ignore=("C",))):
        report = do(built.root, options)
        assert [a.subject.id for a in report.actions if a.because == LOST] == [victim]
    assert do(built.root, RepairOptions()).run is None


def test_what_another_overwrote_is_accepted_in_one_repair(built: Built) -> None:
    victim, other = built.memories[10], built.memories[9]
    raw = built.raw(other)
    built.overwrite(victim, raw)
    accept = RepairOptions(accept=("M004",), accept_all=True)
    assert codes(do(built.root, accept)) == {}
    assert do(built.root, accept).run is None
    assert built.row(other)["filepath"] == built.paths[other]
    assert not built.file(victim).exists()


def test_a_memory_whose_file_is_accepted_as_anothers_is_told_as_lost(
    built: Built, cli: Program
) -> None:
    victim = built.memories[3]
    document = built.read(victim) | {"memory_id": "another"}
    built.file(victim).write_text(json.dumps(document))
    accept = ("--accept", "M004", "--all")
    told = f"lost, since the file of each was accepted as another's: {victim}"
    planned = cli("repair", built.root, *accept, "--dry-run")
    assert f"would be {told}" in planned.lines
    actions = cli("repair", built.root, *accept, "--dry-run", "--json").document["actions"]
    dropped = [a["subject"]["id"] for a in actions if a["kind"] == "drop-row"]
    assert dropped == [victim]
    shown = cli("repair", built.root, *accept, "--dry-run", "--redact")
    assert f"would be {told}".replace(victim, hashed(victim)) in shown.lines
    done = cli("repair", built.root, *accept, "--yes")
    assert told in done.lines
    assert built.row("another")["filepath"] == built.paths[victim]


def test_a_row_whose_file_became_anothers_is_told_as_lost(built: Built, cli: Program) -> None:
    victim, other = built.memories[3], built.memories[9]
    built.file(victim).write_bytes(built.raw(other))
    built.file(other).unlink()
    planned = cli("repair", built.root, "--dry-run")
    assert f"would be lost, since no copy lies in the store: {victim}" in planned.lines


def test_the_id_that_a_row_gets_is_not_told_if_ids_are_redacted(tmp_path: Path) -> None:
    built = build("core-4", tmp_path / "store")
    renamed = built.memories[3]
    document = built.read(renamed) | {"id": "another one"}
    built.file(renamed).write_text(json.dumps(document))
    report = do(built.root, RepairOptions(dry_run=True))
    assert any("another one" in action.because for action in report.actions)
    assert not any("another" in action.because for action in redacted(report).actions)


def put_aside(built: Built, name: str) -> Path:
    """Move a memory's file to the ``name`` that begins with its own; gives where it is."""
    path = built.file(built.memories[8])
    aside = path.with_name(name.replace("@", path.name))
    path.rename(aside)
    os.utime(aside, (0, 0))
    return aside


@pytest.mark.parametrize(
    "options",
    [RepairOptions(select=("S002",)), RepairOptions(ignore=("M",)), RepairOptions(safe=True)],
    ids=["select", "ignore", "safe"],
)
def test_the_only_copy_of_what_is_not_mended_stays_where_it_lies(
    built: Built, options: RepairOptions
) -> None:
    aside = put_aside(built, "@.tmp")
    report = do(built.root, options)
    assert codes(report) == {"M001": 1, "S002": 1}
    assert report.run is None
    assert aside.exists()


def test_the_only_copy_stays_where_what_it_is_of_cannot_stand(built: Built) -> None:
    aside = put_aside(built, "@.tmp")
    built.file(built.memories[8]).mkdir()
    report = do(built.root, RepairOptions())
    assert codes(report) == {"M001": 1, "S002": 1, "S004": 1}
    assert aside.exists()
    assert report.next is look(built.root).next is None
    built.file(built.memories[8]).rmdir()
    assert not do(built.root, RepairOptions()).findings


def test_a_plan_says_from_where_it_heals(built: Built) -> None:
    aside = put_aside(built, "@~").relative_to(built.root).as_posix()
    report = do(built.root, RepairOptions(dry_run=True))
    assert [action.source for action in report.actions] == [aside]


def test_rot_is_healed_from_a_copy_under_any_name(built: Built) -> None:
    memory = built.memories[8]
    raw = built.raw(memory)
    (built.root / "some.txt").write_bytes(raw)
    harm.flip_embedding(built, memory)
    assert not do(built.root, RepairOptions()).findings
    assert built.file(memory).read_bytes() == raw


def test_a_store_within_is_not_a_place_to_heal_from(built: Built) -> None:
    nest("old_store")(built)
    acts.unlink(built, built.memories[8])
    report = do(built.root, RepairOptions())
    assert [a.subject.id for a in report.actions if a.because == LOST] == [built.memories[8]]


def test_a_copy_is_found_among_more_files_than_are_looked_into(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "MOST", 2)
    for n in range(5):
        (built.root / f"{n}.txt").write_text("mine")
    put_aside(built, "@.old")
    assert codes(do(built.root, RepairOptions())) == {"S003": 1}


def test_nothing_beside_is_looked_for_where_nothing_is_missing(
    built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "files_beside", lambda *_: pytest.fail("it looked"))
    drop_vector(built, built.memories[3])
    assert not do(built.root, RepairOptions()).findings


@pytest.mark.parametrize("options", [{"safe": True}, {"select": ("V004",)}, {"ignore": ("A",)}])
def test_a_memory_that_is_left_in_the_wrong_folder_keeps_its_vector(
    built: Built, options: dict[str, Any]
) -> None:
    memory = built.memories[8]
    move_astray(built, memory)
    acts.forget_row(built, memory)
    vectors, entries = built.vectors().ids.tolist(), built.entries()
    do(built.root, RepairOptions(**options))
    assert built.vectors().ids.tolist() == vectors
    assert built.entries() == entries
    assert not do(built.root, RepairOptions()).findings
    assert built.vectors().ids.tolist() == vectors


def test_many_memories_in_the_wrong_folder_are_moved_and_nothing_shrinks(tmp_path: Path) -> None:
    built = build("native", tmp_path / "store", memories=40)
    for memory in built.memories[:15]:
        move_astray(built, memory)
        acts.forget_row(built, memory)
    hurt = sha_tree(built.root)
    report = do(built.root, RepairOptions())
    assert not report.findings
    assert not any(action.kind == "remove-vector" for action in report.actions)
    take_back(built.root)
    assert sha_tree(built.root) == hurt


def test_a_memory_in_the_wrong_folder_is_told_to_be_one(built: Built) -> None:
    move_astray(built, built.memories[8])
    found = next(f for f in look(built.root).findings if f.code == "A007")
    assert "it holds a whole memory" in found.message
    report = do(built.root, RepairOptions(dry_run=True))
    (recovered,) = (action for action in report.actions if action.kind == "recover-file")
    assert recovered.source == found.path


def test_what_was_moved_to_the_wrong_folder_and_deleted_stays_so(built: Built) -> None:
    memory = built.memories[8]
    move_astray(built, memory)
    acts.set_row(deleted_at="2025-03-18T15:30:42")(built, memory)
    do(built.root, RepairOptions())
    assert not built.file(memory).exists()
    assert not look(built.root).findings


@pytest.mark.parametrize("number", [1e-30, 1e-44, 1e30])
@pytest.mark.parametrize("vector", ["stands", "is missing"])
def test_the_smallest_and_the_largest_embeddings_have_a_direction(
    built: Built, number: float, vector: str
) -> None:
    for entity_id in (*built.memories, *built.assemblies):
        built.edit(entity_id, longer(built, entity_id))
    memory = built.memories[9]
    if vector == "is missing":
        drop_vector(built, memory)
    built.edit(memory, lambda doc: doc.update(embedding=[number] * len(doc["embedding"])))
    report = do(built.root, RepairOptions())
    assert codes(report).keys() <= {"A021"}
    found = built.vectors().vectors[built.position(memory)]
    assert np.allclose(found, len(found) ** -0.5)
    assert do(built.root, RepairOptions()).run is None


def longer(built: Built, entity_id: str) -> Callable[[dict[str, Any]], None]:
    """Twice the embedding, so that the vectors are the normalised embeddings."""
    key = built.embedding_key(entity_id)
    return lambda doc: doc.update({key: [2 * number for number in doc[key]]})


def in_the_way_of(path: Path) -> None:
    """A folder stands where a part of the store belongs."""
    path.unlink()
    path.mkdir()


def test_what_nothing_can_be_done_about_yet_is_told_as_left(built: Built) -> None:
    in_the_way_of(built.index)
    built.edit_mapping(lambda entries: entries.update(ghost=5))
    for report in (look(built.root), do(built.root, RepairOptions()), look(built.root)):
        assert codes(report) == {"V002": 1, "V007": 1}
        assert all(finding.repair.startswith("left: ") for finding in report.findings)
        assert report.next is None
    built.index.rmdir()
    assert not do(built.root, RepairOptions()).findings


@pytest.mark.parametrize("code", ["V006", "V008"])
def test_no_mapping_is_mended_without_its_index(built: Built, code: str) -> None:
    in_the_way_of(built.index)
    if code == "V006":
        built.mapping.write_text("{ torn")
    else:
        first, second = built.memories[:2]
        built.edit_mapping(lambda entries: entries.update({first: entries[second]}))
    report = do(built.root, RepairOptions())
    assert codes(report) == {"V002": 1, code: 1}
    assert report.run is report.next is look(built.root).next is None


def test_a_vector_whose_entity_may_be_hidden_is_told_as_left(built: Built) -> None:
    acts.unlink(built, built.memories[8])
    in_the_way_of(built.catalog)
    report = do(built.root, RepairOptions())
    assert codes(report) == {"C002": 1, "V004": 1}
    assert report.run is report.next is look(built.root).next is None


def unfinished(built: Built, entity_id: str, *, content: bytes | None = None) -> Path:
    """The leftover of a save that was never finished, old enough to be nobody's work."""
    raw = json.dumps({**built.docs[built.memories[3]], "memory_id": entity_id}).encode()
    path = built.file(built.memories[3]).with_name(f"{entity_id}.json.1a2b3c4d.tmp")
    path.write_bytes(raw if content is None else content)
    os.utime(path, (1e9, 1e9))
    return path


def test_the_way_back_of_a_memory_that_only_a_leftover_holds_is_told(built: Built) -> None:
    left = unfinished(built, "it's new")
    raw = left.read_bytes()
    report = do(built.root, RepairOptions())
    (action,) = (action for action in report.actions if action.kind == "quarantine-file")
    assert "holds a whole memory that has neither file nor row" in action.because
    assert "s new" not in redacted(report).actions[-1].because
    command = action.because.partition("in the store's folder: ")[2].removesuffix("; then repair")
    subprocess.run(["sh", "-c", command], cwd=built.root, check=True)
    assert not left.exists()
    assert codes(look(built.root)) == {"M002": 1, "V003": 1}
    do(built.root, RepairOptions())
    assert built.file(built.memories[3]).with_name("it's new.json").read_bytes() == raw
    assert not look(built.root).findings


@pytest.mark.parametrize("what", ["cut short", "known", "deleted"])
def test_no_way_back_is_told_of_what_is_not_missed(built: Built, what: str) -> None:
    known = built.memories[3]
    if what == "deleted":
        acts.set_row(deleted_at="2025-03-18T15:30:42")(built, known)
    unfinished(
        built,
        "new" if what == "cut short" else known,
        content=b"{" if what == "cut short" else None,
    )
    report = do(built.root, RepairOptions())
    (action,) = (action for action in report.actions if action.kind == "quarantine-file")
    assert action.because == "a writer never finished it"
