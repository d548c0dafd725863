"""Help: plain, grouped, narrow enough, true, and quick to come."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from synthstore import __version__
from synthstore.cli.app import COMMANDS, program
from synthstore.cli.described import described
from synthstore.cli.manual import EXIT_CODES
from synthstore.config import COMMAND_LINE_ONLY
from synthstore.testing.stores import build
from tests.program import Program, Terminal, on_terminal

NAMES = [name for name, _, _ in COMMANDS]


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def test_the_program_shows_its_commands_in_groups(cli: Program) -> None:
    result = cli("--help")
    assert result.code == 0
    commands, companions = result.out.index("\nCommands:"), result.out.index("\nCompanions:")
    assert commands < result.out.index("  rebuild-index") < companions < result.out.index("  undo")
    assert "..." not in result.out.replace("[ARGS]...", "")
    assert cli("-h").out == result.out
    assert max(map(len, result.lines)) <= 80
    assert all(f"    {code:<4} {text}" in result.lines for code, text in EXIT_CODES.items())
    assert cli().out == result.out


def test_the_version(cli: Program) -> None:
    assert cli("--version").out == f"{__version__}\n"


@pytest.mark.parametrize("name", NAMES)
def test_a_commands_help(cli: Program, name: str) -> None:
    result = cli(name, "--help")
    assert result.code == 0
    assert max(map(len, result.lines)) <= 80
    headings = re.findall(r"^(\w.*):$", result.out, re.MULTILINE)
    assert headings[-1] == "Common options"
    assert "  Examples:" in result.lines
    assert "  Exit codes:" in result.lines
    assert "\x1b" not in result.out
    assert "env var" not in result.out
    for option in (
        "--json",
        "--quiet",
        "--verbose",
        "--no-color",
        "--no-progress",
        "--lock-wait",
        "--jobs",
        "--config",
        "--redact",
    ):
        assert option in result.out


def test_help_is_plain_on_a_terminal_too() -> None:
    terminal: Terminal = on_terminal("verify", "--help")
    assert terminal.finish() == 0
    assert "\x1b" not in terminal.seen


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from synthstore.cli.run import run; run(['verify', '--help']); "
        "print(sorted({'numpy', 'faiss', 'aiofiles', 'rich.console', 'orjson', 'asyncio'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_option_has_its_variable() -> None:
    for command in described():
        prefix = f"SYNTHSTORE_{command.name.upper().replace('-', '_')}_"
        for option in command.options:
            name = max(option.flags, key=len).lstrip("-").replace("-", "_")
            if name in COMMAND_LINE_ONLY | {"help"}:
                assert option.variables == ()
            else:
                assert option.variables[0] == prefix + name.upper()


def test_variables_and_files_set_options(cli: Program) -> None:
    cli.env(SYNTHSTORE_VERIFY_SUBSET="9/7")
    assert "9/7" in cli("verify").err
    assert "8/7" in cli("verify", "--subset", "8/7").err
    cli.config('[verify]\nsubset = "7/6"\nselect = "X"')
    assert "9/7" in cli("verify").err
    cli.monkeypatch.delenv("SYNTHSTORE_VERIFY_SUBSET")
    assert "7/6" in cli("verify").err
    assert "'X'" in cli("verify", "--subset", "1/2").err


def test_what_each_call_must_mean_has_no_variable(cli: Program) -> None:
    cli.env(
        SYNTHSTORE_REPAIR_YES="1", SYNTHSTORE_REPAIR_ALLOW_SHRINK="1", SYNTHSTORE_UNDO_FORCE="1"
    )
    assert "no terminal" in cli("repair", "store").err
    assert "no terminal" in cli("undo", "store").err
    cli.config("[undo]\nforce = true")
    assert "command line" in cli("undo", "store").err


def test_every_example_is_a_call_that_can_be_made(cli: Program) -> None:
    commands = program().commands
    for name, _, manual in COMMANDS:
        for call, _ in manual.examples:
            first, second, *rest = shlex.split(call)
            assert (first, second) == ("synthstore", name)
            with commands[name].make_context(name, rest):
                pass


def test_every_kind_of_option_can_be_set_by_variable_and_file(cli: Program, tmp_path: Path) -> None:
    store = build("native", tmp_path / "store", memories=14)
    for entity_id in store.memories[2:]:
        store.file(entity_id).unlink()
    store.edit_catalog(lambda document: document["metadata"].update(memory_count=99))
    cli.env(SYNTHSTORE_VERIFY_VERBOSE="1", SYNTHSTORE_VERIFY_SELECT="M001,C")
    result = cli("verify", store.root)
    assert sum(line.startswith("error M001") for line in result.lines) == 12
    assert "C004" in result.out
    cli.monkeypatch.delenv("SYNTHSTORE_VERIFY_SELECT")
    cli.config('[verify]\nselect = ["M001", "V"]\njson = true\nverbose = 0\nquick = true')
    assert set(cli("verify", store.root).document["summary"]["by_code"]) == {"M001"}
    assert cli("verify", store.root).document["quick"]
    cli.config(f'[verify]\nselect = "C004"\nid = "{store.memories[0]}"')
    assert cli("verify", store.root).code == 0
