"""Values that are taken as they stand: the very ones that typer's own check gives back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from synthstore.cli.app import COMMANDS, program
from synthstore.cli.taking import take_plain_values

PROGRAM = """
import sys
from synthstore.cli.run import run
code = run(sys.argv[1:])
print(code, "pydantic" in sys.modules)
"""


def result(param: Any, value: object) -> tuple[str, object]:
    try:
        return "taken", param.process_value(None, value)
    except Exception as error:  # noqa: BLE001 - whatever the check says
        return type(error).__name__, str(error)


def values(param: Any) -> list[object]:
    texts: list[object] = ["a text", "", "all", "native", "never", "7", "ümlaut", "\udcff", "\0"]
    if param.multiple or param.nargs == -1:
        return [None, param.default, [], *([text] for text in texts), ["a", "b"], ["a", "\udcff"]]
    return [None, param.default, *texts, 7, 0, -1, True, 1.5]


@pytest.mark.parametrize("command", [name for name, _, _ in COMMANDS])
def test_a_value_is_taken_as_the_check_takes_it(command: str) -> None:
    plain, checking = (program().commands[command].params for _ in range(2))
    take_plain_values(plain)
    for taken, checked in zip(plain, checking, strict=True):
        for value in values(checked) if checked.name != "config" else ():
            want, got = result(checked, value), result(taken, value)
            assert (got, type(got[1])) == (want, type(want[1])), (checked.name, value)


@pytest.mark.parametrize(
    "args",
    [
        ["verify"],
        ["verify", "--select", "M003"],
        ["export", "--kind", "memory", "-q"],
        ["rebuild-index", "--dry-run"],
    ],
)
def test_a_usual_call_never_imports_what_checks_values(tmp_path: Path, args: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *args, str(tmp_path / "none")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["10", "False"]
