"""The pytest plugin: the fixtures that a project of somebody else's gets."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from synthstore.testing.damages import DAMAGES, Damage
from synthstore.testing.plugin import Inflict, MakeStore, StoreFrom
from synthstore.testing.spelling import NAMES, Name
from tests.operate import codes, look, mend, told
from tests.program import Program
from tests.trees import sha_tree

pytest_plugins = ["pytester"]
README = Path(__file__).parents[1] / "README.md"
CASES = [
    pytest.param(damage, layout, id=f"{damage.name}-{layout}")
    for damage in DAMAGES[::9]
    for layout in damage.layouts
    if damage.user == "any"
]


@pytest.mark.parametrize("layout", NAMES)
def test_the_store_made_is_healthy_and_the_same_again(layout: Name, make_store: MakeStore) -> None:
    store = make_store(n=15, dim=8, seed=3, layout=layout)
    report = look(store)
    assert not report.findings, told(report)
    assert (report.layout, report.counts.memories) == (layout, 15)
    assert sha_tree(make_store(15, 8, 3, layout), skip="") == sha_tree(store, skip="")
    assert sha_tree(make_store(15, 8, 4, layout)) != sha_tree(store)


@pytest.mark.parametrize("n", [1, 3, 4, 9])
def test_small_stores_are_healthy_too(n: int, make_store: MakeStore) -> None:
    report = look(make_store(n=n))
    assert not report.findings, told(report)


@pytest.mark.parametrize("wrong", [{"n": 0}, {"dim": 0}, {"layout": "lucidia-0"}])
def test_what_cannot_be_made_is_said(wrong: dict[str, int], make_store: MakeStore) -> None:
    with pytest.raises(ValueError, match="no store of"):
        make_store(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("row", "layout"), CASES)
def test_a_damage_does_what_it_says(
    row: Damage, layout: Name, make_store: MakeStore, damage: Inflict
) -> None:
    store = make_store(layout=layout)
    done = damage(store, row.name)
    assert done is row
    report = look(store)
    assert codes(report) == done.codes, told(report)


def test_a_store_that_the_program_wrote_can_be_damaged(
    make_store: MakeStore, damage: Inflict, cli: Program, tmp_path: Path
) -> None:
    cli("export", make_store(), "-o", tmp_path / "all.jsonl", "-q")
    cli("import", tmp_path / "new", tmp_path / "all.jsonl", "--create", "-q")
    done = damage(str(tmp_path / "new"), "catalog-gone")
    assert codes(look(tmp_path / "new")) == done.codes
    assert mend(tmp_path / "new").clean


@pytest.mark.parametrize(
    ("name", "layout", "why"),
    [
        ("catalog-gon", "native", "catalog-gone"),
        ("members-are-ids", "native", "no damage|does not happen to native"),
    ],
)
def test_a_damage_that_cannot_be_done_is_said(
    name: str, layout: str, why: str, make_store: MakeStore, damage: Inflict
) -> None:
    with pytest.raises(ValueError, match=why):
        damage(make_store(layout=layout), name)


def test_a_store_too_small_to_damage_is_said(make_store: MakeStore, damage: Inflict) -> None:
    with pytest.raises(ValueError, match="12 and 2"):
        damage(make_store(n=3), "catalog-gone")


async def test_a_store_comes_from_an_export_where_a_loop_runs(
    make_store: MakeStore, store_from: StoreFrom, tmp_path: Path
) -> None:
    exported = tmp_path / "all.jsonl"
    call = [sys.executable, "-m", "synthstore", "export", str(make_store()), "-o", str(exported)]
    process = await asyncio.create_subprocess_exec(*call, "--quiet")
    assert await process.wait() == 0
    store = await asyncio.to_thread(store_from, exported)
    assert (store / "memory_index.json").is_file()
    assert store_from(str(exported)) != store


def test_a_bad_row_of_an_export_is_named(store_from: StoreFrom, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"memory_id": "a", "content": "x"}\n{"memory_id": "../b", "content": "y"}\n')
    with pytest.raises(ValueError, match="row 2: "):
        store_from(rows)


def test_a_cut_export_is_said(store_from: StoreFrom, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"memory_id": "a", "content": "x"}\n{"memory_id": "b", "cont')
    with pytest.raises(ValueError, match="cut in the middle"):
        store_from(rows)


def test_the_readme_example_passes(pytester: pytest.Pytester) -> None:
    text = README.read_text()
    section = text[text.index("## CI fixtures") :]
    conftest, tests = (part.split("```", 1)[0] for part in section.split("```python\n")[1:3])
    pytester.makeconftest(conftest)
    pytester.makepyfile(tests)
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    outcomes = result.parseoutcomes()
    assert outcomes.get("passed", 0) >= 3, result.stdout.str()
    assert "failed" not in outcomes


def test_the_plugin_brings_nothing_heavy() -> None:
    probe = "import sys, synthstore.testing.plugin as p; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "synthstore.testing.plugin" in loaded
    assert not {"numpy", "faiss", "aiofiles", "orjson", "typer", "rich"} & set(loaded)
