"""Man pages and completions: fresh, well-formed, and true."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from synthstore.checks.catalogue import CATALOGUE
from synthstore.cli.described import described
from synthstore.cli.generate import generated, write

ROOT = Path(__file__).parents[1]
GENERATED = generated()
MAN = sorted(name for name in GENERATED if name.startswith("man/"))


@pytest.mark.parametrize("name", GENERATED)
def test_it_is_fresh(name: str) -> None:
    assert (ROOT / name).read_text() == GENERATED[name], "run: python -m synthstore.cli.generate"


def test_nothing_stale_is_left() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in ("man", "completions")
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    }
    assert found == set(GENERATED)


def test_writing_them(tmp_path: Path) -> None:
    write(tmp_path)
    assert {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()} == set(
        GENERATED
    )


@pytest.mark.parametrize("name", MAN)
def test_no_entry_of_a_list_is_without_its_name(name: str) -> None:
    assert ".TP\n\\fB\\fR\n" not in GENERATED[name]


def test_every_command_and_option_has_its_place() -> None:
    for command in described():
        page = GENERATED[f"man/man1/synthstore-{command.name}.1"].replace("\\-", "-")
        for option in command.options:
            for flag in option.flags:
                assert flag in page
                assert flag in GENERATED["completions/synthstore.bash"]
                assert f"'{flag}[" in GENERATED["completions/_synthstore"].replace("'*", "'")
    findings = GENERATED["man/man7/synthstore-findings.7"]
    assert all(code in findings for code in CATALOGUE)


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@needs("mandoc")
@pytest.mark.parametrize("name", MAN)
def test_mandoc_has_no_complaint(name: str) -> None:
    done = subprocess.run(
        ["mandoc", "-Tlint", ROOT / name], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("shell", "name"),
    [
        pytest.param("bash", "synthstore.bash", marks=needs("bash")),
        pytest.param("zsh", "_synthstore", marks=needs("zsh")),
        pytest.param("fish", "synthstore.fish", marks=needs("fish")),
    ],
)
def test_the_shells_take_them(shell: str, name: str) -> None:
    done = subprocess.run(
        [shell, "-n", ROOT / "completions" / name], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
