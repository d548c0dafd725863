"""``synthstore verify``: what it prints, what it returns, what it may be told."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from synthstore.testing.damages import contents
from synthstore.testing.stores import Built, build
from tests.program import Program
from tests.trees import sha_tree, stamps


@pytest.fixture
def store(tmp_path: Path) -> Built:
    return build("native", tmp_path / "store", memories=14)


def lose_files(built: Built, count: int) -> None:
    """Delete files of memories that are in no assembly."""
    for entity_id in built.memories[-count:]:
        built.file(entity_id).unlink()


def test_a_clean_store(cli: Program, store: Built) -> None:
    before = sha_tree(store.root), stamps(store.root)
    result = cli("verify", store.root)
    assert result.code == 0
    assert result.lines[-1] == "clean"
    assert "14 memories, 2 assemblies, 16 vectors" in result.out
    assert (sha_tree(store.root), stamps(store.root)) == before


def test_quiet_and_clean_prints_nothing_at_all(cli: Program, store: Built) -> None:
    result = cli("verify", store.root, "-q")
    assert (result.code, result.out, result.err) == (0, "", "")


def test_the_last_line_is_the_next_command(cli: Program, store: Built) -> None:
    lose_files(store, 1)
    result = cli("verify", store.root)
    assert result.code == 1
    assert result.lines[-1] == f"synthstore repair {store.root} --dry-run"
    assert f"error M001 memory {store.memories[-1]}" in result.out


@pytest.mark.parametrize("command", ["verify", "stats"])
def test_the_next_command_reads_the_store_as_this_one_did(
    command: str, cli: Program, store: Built
) -> None:
    lose_files(store, 1)
    Path("a config").write_text('[severity]\nM001 = "warning"\n')
    given = ("--config", "a config", "--layout", "native")
    shown = cli(command, store.root, *given)
    told = f"synthstore repair {store.root} --layout native --dry-run --config 'a config'"
    assert shown.lines[-1] == told
    assert cli(command, store.root, *given, "--json").document["next"] == told
    planned = cli(*shlex.split(told)[1:])
    assert "planned drop-row: 1" in planned.out
    assert planned.lines[-1] == told.replace(" --dry-run", "")


def test_a_link_in_the_place_of_a_memory_is_no_case_for_repair(cli: Program, store: Built) -> None:
    gone = store.file(store.memories[-1])
    gone.unlink()
    gone.symlink_to("elsewhere.json")
    result = cli("verify", store.root)
    assert result.code == 1
    assert not result.lines[-1].startswith("synthstore")
    assert "a symbolic link stands in the place of its file" in result.out
    found = cli("verify", store.root, "--json").document["findings"]
    missing = next(f for f in found if f["code"] == "M001")
    assert missing["repair"].startswith("left: move the symbolic link away")


def test_what_becomes_of_each_is_said_where_it_differs(cli: Program, store: Built) -> None:
    linked, gone = store.memories[-1], store.memories[-2]
    for memory in (linked, gone):
        store.file(memory).unlink()
    store.file(linked).symlink_to("elsewhere.json")
    lines = [line for line in cli("verify", store.root).lines if line.startswith("M001: repair")]
    assert sorted(lines) == [
        f"M001: repair of {gone}: recover the file from a surviving copy, else drop the row",
        (
            f"M001: repair of {linked}: left: move the symbolic link away, or put the file in its "
            "place; then repair"
        ),
    ]


def test_a_folder_in_the_place_of_the_catalog_is_no_case_for_repair(
    cli: Program, store: Built
) -> None:
    store.catalog.unlink()
    store.catalog.mkdir()
    result = cli("verify", store.root, "--json")
    found = next(f for f in result.document["findings"] if f["code"] == "C002")
    assert found["repair"].startswith("left: move away what stands there")


def test_a_vector_without_owner_goes_by_the_name_that_the_mapping_has(
    cli: Program, store: Built
) -> None:
    lost = store.memories[-1]
    store.file(lost).unlink()
    store.edit_rows(lambda rows: rows.pop(lost))
    result = cli("verify", store.root, "--select", "V004")
    assert f"the vector of {lost}, which has neither file nor row" in result.out


def test_a_dry_run_ends_with_the_command_that_does_what_it_planned(
    cli: Program, store: Built
) -> None:
    lose_files(store, 2)
    lost, root = store.memories[-1], store.root
    chosen = ("--select", "M001,V004", f"--id={lost}", "--allow-shrink")
    planned = cli("repair", root, "-n", *chosen)
    assert planned.lines[-1] == f"synthstore repair {root} {' '.join(chosen)}"
    rebuilt = cli("rebuild-index", root, "-n", "--only", "memory-index")
    assert rebuilt.lines[-1] == f"synthstore rebuild-index {root} --only memory-index"


def test_quiet_still_prints_findings(cli: Program, store: Built) -> None:
    lose_files(store, 1)
    result = cli("verify", store.root, "-q")
    assert result.code == 1
    assert result.lines[0].startswith("error M001")
    assert result.lines[-1].startswith("synthstore repair")


def test_ten_subjects_a_code_then_a_count(cli: Program, store: Built) -> None:
    store.edit_rows(lambda rows: [row.update(quickrecal_score=0.123) for row in rows.values()])
    short, long = cli("verify", store.root), cli("verify", store.root, "-v")
    assert sum(line.startswith("warning C007") for line in short.lines) == 10
    assert "C007: and 4 more (-v lists all)" in short.lines
    assert sum(line.startswith("warning C007") for line in long.lines) == 14


def test_the_report_as_json(cli: Program, store: Built) -> None:
    lose_files(store, 2)
    result = cli("verify", store.root, "--json")
    report = result.document
    assert (result.code, result.err) == (1, "")
    assert report["schema"] == "synthstore/report/1"
    assert (report["command"], report["layout"], report["clean"]) == ("verify", "native", False)
    assert report["counts"]["memories"] == 12
    assert report["summary"]["by_code"]["M001"] == 2
    assert report["next"] == f"synthstore repair {store.root} --dry-run"
    again = cli("verify", store.root, "--json").document
    for document in (report, again):
        del document["started_at"], document["elapsed_seconds"]
    assert report == again


@pytest.mark.parametrize(
    ("label", "code"), [("error", 0), ("warning", 1), ("info", 1), ("never", 0)]
)
def test_fail_on(cli: Program, store: Built, label: str, code: int) -> None:
    store.edit_catalog(lambda document: document["metadata"].update(memory_count=99))
    assert cli("verify", store.root, "--fail-on", label).code == code


def test_select_and_ignore_by_prefix(cli: Program, store: Built) -> None:
    lose_files(store, 1)
    store.edit_catalog(lambda document: document["metadata"].update(memory_count=99))

    def codes(*args: str) -> set[str]:
        return set(cli("verify", store.root, "--json", *args).document["summary"]["by_code"])

    assert codes() == {"M001", "C004"}
    assert codes("--select", "m") == {"M001"}
    assert codes("--select", "V,C004") == {"C004"}
    assert codes("--ignore", "M001", "--ignore", "C") == set()
    assert codes("--id", store.memories[-1]) == {"M001"}
    assert codes("--id", store.memories[0]) == set()


def test_a_code_that_does_not_exist(cli: Program, store: Built) -> None:
    result = cli("verify", store.root, "--select", "M001,X9", "--json")
    assert result.code == 2
    assert "'X9'" in result.document["error"]["message"]


@pytest.mark.parametrize("text", ["3", "0/7", "8/7", "a/b", "3/7/9"])
def test_a_subset_that_names_no_part(cli: Program, store: Built, text: str) -> None:
    assert cli("verify", store.root, "--subset", text).code == 2


def test_a_subset_is_partial(cli: Program, store: Built) -> None:
    result = cli("verify", store.root, "--subset", "1/2")
    assert result.code == 3
    assert "not everything was looked at" in result.out


def test_known_findings_are_silent_and_counted(cli: Program, store: Built, tmp_path: Path) -> None:
    lose_files(store, 2)
    known = tmp_path / "known.json"
    assert cli("verify", store.root, "--write-known", known).code == 1
    assert json.loads(known.read_text())["schema"] == "synthstore/known/1"
    result = cli("verify", store.root, "--known", known, "--json")
    assert (result.code, result.document["silenced"]) == (0, 2)
    assert "2 known findings not shown" in cli("verify", store.root, "--known", known).out
    store.file(store.memories[0]).unlink()
    again = cli("verify", store.root, "--known", known, "--write-known", known)
    assert again.code == 1
    assert len(json.loads(known.read_text())["known"]) > 2


def test_a_known_file_never_goes_into_the_store(cli: Program, store: Built) -> None:
    before = sha_tree(store.root)
    assert cli("verify", store.root, "--write-known", store.root / "known.json").code == 2
    assert sha_tree(store.root) == before


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "[]",
        "{}",
        '{"schema": "other"}',
        '{"schema": "synthstore/known/1", "known": [{"code": "M001"}]}',
        '{"schema": "synthstore/known/1", "known": [{"code": 1, "subject": {"kind": 2, "id": 3}}]}',
    ],
)
def test_a_known_file_that_is_none(
    cli: Program, store: Built, tmp_path: Path, text: str | None
) -> None:
    known = tmp_path / "known.json"
    if text is not None:
        known.write_text(text)
    result = cli("verify", store.root, "--known", known, "--json")
    assert result.code == 2
    assert str(known) in result.document["error"]["message"]


def test_several_stores_make_one_document(cli: Program, store: Built, tmp_path: Path) -> None:
    hurt = build("core-4", tmp_path / "hurt")
    hurt.file(hurt.memories[0]).unlink()
    result = cli("verify", store.root, hurt.root, "--json")
    document = result.document
    assert (result.code, document["exit_code"]) == (1, 1)
    assert [report["layout"] for report in document["reports"]] == ["native", "core-4"]
    result = cli("verify", store.root, tmp_path / "none", hurt.root, "--json")
    assert result.code == result.document["exit_code"] == 10
    assert [error["error"]["kind"] for error in result.document["errors"]] == ["not-a-store"]
    assert len(result.document["reports"]) == 2
    people = cli("verify", store.root, tmp_path / "none", hurt.root)
    assert people.code == 10
    assert "clean" in people.out
    assert f"synthstore: {tmp_path / 'none'}" in people.err


@pytest.mark.parametrize("asked", [("--json",), ()])
def test_no_store(cli: Program, tmp_path: Path, asked: tuple[str, ...]) -> None:
    result = cli("verify", tmp_path / "none", *asked)
    assert result.code == 10
    if asked:
        assert result.document["error"]["kind"] == "not-a-store"
    else:
        assert result.out == ""
        assert "does not exist" in result.err


def test_where_the_store_is(cli: Program, tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("storage", "configured", "variable", "given")}
    for folder in folders.values():
        build("native", folder, memories=4, assemblies=1)

    def looked_at(*args: object) -> str:
        return str(cli("verify", "--json", *args).document["store"])

    assert looked_at() == "storage"
    cli.config(f'[store]\nstorage_path = "{folders["configured"]}"')
    assert looked_at() == str(folders["configured"])
    cli.env(SYNTHSTORE_STORAGE_PATH=str(folders["variable"]))
    assert looked_at() == str(folders["variable"])
    assert looked_at(folders["given"]) == str(folders["given"])


def test_ids_are_data(cli: Program, tmp_path: Path) -> None:
    store = build("native", tmp_path / "store")
    evil = "x\x1b]0;owned\x07[/red]\u202e"
    store.add_memory(evil, path="memories/evil.json", listed=False)
    for args in ((), ("--json",)):
        result = cli("verify", store.root, *args)
        assert result.code == 1
        assert not {"\x1b", "\x07", "\u202e"} & set(result.out)
    assert "[/red]" in result.out


def test_redact_shows_no_id(cli: Program, store: Built) -> None:
    lose_files(store, 2)
    store.file(store.memories[0]).write_bytes(b"{")
    (store.root / "memories" / f"{store.memories[1]}.txt").write_text("")
    for args in (("-v",), ("--json",)):
        result = cli("verify", store.root, "--redact", *args)
        assert result.code == 1
        assert not [i for i in (*store.memories, *store.assemblies) if i in result.out]
    subjects = [finding["subject"]["id"] for finding in result.document["findings"]]
    assert len(set(subjects)) == len(subjects)


def test_severities_of_the_config_file(cli: Program, store: Built) -> None:
    store.edit_catalog(lambda document: document["metadata"].update(memory_count=99))
    cli.config('[severity]\nC004 = "info"')
    assert cli("verify", store.root).code == 0
    path = cli.config('[severity]\nC404 = "info"')
    result = cli("verify", store.root)
    assert result.code == 2
    assert f"{path}: unknown key 'C404'" in result.err


def test_the_layout_can_be_settled(cli: Program, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert cli("verify", tmp_path / "empty").code == 10
    assert "core-4" in cli("verify", tmp_path / "empty", "--layout", "core-4").out


def test_the_entity_folder_of_a_store_is_no_store(cli: Program, tmp_path: Path) -> None:
    built = build("core-4", tmp_path / "store")
    result = cli("verify", built.root / "memories")
    assert result.code == 10
    assert f"give the store: {built.root}" in result.err
    assert cli("verify", built.root / "memories", "--layout", "core-3").code == 1
    assert cli("verify", built.root).code == 0


def test_a_member_that_can_be_had_back_is_named_and_how(cli: Program, tmp_path: Path) -> None:
    built = build("core-4", tmp_path / "store")
    contents.forget_wholly(built, built.memories[0])
    lines = cli("verify", built.root).lines
    assert any(f"its member {built.memories[0]} is no memory" in line for line in lines)
    assert lines[-1] == f"synthstore repair {built.root} --select A020 --dry-run"


def test_an_id_that_nothing_bears_is_no_clean_bill(cli: Program, tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    assert cli("verify", built.root, "--id", built.memories[0]).code == 0
    assert cli("verify", built.root, "--id", built.memories[0], "--quick").code == 0
    result = cli("verify", built.root, "--id", "nope")
    assert result.code == 2
    assert "no file, row or member of this store has the id 'nope'" in result.err


def metric(text: str, name: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(f"synthstore_{name}{{")]


def test_metrics(cli: Program, store: Built, tmp_path: Path) -> None:
    file = tmp_path / "synthstore.prom"
    assert cli("verify", store.root, "--metrics-file", file).code == 0
    first = file.read_text()
    assert file.stat().st_mode & 0o777 == 0o644
    label = f'{{command="verify",store="{store.root}"}}'
    assert metric(first, "exit_code") == [f"synthstore_exit_code{label} 0"]
    assert metric(first, "memories") == [f"synthstore_memories{label} 14"]
    (success,) = metric(first, "last_success_timestamp_seconds")
    lose_files(store, 1)
    assert cli("verify", store.root, "--metrics-file", file).code == 1
    assert metric(file.read_text(), "last_success_timestamp_seconds") == [success]
    assert 'code="M001"} 1' in file.read_text()
    os.rename(store.root, tmp_path / "away")  # noqa: PTH104
    assert cli("verify", store.root, "--metrics-file", file).code == 10
    assert metric(file.read_text(), "exit_code") == [f"synthstore_exit_code{label} 10"]
    assert metric(file.read_text(), "last_success_timestamp_seconds") == [success]


def test_metrics_on_stdout(cli: Program, store: Built) -> None:
    result = cli("verify", store.root, "--metrics-file", "-")
    assert all(line.startswith(("# ", "synthstore_")) for line in result.lines)
    assert cli("verify", store.root, "--metrics-file", "-", "--json").document["error"]["kind"]
    inside = store.root / "memories" / "m.prom"
    assert cli("verify", store.root, "--metrics-file", inside).code == 2
    assert not inside.exists()


@pytest.mark.real_stores
def test_a_real_store(cli: Program, real_copy: Callable[[str], Path]) -> None:
    result = cli("verify", real_copy("core-3-drifted"), "--json")
    assert result.code == 1
    assert result.document["summary"]["by_code"]["M002"] == 7
