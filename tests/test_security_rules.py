"""ruff's security rules are on, each exception is explained, and the audit says what it did."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
NOQA = re.compile(r"#\s*noqa:\s*([A-Z0-9, ]+?)(?:\s+(?:-|\()\s*(\S.*))?$")


def exceptions() -> list[tuple[str, str, str | None]]:
    """(place, codes, why) of every line that is excused from a rule."""
    paths = [p for folder in ("synthstore", "tests", ".ci") for p in (ROOT / folder).rglob("*.py")]
    return [
        (f"{path.relative_to(ROOT)}:{number}", found[1], found[2])
        for path in paths
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if (found := NOQA.search(line))
    ]


def test_every_security_exception_is_explained() -> None:
    found = [one for one in exceptions() if re.search(r"\bS\d", one[1])]
    assert found
    assert [where for where, _, why in found if not why] == []


def test_the_security_rules_are_on_in_the_package() -> None:
    # The program exits with 2 where it is given nothing to check by its settings.
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "S", "--no-cache"]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert settings["select"] == ["ALL"]
    assert _eased(settings["ignore"]) == []
    assert [where for where, codes in settings["per-file-ignores"].items() if _eased(codes)] == [
        "synthstore/testing/**",
        "tests/**",
    ]
    done = subprocess.run(
        [*command, "--exclude", "testing", ROOT / "synthstore"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def _eased(codes: list[str]) -> list[str]:
    return [code for code in codes if re.fullmatch(r"S\d*", code)]


def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("dependencies", "code", "said"),
    [
        ([], 0, "skipped"),
        ([{"name": "a", "skip_reason": "unknown"}], 0, "knows none of 1 packages"),
        ([{"name": "a", "version": "1", "vulns": []}], 0, "1 packages, 0 vulnerable"),
        (
            [{"name": "a", "version": "1", "vulns": [{"id": "X-1"}]}, {"name": "b"}],
            1,
            "vulnerable: a 1: [{'id': 'X-1'}]",
        ),
    ],
)
def test_what_an_audit_says(
    dependencies: list[dict[str, object]],
    code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert audit().tell(dependencies) == code
    assert said in capsys.readouterr().out
