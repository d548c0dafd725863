"""Export: every entity once, in an order of its own, and only what is wanted."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from synthstore.errors import UsageError
from synthstore.testing import stores
from synthstore.testing.spelling import Name
from tests.mounts import small_disk
from tests.program import Program, spawn
from tests.transfers import FORMS, make_sample, rows_of, write_out
from tests.trees import sha_tree, stamps

LAYOUTS: tuple[Name, ...] = ("native", "core-4", "core-3")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_entity_and_every_field(layout: Name, tmp_path: Path) -> None:
    built = stores.build(layout, tmp_path / "store")
    before = stamps(built.root)
    rows = rows_of(built.root)
    assert stamps(built.root) == before
    kinds = [row["kind"] for row in rows]
    assert kinds == ["memory"] * 12 + ["assembly"] * 2
    assert {row["id"] for row in rows} == set(built.docs)
    for row in rows:
        key = "embedding" if row["kind"] == "memory" else "composite_embedding"
        assert row[key] == built.docs[row["id"]][built.embedding_key(row["id"])]


@pytest.mark.parametrize("form", FORMS)
def test_the_same_store_is_the_same_bytes(form: str, tmp_path: Path) -> None:
    store = make_sample(tmp_path / "store")
    for name in ("one", "other"):
        write_out(store, tmp_path / f"{name}.{form}")
    raw = (tmp_path / f"one.{form}").read_bytes()
    assert raw == (tmp_path / f"other.{form}").read_bytes()
    assert stat.S_IMODE((tmp_path / f"one.{form}").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({"kind": "memory"}, 30),
        ({"kind": "assembly"}, 2),
        ({"where": "quickrecal_score > `0.5`"}, None),
        ({"where": "metadata.topic == 'music'"}, 5),
        ({"where": "tags"}, 2),
        ({"where": "access_count"}, 30),
        ({"where": "nothing"}, 0),
        ({"where": "kind == 'memory' && contains(content, 'note 7)')"}, 1),
        ({"limit": 7}, 7),
        ({"limit": 0}, 0),
        ({"limit": 31}, 31),
        ({"limit": 3, "where": "metadata.topic == 'music'"}, 3),
    ],
)
def test_what_is_wanted(wanted: dict[str, Any], count: int | None, tmp_path: Path) -> None:
    store = make_sample(tmp_path / "store")
    every = rows_of(store)
    rows = rows_of(store, **wanted)
    assert all(row in every for row in rows)
    expected = (
        sum(row.get("quickrecal_score", 0) > 0.5 for row in every) if count is None else count
    )
    assert len(rows) == expected


def test_by_id_and_without_embeddings(tmp_path: Path) -> None:
    store = make_sample(tmp_path / "store", layout="core-4")
    whole = rows_of(store)
    ids = frozenset({whole[3]["id"], whole[-1]["id"]})
    rows = rows_of(store, ids=ids, embeddings=False)
    assert {row["id"] for row in rows} == ids
    assert "embedding" not in json.dumps(rows)
    assert [row["content"] for row in rows[:1]] == [whole[3]["content"]]


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ({"where": "a ="}, "no JMESPath"),
        ({"where": "contains(name, 'x')"}, "cannot be asked"),
        ({"ids": frozenset({"nobody"})}, "no entity"),
    ],
)
def test_wrong_wishes(wanted: dict[str, Any], why: str, tmp_path: Path) -> None:
    store = make_sample(tmp_path / "store")
    target = tmp_path / "there.jsonl"
    target.write_text("as it was")
    with pytest.raises(UsageError, match=why) as caught:
        write_out(store, target, **wanted)
    assert target.read_text() == "as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store", "there.jsonl"]
    assert "note" not in str(caught.value)


def test_what_cannot_be_exported_is_told(tmp_path: Path) -> None:
    built = stores.build("native", tmp_path / "store")
    ids = built.memories
    built.overwrite(ids[0], b'{"memory_id": "x", "cont')
    built.overwrite(ids[1], built.raw(ids[1]).replace(b"0.3", b"NaN", 1))
    built.overwrite(
        ids[2], b'{"memory_id": "%b", "content": "a", "content": "b"}' % ids[2].encode()
    )
    built.overwrite(ids[3], b'{"memory_id": "%b"}' % ids[3].encode())
    (built.root / "memories" / "copy.json").write_bytes(built.raw(ids[4]))
    os.mkfifo(built.root / "memories" / "pipe.json")
    report = write_out(built.root, tmp_path / "out.jsonl")
    told = {one.path: one.problem for one in report.problems}
    assert told.keys() >= {built.paths[one] for one in (ids[0], ids[2], ids[3])}
    assert told["memories/copy.json"] == "another file bears its id too"
    assert report.exit_code == 3
    assert report.memories == 12 - len(told) + 1


def test_what_is_no_number_in_any_list_is_told(tmp_path: Path) -> None:
    built = stores.build("native", tmp_path / "store")
    memory = built.memories[0]
    raw = built.raw(memory)
    built.overwrite(memory, raw[: raw.rindex(b"}")] + b', "hyperbolic_embedding": [0.5, NaN]}')
    report = write_out(built.root, tmp_path / "out.jsonl")
    assert [(one.path, "NaN" in one.problem) for one in report.problems] == [
        (built.paths[memory], True)
    ]


def test_a_file_under_another_name_is_exported_once(tmp_path: Path) -> None:
    built = stores.build("core-3", tmp_path / "store")
    memory = built.memories[0]
    (built.root / "memories").mkdir()
    twin = built.root / "memories" / built.file(memory).name
    twin.write_bytes(built.raw(memory))
    moved = built.memories[1]
    built.file(moved).rename(built.root / "mem_000000000000.json")
    (built.root / "settings.json").write_text('{"colour": "blue"}')
    rows = rows_of(built.root)
    ids = [row["id"] for row in rows]
    assert sorted(ids) == sorted(built.docs)


def test_numbers_beyond_64_bits_and_lone_surrogates(tmp_path: Path) -> None:
    built = stores.build("native", tmp_path / "store")
    big, odd = built.memories[:2]
    built.edit(big, lambda doc: doc["metadata"].update(n=2**70))
    built.overwrite(odd, built.raw(odd).replace(b"note", rb"\ud800note", 1))
    file = tmp_path / "out.jsonl"
    assert write_out(built.root, file).exit_code == 0
    rows = {row["id"]: row for row in map(json.loads, file.read_text().splitlines())}
    assert rows[big]["metadata"]["n"] == 2**70
    assert rows[odd]["content"].startswith("\ud800note")


def test_stdout_has_the_rows_and_nothing_else(tmp_path: Path) -> None:
    store = make_sample(tmp_path / "store", n=3)
    done = spawn("export", store)
    assert done.returncode == 0
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 3
    assert "exported 3 memories" in done.stderr
    assert "tomatoes" not in done.stderr


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.jsonl.gz", "a.csv.zst"])
def test_a_full_disk(cli: Program, name: str, tmp_path: Path) -> None:
    store = make_sample(tmp_path / "store", 300)
    with small_disk(tmp_path / "disk", "size=20k") as disk:
        full = cli("export", store, "-o", disk / name)
        assert list(disk.iterdir()) == []
    said, hint = full.err.splitlines()
    assert (full.code, full.out) == (4, "")
    assert said == f"synthstore: cannot write {disk / name}: No space left on device"
    assert hint.startswith("hint: free space")


def test_the_command(cli: Program, tmp_path: Path) -> None:
    store = make_sample(tmp_path / "store", n=3)
    target = tmp_path / "out.csv.gz"
    document = cli("export", store, "-o", target, "--json").document
    assert (document["memories"], document["format"], document["complete"]) == (3, "csv", True)
    assert cli("export", store, "-o", target, "-q").out == ""
    assert cli("export", store, "--json").document["error"]["kind"] == "usage"
    assert cli("export", store, "-o", store / "inside.jsonl").code == 2
    assert cli("export", tmp_path / "nowhere", "-o", target).code == 10
    before = sha_tree(store)
    assert cli("export", store, "-o", tmp_path / "x.parquet.gz").code == 2
    assert sha_tree(store) == before


FIRST_STEPS = """
import sys
from pathlib import Path
import synthstore.render.transfers
from synthstore.store.evidence import FirstLook, recognise
from synthstore.transfer.exporting import export
from synthstore.transfer.locating import locate
from synthstore.transfer.selection import Selection
root = Path(sys.argv[1])
found = locate(FirstLook(root), recognise(root), Selection())
print(len(found.plain), *sorted({"numpy", "jmespath", "faiss"} & set(sys.modules)))
"""


@pytest.mark.parametrize("layout", LAYOUTS)
def test_workers_need_not_wait_for_what_only_they_import(layout: Name, tmp_path: Path) -> None:
    built = stores.build(layout, tmp_path / "store")
    done = subprocess.run(
        [sys.executable, "-c", FIRST_STEPS, str(built.root)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["14"]


QUIET = """
import sys
from synthstore.cli.run import run
code = run(["export", sys.argv[1], "-o", sys.argv[2], "-q"])
print(code, *sorted({"synthstore.render.transfers", "synthstore.render.human"} & set(sys.modules)))
"""


@pytest.mark.parametrize("broken", [True, False])
def test_what_says_nothing_imports_nothing_to_say_it(*, broken: bool, tmp_path: Path) -> None:
    store = make_sample(tmp_path / "store")
    if broken:
        next((store / "memories").iterdir()).write_bytes(b"{")
    done = subprocess.run(
        [sys.executable, "-c", QUIET, str(store), str(tmp_path / "rows.jsonl")],
        capture_output=True,
        text=True,
        check=True,
    )
    code, *imported = done.stdout.splitlines()[-1].split()
    assert (code, bool(imported)) == (("3", True) if broken else ("0", False))
