"""What is shown to be copied into a shell is what was meant, whatever is in it."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

import synthstore
from synthstore.render.text import printable
from synthstore.shell import path_word, word
from tests.program import Program

TEXTS = [
    "plain",
    "",
    "two words",
    "it's",
    "new\nline",
    "\nab\\c'd\t\x1b[31m",
    "größe\u202e",
    "no\xa0break",
    os.fsdecode(b"\xff\xfe"),
    "$HOME;`id`",
]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("text", TEXTS)
def test_a_word_is_the_text(text: str) -> None:
    shown = printable(word(text))
    assert "\n" not in shown
    done = subprocess.run(["bash", "-c", f"printf %s {shown}"], capture_output=True, check=True)
    assert done.stdout == os.fsencode(text)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("-dash", "./-dash"),
        ("-a b", "'./-a b'"),
        ("-\n", r"$'./-\x0a'"),
        (Path("a/-b"), "a/-b"),
        ("/data/store", "/data/store"),
    ],
)
def test_a_path_is_no_option(path: Path | str, shown: str) -> None:
    assert path_word(path) == shown


def test_a_command_in_a_hint_can_be_pasted_whatever_its_path(cli: Program, tmp_path: Path) -> None:
    store = tmp_path / "a store"
    assert cli("import", store, "--sample", 12, "--dim", 4).code == 0
    for file in (store / "memories").iterdir():
        file.rename(tmp_path / file.name)
    result = cli("rebuild-index", store)
    assert result.code == 12
    commands = re.findall("`([^`]+)`", result.err)
    assert commands
    assert all(str(store) in shlex.split(command) for command in commands)


def test_no_command_in_a_message_is_quoted_in_another_way() -> None:
    for file in Path(synthstore.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not re.search(r"(?<!\w)'(synthstore|dask) \w", node.value), node.value


def test_the_next_command_of_a_store_with_an_odd_name(cli: Program, tmp_path: Path) -> None:
    cli.monkeypatch.chdir(tmp_path)
    for name, shown in (("-dash", "./-dash"), ("new\nline", r"$'new\x0aline'")):
        made = cli("import", "--sample", 3, "--dim", 4, "--", name)
        assert made.lines[-1].startswith(f"synthstore undo {shown} 2")
        again = cli("import", "--sample", 3, "--dim", 4, "-n", "--", name)
        assert again.lines[-1] == f"synthstore import --sample 3 --dim 4 -- {word(name)}"
