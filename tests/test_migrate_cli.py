"""``synthstore migrate`` as a person or a script uses it."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthstore.testing import stores
from synthstore.testing.stores import Built
from tests.program import Program, on_terminal
from tests.trees import sha_tree


@pytest.fixture
def built(tmp_path: Path) -> Built:
    return stores.build("native", tmp_path / "store")


def test_the_last_line_is_the_next_command(cli: Program, built: Built, tmp_path: Path) -> None:
    new = tmp_path / "new"
    dry = cli("migrate", built.root, new, "--layout", "core-4", "-n")
    assert dry.lines[-1] == f"synthstore migrate {built.root} {new} --layout core-4"
    assert "of room needed" in dry.out
    done = cli("migrate", built.root, new, "--layout", "core-4")
    assert (done.code, done.lines[-1]) == (0, f"synthstore diff {built.root} {new}")
    assert "from native to core-4" in done.lines[0]
    assert "12 memories, 2 assemblies, 14 vectors" in done.lines[1]
    assert "0 added, 0 removed, 0 changed, 14 the same" in cli("diff", built.root, new).out


def test_in_place_asks_and_says_how_to_take_it_back(cli: Program, built: Built) -> None:
    before = sha_tree(built.root)
    refused = cli("migrate", built.root, "--in-place", "--layout", "core-4")
    assert refused.code == 2
    assert "no terminal" in refused.err
    done = cli("migrate", built.root, "--in-place", "--layout", "core-4", "-y")
    run = done.lines[-1].split()[-1]
    assert done.lines[-1] == f"synthstore undo {built.root} {run}"
    assert "stop the Memory Core first" not in done.err
    back = cli("undo", built.root, run, "-y")
    assert back.code == 0
    assert sha_tree(built.root) == before


def test_on_a_terminal_a_no_changes_nothing(built: Built) -> None:
    before = sha_tree(built.root)
    terminal = on_terminal("migrate", built.root, "--in-place", "--layout", "core-4")
    terminal.expect("convert? [y/N]")
    assert "would convert" in terminal.seen
    terminal.type("n\n")
    assert terminal.finish() == 130
    assert sha_tree(built.root) == before


def test_core_layouts_are_told_to_stop_first(cli: Program, tmp_path: Path) -> None:
    core = stores.build("core-3", tmp_path / "core")
    assert cli("migrate", core.root, tmp_path / "new").err.startswith("stop the Memory Core first")
    assert cli("migrate", core.root, tmp_path / "other", "-q").out == ""


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ((), "needs a TARGET"),
        (("--in-place",), "needs --layout"),
        (("new", "--in-place", "--layout", "native"), "exclude each other"),
        (("new", "--layout", "core-3"), "core-3"),
        (("store/new",), "is inside the store"),
    ],
)
def test_wrong_usage(args: tuple[str, ...], told: str, cli: Program, built: Built) -> None:
    result = cli("migrate", built.root, *args)
    assert result.code == 2
    assert told in result.err
    assert cli("migrate", built.root, *args, "--json").document["error"]["exit_code"] == 2


def test_the_document_tells_all(cli: Program, built: Built, tmp_path: Path) -> None:
    raw = built.raw(built.memories[0])
    built.overwrite(built.memories[0], raw[:60])
    stores.write(built.root / "memories" / "notes.txt", b"mine")
    cli.env(SYNTHSTORE_MIGRATE_LAYOUT="core-4")
    result = cli("migrate", built.root, tmp_path / "new", "--json")
    document = result.document
    assert result.code == 3
    assert (document["layout"], document["into"], document["memories"]) == ("native", "core-4", 11)
    assert {one["code"] for one in document["left"]} == {"M003"}
    assert document["others"] == ["memories/notes.txt"]
    assert document["next"] == f"synthstore repair {built.root} --dry-run"
    assert not document["dry_run"]


def test_what_is_left_is_shown_safely_or_hashed(cli: Program, built: Built, tmp_path: Path) -> None:
    name = "\u202eevil"
    built.add_memory(name)
    built.overwrite(built.memories[0], b"{")
    stores.write(built.root / "memories" / f"{name}.json", b"{")
    shown = cli("migrate", built.root, tmp_path / "new", "--layout", "core-4")
    assert "\u202e" not in shown.out
    assert "\\u202eevil" in shown.out
    hidden = cli("migrate", built.root, tmp_path / "hid", "--layout", "core-4", "--redact")
    assert "evil" not in hidden.out
    assert built.memories[0] not in hidden.out


def test_a_refusal_names_the_way_out(cli: Program, built: Built, tmp_path: Path) -> None:
    built.edit(built.memories[0], lambda doc: doc.update(embedding=[1.0, 0.0]))
    result = cli("migrate", built.root, tmp_path / "new", "--layout", "core-4")
    assert result.code == 12
    assert f"synthstore verify {built.root} --select E002" in result.err
