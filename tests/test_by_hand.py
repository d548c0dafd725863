"""What findings that no repair mends say that an operator can do by hand is true."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthstore.checks.catalogue import CATALOGUE
from synthstore.testing.spelling import Name
from synthstore.testing.stores import Built, build
from tests.program import Program

LAYOUTS: tuple[Name, ...] = ("native", "core-4")


@pytest.fixture(params=LAYOUTS)
def built(request: pytest.FixtureRequest, tmp_path: Path) -> Built:
    return build(request.param, tmp_path / "store", memories=8)


def left(cli: Program, built: Built) -> dict[str, int]:
    """The errors and warnings by code, after a repair did all that it can."""
    cli("repair", built.root, "-y")
    found = cli("verify", built.root, "--json").document["findings"]
    told = [one["code"] for one in found if one["severity"] != "info"]
    return {code: told.count(code) for code in told}


def back_again(
    cli: Program, built: Built, entity_id: str, correct: Callable[[dict[str, Any]], object]
) -> None:
    """Export it, correct it, import it."""
    assert cli("export", built.root, "-o", "row.jsonl", "--id", entity_id).code == 0
    row = json.loads(Path("row.jsonl").read_text())
    correct(row)
    Path("row.jsonl").write_text(json.dumps(row))
    assert cli("import", built.root, "row.jsonl", "--on-conflict", "replace").code == 0


def score(value: float) -> dict[str, Any]:
    return {"quickrecal_score": value}


WRONG: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "M008": (score(1.7), score(0.7)),
    "E002": ({"embedding": [1.0, 2.0]}, {"embedding": [0.25] * 16}),
    "E004": ({"embedding": [0.0] * 16}, {"embedding": [0.25] * 16}),
}


@pytest.mark.parametrize("code", WRONG)
def test_a_memory_is_corrected_through_export_and_import(
    code: str, built: Built, cli: Program, tmp_path: Path
) -> None:
    cli.monkeypatch.chdir(tmp_path)
    wrong, right = WRONG[code]
    memory = built.memories[6]
    built.edit(memory, lambda doc: doc.update(wrong))
    assert left(cli, built)[code] == 1
    assert "import it with --on-conflict replace" in CATALOGUE[code].repair
    back_again(cli, built, memory, lambda row: row.update(right))
    assert code not in left(cli, built)


def test_a_merge_loop_is_corrected_through_export_and_import(
    built: Built, cli: Program, tmp_path: Path
) -> None:
    cli.monkeypatch.chdir(tmp_path)
    assembly = built.assemblies[0]
    built.edit(assembly, lambda doc: doc.update(merged_from=[assembly]))
    assert left(cli, built) == {"A022": 1}
    back_again(cli, built, assembly, lambda row: row.update(merged_from=[]))
    assert left(cli, built) == {}


def test_an_id_that_is_not_allowed_is_given_up_by_hand(
    built: Built, cli: Program, tmp_path: Path
) -> None:
    cli.monkeypatch.chdir(tmp_path)
    path = built.file(built.memories[6])
    document = json.loads(path.read_bytes())
    document |= {key: ".odd" for key in ("id", "memory_id") if key in document}
    path.write_text(json.dumps(document))
    assert left(cli, built).keys() & {"M004", "M012"}
    cli("repair", built.root, "-y", "--accept", "M004", "--all")
    assert "M012" in left(cli, built)
    back_again(cli, built, ".odd", lambda row: row.update(id="better"))
    path.rename(tmp_path / "moved.json")
    assert "M012" not in left(cli, built)


@pytest.mark.parametrize("shorter", [True, False])
def test_a_file_that_is_too_large_is_shortened_or_moved_away(
    shorter: bool, built: Built, cli: Program, tmp_path: Path
) -> None:
    path, whole = built.file(built.memories[6]), built.file(built.memories[6]).read_bytes()
    path.write_bytes(whole + b" " * 17_000_000)
    assert left(cli, built) == {"M011": 1}
    if shorter:
        path.write_bytes(whole)
    else:
        path.rename(tmp_path / "moved.json")
    assert "M011" not in left(cli, built)
