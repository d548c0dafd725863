"""The schemas are schemas, and say all that the documents say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from synthstore import schemas
from synthstore.cli.app import COMMANDS
from synthstore.testing.stores import build
from tests.program import REGISTRY, Program, validate

NAMES = (
    "backup",
    "check",
    "demo",
    "diff",
    "error",
    "export",
    "find",
    "fleet",
    "import",
    "known",
    "migrate",
    "prune",
    "report",
    "restore",
    "runs",
    "snapshots-prune",
    "snapshots",
    "stats",
    "undo",
)


def test_which_there_are() -> None:
    assert schemas.names() == tuple(f"synthstore/{name}/1" for name in NAMES)
    with pytest.raises(FileNotFoundError):
        schemas.load("synthstore/none/1")


@pytest.mark.parametrize("name", schemas.names())
def test_each_is_a_schema_that_describes_its_keys(name: str) -> None:
    schema = schemas.load(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"]
    assert not any(forbids_more(part) for part in parts(schema)), "keys may be added"
    assert set(schema["required"]) <= set(schema["properties"])


def parts(schema: Any) -> Iterator[Any]:
    """The schema and every schema in it."""
    yield schema
    inner = schema.values() if isinstance(schema, dict) else schema
    for value in inner if isinstance(schema, dict | list) else ():
        yield from parts(value)


def forbids_more(schema: Any) -> bool:
    return isinstance(schema, dict) and (
        schema.get("additionalProperties") is False or "unevaluatedProperties" in schema
    )


def documents(cli: Program, folder: Path) -> Iterator[Any]:
    """One of each kind, made by the program itself."""
    hurt = build("core-4", folder / "hurt")
    hurt.file(hurt.memories[0]).unlink()
    known = folder / "known.json"
    (folder / "store.json").write_text('[{"kind": "memory"}]')
    calls: list[tuple[object, ...]] = [
        ("verify", hurt.root, "--write-known", known),
        ("verify", hurt.root, folder / "none"),
        ("verify", folder / "none"),
        ("repair", hurt.root, "-n"),
        ("repair", hurt.root, "-y"),
        ("undo", hurt.root, "-n"),
        ("undo", hurt.root, "-y"),
        ("undo", hurt.root, "--list"),
        ("undo", hurt.root, "--prune", "-y"),
        ("rebuild-index", hurt.root),
        ("demo",),
        ("backup", hurt.root, "--repo", folder / "repo", "--keep-last", "3", "--check"),
        ("restore", hurt.root, "--repo", folder / "repo", "-n"),
        ("restore", folder / "again", "--repo", folder / "repo"),
        ("snapshots", "list", "--repo", folder / "repo"),
        ("snapshots", "find", hurt.memories[1], "--repo", folder / "repo"),
        ("snapshots", "check", "--repo", folder / "repo"),
        ("snapshots", "prune", "--keep-last", "1", "--repo", folder / "repo"),
        ("stats", hurt.root),
        ("stats", folder / "again", "--repo", folder / "repo"),
        ("diff", folder / "again", hurt.root),
        ("export", hurt.root, "-o", folder / "all.csv"),
        ("import", folder / "new", folder / "all.csv", "--create"),
        ("import", folder / "new", folder / "store.json", "-n"),
        ("migrate", hurt.root, folder / "native", "--layout", "native"),
    ]
    assert {call[0] for call in calls} == {name for name, _, _ in COMMANDS}
    for call in calls:
        yield cli(*call, "--json").document
    validated = json.loads(known.read_text())
    validate(validated)
    yield validated


def undescribed(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> Iterator[str]:
    """Keys of ``value`` that its schema does not mention."""
    if "$ref" in schema:
        reference = schema["$ref"]
        if reference.startswith("urn:"):
            schema = root = REGISTRY.contents(reference)
        else:
            schema = root["$defs"][reference.rpartition("/")[2]]
    if isinstance(value, list):
        for item in value:
            yield from undescribed(item, schema.get("items", {}), root)
    if isinstance(value, dict) and "properties" in schema:
        for key, item in value.items():
            if key not in schema["properties"]:
                yield key
            yield from undescribed(item, schema["properties"].get(key, {}), root)


def test_every_command_prints_what_its_schema_says(cli: Program, tmp_path: Path) -> None:
    seen = set()
    for document in documents(cli, tmp_path):
        schema = schemas.load(document["schema"])
        assert list(undescribed(document, schema, schema)) == []
        seen.add(document["schema"])
    assert seen == set(schemas.names())


def test_a_command_that_only_looks_like_a_report_is_none(cli: Program, tmp_path: Path) -> None:
    document = cli("verify", build("native", tmp_path / "store").root, "--json").document
    with pytest.raises(jsonschema.ValidationError):
        validate(document | {"command": "repair"})
    with pytest.raises(jsonschema.ValidationError):
        validate(document | {"findings": [{"code": "m1"}]})


def test_json_is_an_option_of_every_command(cli: Program) -> None:
    for name, _, _ in COMMANDS:
        assert cli(name, "--json", "--bogus").document["error"]["kind"] == "usage"
