"""The tour: everything that it shows is done."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.program import Program
from tests.trees import sha_tree


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_the_tour(cli: Program, temporary: Path) -> None:
    result = cli("demo")
    assert result.code == 0
    commands = [line.split()[2] for line in result.lines if line.startswith("$ synthstore ")]
    assert commands == [
        "rebuild-index",
        "verify",
        "verify",
        "repair",
        "repair",
        "verify",
        "undo",
        "verify",
    ]
    assert list(temporary.iterdir()) == []


def test_it_mends_all_that_it_broke(cli: Program) -> None:
    steps = cli("demo", "--json").document["steps"]
    assert [step["exit_code"] for step in steps] == [0, 0, 1, 1, 0, 0, 0, 1]


def test_a_folder_that_is_given_is_kept(cli: Program, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    result = cli("demo", folder, "-q")
    assert (result.code, result.out) == (0, "")
    assert cli("verify", folder).code == 1
    assert cli("repair", folder, "-y").code == 0
    before = sha_tree(folder, skip="")
    again = cli("demo", folder, "--json")
    assert (again.code, again.document["error"]["kind"]) == (12, "refused")
    assert sha_tree(folder, skip="") == before


def test_redact(cli: Program) -> None:
    shown = [line for line in cli("demo", "--redact").lines if not line.startswith("Damage:")]
    assert "mem-" not in "\n".join(shown)
