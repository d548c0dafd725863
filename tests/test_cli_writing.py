"""The commands that write to a store: plan, ask, do, say how to take it back."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from synthstore.files.lock import Lock
from synthstore.testing.spelling import Name
from synthstore.testing.stores import Built, build
from tests.program import Program, on_terminal
from tests.trees import sha_tree


@pytest.fixture
def hurt(tmp_path: Path) -> Built:
    """A store with a row too few, a file too few, and wrong counts."""
    built = build("native", tmp_path / "store")
    built.edit_catalog(lambda document: document["memories"].pop(built.memories[8]))
    built.file(built.memories[9]).unlink()
    return built


def test_a_dry_run_changes_nothing(cli: Program, hurt: Built) -> None:
    before = sha_tree(hurt.root, skip="")
    result = cli("repair", hurt.root, "--dry-run")
    assert result.code == 1
    assert f"plan for {hurt.root}" in result.out
    assert "of room needed" in result.out
    assert "planned drop-row: 1" in result.out
    assert result.lines[-1] == f"synthstore repair {hurt.root}"
    document = cli("repair", hurt.root, "-n", "--json").document
    assert document["dry_run"]
    assert {action["status"] for action in document["actions"]} == {"planned"}
    assert sha_tree(hurt.root, skip="") == before


def test_repair_says_how_to_take_it_back(cli: Program, hurt: Built) -> None:
    before = sha_tree(hurt.root)
    result = cli("repair", hurt.root, "--yes")
    assert result.code == 0
    assert "0 left" in result.out
    assert "to take it back:\n" in result.out
    assert result.lines[-1] == f"synthstore undo {hurt.root} --dry-run"
    assert cli("verify", hurt.root).code == 0
    assert cli("undo", hurt.root, "-y").code == 0
    assert sha_tree(hurt.root) == before


def test_repair_as_json(cli: Program, hurt: Built) -> None:
    result = cli("repair", hurt.root, "--yes", "--json")
    document = result.document
    assert (result.code, document["command"], document["dry_run"]) == (0, "repair", False)
    assert document["run"]
    assert document["fixed"] >= 2
    assert document["left"] == len(document["findings"]) == 0
    assert {action["status"] for action in document["actions"]} == {"done"}
    again = cli("repair", hurt.root, "--yes", "--json").document
    assert (again["run"], again["actions"]) == (None, [])


def test_repair_of_a_clean_store(cli: Program, tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    result = cli("repair", built.root, "-y", "-q")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert "nothing to change" in cli("repair", built.root, "-n").out
    assert cli("repair", built.root, "-n", "-q").out == ""


@pytest.mark.parametrize("command", ["repair", "undo"])
def test_without_a_terminal_it_does_not_ask(cli: Program, hurt: Built, command: str) -> None:
    before = sha_tree(hurt.root, skip="")
    result = cli(command, hurt.root)
    assert result.code == 2
    assert "no terminal" in result.err
    assert "--yes" in result.err
    assert sha_tree(hurt.root, skip="") == before


def test_safe_never_asks_and_loses_nothing(cli: Program, hurt: Built) -> None:
    result = cli("repair", hurt.root, "--safe")
    assert result.code == 1
    document = cli("verify", hurt.root, "--json").document
    assert set(document["summary"]["by_code"]) == {"M001"}


@pytest.mark.parametrize(
    "args",
    [
        ("--accept", "M004"),
        ("--all",),
        ("--accept", "M004", "--all", "--id", "x"),
        ("--accept", "M004", "--all", "--safe"),
        ("--lock-wait", "soon"),
    ],
)
def test_combinations_that_mean_nothing(cli: Program, hurt: Built, args: tuple[str, ...]) -> None:
    result = cli("repair", hurt.root, "-y", *args, "--json")
    assert (result.code, result.document["error"]["kind"]) == (2, "usage")


def test_accept_takes_a_file_as_it_is(cli: Program, tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    file = built.file(built.memories[3])
    file.write_bytes(file.read_bytes().replace(b'"access_count": ', b'"access_count": 1', 1))
    assert cli("verify", built.root, "--select", "M004").code == 1
    accept = ("--accept", "M004", "--id", built.memories[3])
    assert cli("repair", built.root, "-y", *accept).code == 0
    assert cli("verify", built.root).code == 0


def test_a_tie_of_dimensions_is_settled_as_the_hint_says(cli: Program, tmp_path: Path) -> None:
    built = build("native", tmp_path / "store", memories=6, assemblies=0)
    for entity_id in built.memories[3:]:
        built.edit(entity_id, lambda doc: doc.update(embedding=[1.0, 2.0]))
    result = cli("repair", built.root, "-y")
    assert result.code == 12
    assert "(3 of 2, 3 of 16)" in result.err
    export, back = re.findall("`synthstore ((?:export|import) [^`]+)`", result.err)
    assert result.err.index(back) < result.err.index("--allow-shrink")
    row = tmp_path / "row.jsonl"
    row.write_text('{"memory_id": "new", "content": "new"}\n')
    refused = cli("import", built.root, row)
    assert (refused.code, back in refused.err) == (12, True)
    assert back in cli("migrate", built.root, tmp_path / "new", "--layout", "core-4").err
    cli.monkeypatch.chdir(tmp_path)
    assert cli(*shlex.split(export)).code == 0
    rows = [json.loads(line) for line in Path("rows.jsonl").read_text().splitlines()]
    for embedded in rows:
        embedded["embedding"] = (embedded["embedding"] * 8)[:16]
    Path("rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    assert cli(*shlex.split(back)).code == 0
    assert cli("verify", built.root, "-q").code == 0


def test_a_tie_leads_to_no_repair_that_would_not_begin(cli: Program, tmp_path: Path) -> None:
    built = build("native", tmp_path / "store", memories=6, assemblies=0)
    for entity_id in built.memories[3:]:
        built.edit(entity_id, lambda doc: doc.update(embedding=[1.0, 2.0]))
    cli("repair", built.root, "-y", "--allow-shrink")
    document = cli("verify", built.root, "--json").document
    assert (document["summary"]["by_code"], document["next"]) == ({"V009": 1}, None)


def test_a_refusal_names_the_flag(cli: Program, tmp_path: Path) -> None:
    built = build("native", tmp_path / "store", memories=20, assemblies=1)
    for entity_id in built.memories[4:]:
        built.file(entity_id).unlink()
    assert "would be refused" in cli("repair", built.root, "-n").out
    result = cli("repair", built.root, "-y", "--json")
    assert result.code == 12
    assert "--allow-shrink" in result.document["error"]["hint"]
    assert cli("repair", built.root, "-y", "--allow-shrink").code == 0


def test_a_locked_store(cli: Program, hurt: Built) -> None:
    cli("repair", hurt.root, "-y")
    with Lock(hurt.root / ".synthstore" / "lock"):
        result = cli("repair", hurt.root, "-y", "--json")
        assert (result.code, result.document["error"]["kind"]) == (11, "locked")
        assert cli("undo", hurt.root, "-y", "--lock-wait", "1s").code == 11


@pytest.mark.parametrize("layout", ["core-4", "core-3", "native"])
@pytest.mark.parametrize(
    "args", [("repair", "-y"), ("repair", "-n"), ("rebuild-index", "-y"), ("undo", "-y")]
)
def test_stop_the_memory_core(
    cli: Program, tmp_path: Path, layout: Name, args: tuple[str, str]
) -> None:
    built = build(layout, tmp_path / "store")
    built.catalog.unlink()
    if args[0] == "undo":
        cli("repair", built.root, "-y")
    result = cli(args[0], built.root, args[1])
    assert result.err.startswith("stop the Memory Core") == (layout != "native")
    quiet = cli(args[0], built.root, args[1], "-q")
    assert quiet.code in (0, 1, 2)


def test_quiet_writers_warn_before_they_change_something(cli: Program, tmp_path: Path) -> None:
    built = build("core-4", tmp_path / "store")
    assert cli("repair", built.root, "-y", "-q").err == ""
    built.catalog.unlink()
    assert cli("repair", built.root, "-y", "-q").err.startswith("stop the Memory Core")


def test_rebuild_index(cli: Program, tmp_path: Path) -> None:
    built = build("native", tmp_path / "store")
    before = sha_tree(built.root)
    built.catalog.unlink()
    built.index.unlink()
    shown = cli("rebuild-index", built.root, "-n", "--only", "vectors")
    assert "write-index" in shown.out
    assert "write-catalog" not in shown.out
    assert shown.lines[-1] == f"synthstore rebuild-index {built.root} --only vectors"
    document = cli("rebuild-index", built.root, "--json").document
    assert document["command"] == "rebuild-index"
    assert cli("verify", built.root).code == 0
    assert sha_tree(built.root).keys() == before.keys()


def test_undo_lists_runs_newest_first(cli: Program, hurt: Built) -> None:
    assert "no recorded runs" in cli("undo", hurt.root, "--list").out
    cli("repair", hurt.root, "-y")
    cli("undo", hurt.root, "-y")
    document = cli("undo", hurt.root, "--list", "--json").document
    undo, repair = document["runs"]
    assert (undo["command"], undo["undoes"]) == ("undo", repair["run"])
    assert repair["state"] == "undone"
    listing = cli("undo", hurt.root, "--list")
    assert listing.lines[0].split() == ["Run", "Command", "Started", "Files", "Kept", "State"]
    assert f"took back {repair['run']}" in listing.out


def test_undo_shows_what_it_would_give_back(cli: Program, hurt: Built) -> None:
    run = cli("repair", hurt.root, "-y", "--json").document["run"]
    before = sha_tree(hurt.root, skip="")
    result = cli("undo", hurt.root, "-n")
    assert result.lines[-1] == f"synthstore undo {hurt.root} {run}"
    assert "rewritten memory_index.json" in result.out
    document = cli("undo", hurt.root, run, "-n", "--json", "--redact").document
    assert (document["undone"], document["run"], document["dry_run"]) == (run, None, True)
    assert sha_tree(hurt.root, skip="") == before


def test_undo_refuses_what_changed_since(cli: Program, hurt: Built) -> None:
    cli("repair", hurt.root, "-y")
    hurt.catalog.write_bytes(hurt.catalog.read_bytes() + b"\n")
    result = cli("undo", hurt.root, "-y")
    assert result.code == 12
    assert "--force" in result.err
    assert hurt.catalog.name in result.err
    assert cli("undo", hurt.root, "-y", "--force", "-q").out == ""


@pytest.mark.parametrize("args", [("--list", "--prune"), ("--list", "run"), ("--prune", "--force")])
def test_undo_combinations_that_mean_nothing(
    cli: Program, hurt: Built, args: tuple[str, ...]
) -> None:
    assert cli("undo", hurt.root, *args).code == 2


def test_run_ids_stay_whole_on_a_terminal(cli: Program, hurt: Built) -> None:
    run = cli("repair", hurt.root, "-y", "--json").document["run"]
    cli("undo", hurt.root, "-y")
    terminal = on_terminal("undo", hurt.root, "--list", variables={"COLUMNS": "80"})
    assert terminal.finish() == 0
    assert f"\n{run}  repair" in terminal.seen.replace("\x1b[0m", "")


def test_undo_prune(cli: Program, hurt: Built) -> None:
    cli("repair", hurt.root, "-y")
    document = cli("undo", hurt.root, "--prune", "-n", "--json").document
    assert (document["dry_run"], document["removed"], document["kept"]) == (True, [], 1)
    assert "let go 0 runs" in cli("undo", hurt.root, "--prune", "-y").out


def test_undo_without_a_run(cli: Program, hurt: Built) -> None:
    result = cli("undo", hurt.root, "-y")
    assert result.code == 2
    assert "no run to undo" in result.err
    assert f"synthstore undo {hurt.root} --list" in result.err
    assert f"synthstore undo {hurt.root} --list" in cli("undo", hurt.root, "nope", "-y").err


def test_yes_on_a_terminal(hurt: Built) -> None:
    terminal = on_terminal("repair", hurt.root)
    terminal.expect("apply? [y/N]")
    terminal.type("y\n")
    assert terminal.finish() == 0
    assert "planned drop-row: 1" in terminal.seen
    terminal = on_terminal("undo", hurt.root)
    terminal.expect("undo? [y/N]")
    terminal.type("yes\n")
    assert terminal.finish() == 0


@pytest.mark.parametrize("answer", ["n\n", "\n", "\x04"])
def test_no_on_a_terminal(hurt: Built, answer: str) -> None:
    before = sha_tree(hurt.root)
    terminal = on_terminal("repair", hurt.root, "--no-color")
    terminal.expect("apply? [y/N]")
    terminal.type(answer)
    assert terminal.finish() == 130
    assert "\nsynthstore: declined; nothing was changed" in terminal.seen
    assert "\x1b" not in terminal.seen
    assert sha_tree(hurt.root) == before


def test_ctrl_c_at_the_prompt(hurt: Built) -> None:
    before = sha_tree(hurt.root)
    terminal = on_terminal("repair", hurt.root)
    terminal.expect("apply? [y/N]")
    terminal.interrupt()
    assert terminal.finish() == 130
    assert "nothing was changed" in terminal.seen
    assert "[y/N] \n" in terminal.seen
    assert sha_tree(hurt.root) == before


def test_prune_asks(hurt: Built, cli: Program) -> None:
    cli("repair", hurt.root, "-y")
    terminal = on_terminal("undo", hurt.root, "--prune")
    terminal.expect("let them go? [y/N]")
    terminal.type("n\n")
    assert terminal.finish() == 130


def test_redact_hides_ids_in_errors(cli: Program, hurt: Built) -> None:
    cli("repair", hurt.root, "-y")
    hurt.overwrite(hurt.memories[0], b"{ torn")
    cli("repair", hurt.root, "-y")
    hurt.file(hurt.memories[0]).write_bytes(b"[]")
    result = cli("undo", hurt.root, "-y", "--redact")
    assert result.code == 12
    assert hurt.memories[0] not in result.err
