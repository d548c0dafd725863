"""Import: what is fit goes in as one run, the rest is told, and undo gives every byte back."""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthstore.errors import ConflictError, LockedError, NotAStoreError, UsageError
from synthstore.render.redact import hashed
from synthstore.store.session import Session
from synthstore.testing import stores
from synthstore.testing.spelling import Name
from synthstore.transfer.checking import MADE
from synthstore.transfer.sources import PipeSource
from tests.operate import codes, look, mend, take_back
from tests.program import Program, spawn
from tests.transfers import make_sample, put_rows, rows_of, take_in, write_out
from tests.trees import changed, sha_tree

Doc = dict[str, Any]
LAYOUTS: tuple[Name, ...] = ("native", "core-4", "core-3")


def memory(name: str = "new", **fields: Any) -> Doc:
    return {"kind": "memory", "id": name, "content": "said", **fields}


def counts(report: Any) -> tuple[int, int, int, int]:
    return report.inserted, report.updated, report.skipped, report.rejected


@pytest.fixture
def rows(tmp_path: Path) -> Callable[..., Path]:
    """A file of these rows."""
    return lambda *rows: put_rows(tmp_path / "rows.jsonl", rows)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_into_a_living_store_and_out_again(layout: Name, tmp_path: Path) -> None:
    built = stores.build(layout, tmp_path / "store")
    before = sha_tree(built.root)
    file = tmp_path / "more.jsonl"
    write_out(make_sample(tmp_path / "sample", n=24, dim=16), file)
    report = take_in(built.root, file)
    assert counts(report) == (26, 0, 0, 0)
    assert codes(look(built.root)).keys() <= {"A023"}
    assert counts(take_in(built.root, file)) == (0, 0, 26, 0)
    assert take_in(built.root, file, on_conflict="replace").run is None
    untouched = {path for path in before if path not in built.parts}
    assert not untouched & changed(before, sha_tree(built.root))
    take_back(built.root)
    assert sha_tree(built.root) == before


@pytest.mark.parametrize("layout", ["native", "core-4"])
def test_a_new_store(layout: str, tmp_path: Path) -> None:
    store = make_sample(tmp_path / "store", layout=layout)
    report = look(store)
    assert (report.layout, report.clean, report.counts.vectors) == (layout, True, 32)
    assert store.stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in store.glob("m*/*.json")} == {0o600}
    take_back(store)
    assert sha_tree(store) == {}
    make_sample(store, layout=layout)
    assert look(store).clean


def test_a_new_store_without_a_row(tmp_path: Path, rows: Callable[..., Path]) -> None:
    report = take_in(tmp_path / "store", rows(), create=True)
    assert (counts(report), report.created) == ((0, 0, 0, 0), True)
    assert look(tmp_path / "store").clean


@pytest.mark.parametrize("create", [False, True])
def test_nothing_is_made_where_it_may_not_be(
    create: bool, tmp_path: Path, rows: Callable[..., Path]
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("somebody's")
    with pytest.raises(NotAStoreError):
        take_in(tmp_path / "other", rows(memory()), create=create)
    if not create:
        with pytest.raises(NotAStoreError, match="does not exist"):
            take_in(tmp_path / "none", rows(memory()))
    with pytest.raises(UsageError):
        take_in(tmp_path / "none", tmp_path / "missing.jsonl", create=True)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("on_conflict", "updated_at", "updated"),
    [
        ("skip", "2030-01-01T00:00:00", False),
        ("replace", "2020-01-01T00:00:00", True),
        ("newer", "2020-01-01T00:00:00", False),
        ("newer", "2030-01-01T00:00:00", True),
        ("newer", None, False),
    ],
)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_conflicts(
    layout: Name, on_conflict: str, updated_at: str | None, updated: bool, tmp_path: Path
) -> None:
    built = stores.build(layout, tmp_path / "store")
    name, mode = built.memories[3], built.file(built.memories[3]).stat().st_mode
    before = sha_tree(built.root)
    known = memory(
        name, content="told anew", embedding=[0.5] * 16, updated_at=updated_at, metadata={}
    )
    file = put_rows(tmp_path / "rows.jsonl", [known, memory()])
    report = take_in(built.root, file, on_conflict=on_conflict)
    assert counts(report) == (1, int(updated), int(not updated), 0)
    assert (built.read(name)["content"] == "told anew") is updated
    assert built.file(name).stat().st_mode == mode
    assert codes(look(built.root)).keys() <= {"E001", "A021", "A023", "E005", "M008"}
    take_back(built.root)
    assert sha_tree(built.root) == before


def test_a_conflict_may_end_it(tmp_path: Path, rows: Callable[..., Path]) -> None:
    store = make_sample(tmp_path / "store")
    first = rows_of(store)[0]
    before = sha_tree(store)
    assert counts(take_in(store, rows(first), on_conflict="fail")) == (0, 0, 1, 0)
    with pytest.raises(ConflictError) as caught:
        take_in(store, rows(memory(), first | {"content": "other"}), on_conflict="fail")
    assert "other" not in str(caught.value).replace("another", "")
    assert sha_tree(store) == before
    assert not list((store / ".synthstore" / "runs").iterdir())[1:]


def test_a_torn_file_is_replaced_where_that_is_wanted(
    tmp_path: Path, rows: Callable[..., Path]
) -> None:
    built = stores.build("native", tmp_path / "store")
    name, whole = built.memories[0], built.docs[built.memories[0]]
    built.overwrite(name, b'{"memory_id": "')
    assert counts(take_in(built.root, rows(whole))) == (0, 0, 1, 0)
    assert counts(take_in(built.root, rows(whole), on_conflict="newer")) == (0, 1, 0, 0)
    assert look(built.root).clean


HOSTILE: list[tuple[Any, str]] = [
    ("{", "JSON"),
    ("[]", "no JSON object"),
    ("null", "no JSON object"),
    ('{"kind": "memory", "id": "a", "content": NaN}', "NaN"),
    ('{"kind": "memory", "id": "a", "id": "b", "content": "c"}', "duplicate"),
    ('{"kind": "memory", "id": "a", "content": "\\ud800"}', "surrogate"),
    ('{"kind": "memory", "id": "a", "content": "c", "x": ' + "[" * 300 + "]" * 300 + "}", "deeper"),
    ('{"kind": "memory", "id": "a", "content": "c", "x": ' + "[" * 9000 + "]" * 9000 + "}", "deep"),
    (memory(""), "bytes long"),
    (memory(".."), "begins with"),
    (memory("../evil"), "separator"),
    (memory("a/b"), "separator"),
    (memory("a\\b"), "separator"),
    (memory("a\nb"), "control"),
    (memory("-rf"), "begins with"),
    (memory("é" * 126), "bytes long"),
    (memory("asm:1"), "begins with"),
    (memory(kind="dream"), "kind"),
    (memory(record=2), "version 2"),
    (memory(content=7), "content"),
    ({"kind": "memory", "id": "a"}, "content"),
    (memory(metadata=[]), "metadata"),
    (memory(access_count="many"), "access_count"),
    (memory(access_count=True), "access_count"),
    (memory(quickrecal_score="high"), "quickrecal_score"),
    (memory(created_at=[]), "created_at"),
    (memory(embedding="0.1 0.2"), "embedding"),
    (memory(embedding=[0.5] * 7 + ["x"]), "embedding"),
    (memory(embedding=[0.5] * 7 + [True]), "embedding"),
    (memory(embedding=[0.5] * 7 + [1e300]), "embedding"),
    (memory(embedding=[0.5] * 7), "7 numbers"),
    (memory(embedding=[0.0] * 9), "9 numbers"),
    ({"kind": "assembly", "id": "a", "memory_ids": "m"}, "memory_ids"),
    ({"kind": "assembly", "id": "a", "memory_ids": [1]}, "memory_ids"),
    ({"kind": "assembly", "id": "a"}, "memory_ids"),
    (memory(timestamp=1.5, layout="native", created_at=2.5, spelt={"created_at": "x"}, x=1), "two"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "why"), HOSTILE, ids=range(len(HOSTILE)))
def test_a_bad_row_is_told_and_the_rest_goes_in(
    row: Any, why: str, tmp_path: Path, rows: Callable[..., Path]
) -> None:
    store = make_sample(tmp_path / "store", n=3)
    rejects = tmp_path / "bad.jsonl"
    report = take_in(store, rows(memory("one"), row, memory("two")), rejects=rejects)
    assert (counts(report), report.exit_code) == ((2, 0, 0, 1), 3)
    (told,) = report.refusals
    assert told.row == 2
    assert why in told.reason
    (line,) = map(json.loads, rejects.read_text().splitlines())
    assert (line["line"], line["reason"]) == (2, told.reason)
    source = row if isinstance(row, str) else json.dumps(row)
    assert line.get("text") == source or json.dumps(line["row"]) == source
    assert codes(look(store)).keys() <= {"E001"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.jsonl", "rows.jsonl", "store"]


def test_a_rejected_row_is_told_by_its_id_too(
    tmp_path: Path, rows: Callable[..., Path], cli: Program
) -> None:
    store = make_sample(tmp_path / "store", n=3, dim=8)
    file = rows(
        memory("short", embedding=[1.0]), {"memory_id": "empty"}, {"content": "nobody's"},
        memory("twice"), memory("twice"), memory("x" * 300), "{ torn",
    )  # fmt: skip
    told = cli("import", store, file, "--rejects", "bad.jsonl")
    shown = [line for line in told.lines if "rejected: " in line]
    ids = ["short", "empty", None, "twice", None, None]
    numbers = [1, 2, 3, 5, 6, 7]
    assert len(shown) == 6
    for line, number, name in zip(shown, numbers, ids, strict=True):
        assert line.strip().startswith(f"rejected: row {number}{f' ({name})' if name else ''}: ")
    lines = list(map(json.loads, Path("bad.jsonl").read_text().splitlines()))
    assert [line.get("id") for line in lines] == ids
    document = cli("import", store, file, "--json").document
    assert [one["id"] for one in document["rejects"]][:2] == ["short", "empty"]
    hidden = cli("import", store, file, "--redact").out
    assert "short" not in hidden
    assert hashed("short") in hidden


def test_rows_that_only_together_are_bad(tmp_path: Path, rows: Callable[..., Path]) -> None:
    store = make_sample(tmp_path / "store", n=3, layout="core-4")
    (store / "memories" / "link.json").symlink_to("/etc/passwd")
    file = rows(
        memory("x:y"), memory("x:y", content="again"), memory("x-y"), memory("link"),
        {"kind": "assembly", "id": "x:y", "memory_ids": []},
    )  # fmt: skip
    report = take_in(store, file)
    assert counts(report) == (2, 0, 0, 3)
    reasons = [one.reason for one in report.refusals]
    assert [
        "in the input before" in reasons[0],
        "name of" in reasons[1],
        "symbolic link" in reasons[2],
    ]


def test_the_first_embedding_of_an_empty_store_says_the_dimension(
    tmp_path: Path, rows: Callable[..., Path]
) -> None:
    file = rows(memory("a", embedding=[1.0, 0.0]), memory("b", embedding=[1.0]), memory("c"))
    report = take_in(tmp_path / "store", file, create=True)
    assert counts(report) == (2, 0, 0, 1)
    assert look(tmp_path / "store").counts.vectors == 1


def test_embeddings_made_for_tests(tmp_path: Path, rows: Callable[..., Path]) -> None:
    store = make_sample(tmp_path / "store", n=3)
    file = rows(memory("a"), memory("b", metadata={"k": 1}), memory("c", embedding=[0.5] * 8))
    assert counts(take_in(store, file, embed=8)) == (3, 0, 0, 0)
    found = {row["id"]: row for row in rows_of(store)}
    assert found["a"]["embedding"] == found["b"]["embedding"]
    assert sum(x * x for x in found["a"]["embedding"]) == pytest.approx(1)
    assert found["b"]["metadata"] == {"k": 1, MADE: "hash:8, made for tests"}
    assert "metadata" not in found["c"]
    assert look(store).counts.vectors == 6
    assert counts(take_in(store, file, embed=8, on_conflict="replace")) == (0, 0, 3, 0)


def test_a_dry_run_changes_nothing(tmp_path: Path, rows: Callable[..., Path]) -> None:
    store = make_sample(tmp_path / "store")
    before = sha_tree(store, skip="")
    file = rows(memory("a"), memory("a"), rows_of(store)[0])
    report = take_in(store, file, dry_run=True, rejects=tmp_path / "bad.jsonl")
    assert (counts(report), report.run) == ((1, 0, 1, 1), None)
    assert report.bytes > 0
    assert sha_tree(store, skip="") == before
    assert not (tmp_path / "bad.jsonl").exists()
    assert counts(take_in(tmp_path / "new", file, dry_run=True, create=True)) == (2, 0, 0, 1)
    assert not (tmp_path / "new").exists()


def test_a_dry_run_of_assemblies_counts_the_same(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    write_out(make_sample(tmp_path / "native"), file)
    wanted = {"create": True, "layout": "core-4"}
    dry = take_in(tmp_path / "core", file, dry_run=True, **wanted)
    assert counts(dry) == counts(take_in(tmp_path / "core", file, **wanted)) == (32, 0, 0, 0)


def test_members_may_come_behind_their_assembly(tmp_path: Path) -> None:
    exported = rows_of(make_sample(tmp_path / "native"))
    file = put_rows(tmp_path / "turned.jsonl", exported[::-1])
    take_in(tmp_path / "core", file, create=True, layout="core-4")
    assemblies = [row for row in rows_of(tmp_path / "core") if row["kind"] == "assembly"]
    for row in assemblies:
        assert [member["id"] for member in row["members"]] == row["memory_ids"]
    assert look(tmp_path / "core").clean


def test_members_of_the_store_are_embedded_too(tmp_path: Path, rows: Callable[..., Path]) -> None:
    store = make_sample(tmp_path / "core", layout="core-4")
    name = rows_of(store)[0]["id"]
    file = rows({"kind": "assembly", "id": "a", "memory_ids": [name, "nobody"], "layout": "native"})
    known = {"kind": "memory", "id": name, "content": "skipped, for it is there"}
    both = put_rows(tmp_path / "both.jsonl", [known, json.loads(file.read_text())])
    assert counts(take_in(store, both)) == (1, 0, 1, 0)
    (row,) = rows_of(store, ids=frozenset({"a"}))
    assert [member["id"] for member in row["members"]] == [name]
    # A bare id among copies would make the newest Memory Core lose them all.
    assert row["synthstore"]["kept"]["memory_ids"]["was"] == [name, "nobody"]


def test_an_ancestors_memories(tmp_path: Path) -> None:
    store = tmp_path / "old"
    store.mkdir()
    name = "550e8400-e29b-41d4-a716-446655440000"
    old = {"id": name, "text": "long ago", "timestamp": 1742049121123, "significance": 0.5}
    old["embedding"] = "[ 5.0e-01 -2.5e-01]"
    (store / f"{name}.json").write_text(json.dumps(old))
    write_out(store, tmp_path / "old.jsonl")
    assert counts(take_in(tmp_path / "new", tmp_path / "old.jsonl", create=True)) == (1, 0, 0, 0)
    (row,) = rows_of(tmp_path / "new")
    assert (row["content"], row["embedding"]) == ("long ago", [0.5, -0.25])
    assert look(tmp_path / "new").clean


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "jsonl.gz"])
def test_a_cut_file(suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"rows.{suffix}"
    write_out(make_sample(tmp_path / "store"), file)
    file.write_bytes(file.read_bytes()[:-60])
    report = take_in(tmp_path / "new", file, create=True)
    assert (report.cut, report.exit_code, report.rejected) == (True, 3, 1)
    assert 0 < report.inserted < 32
    assert look(tmp_path / "new").clean


def test_a_pipe(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl.zst"
    write_out(make_sample(tmp_path / "store"), file)
    pipe = PipeSource(io.BytesIO(file.read_bytes()))
    assert counts(take_in(tmp_path / "new", pipe, create=True)) == (32, 0, 0, 0)


def test_a_locked_store(tmp_path: Path, rows: Callable[..., Path]) -> None:
    store = make_sample(tmp_path / "store")
    with Session(store), pytest.raises(LockedError):
        take_in(store, rows(memory()))


def test_a_store_that_drifted_is_not_made_worse(tmp_path: Path, rows: Callable[..., Path]) -> None:
    built = stores.build("native", tmp_path / "store")
    built.file(built.memories[0]).unlink()
    built.mapping.unlink()
    take_in(built.root, rows(memory("new", embedding=[0.25] * 16)))
    assert codes(look(built.root)) == {"M001": 1}
    mend(built.root)
    assert "new" in built.entries()


def test_stdin_and_the_command(cli: Program, tmp_path: Path) -> None:
    store, file = tmp_path / "store", tmp_path / "rows.json"
    file.write_text(json.dumps([memory("a"), memory("../b"), memory("c", content="\x1b[31m")]))
    result = cli("import", store, file, "--create", "--rejects", tmp_path / "bad.jsonl")
    assert (result.code, "2 inserted" in result.out) == (3, True)
    assert "said" not in result.out + result.err
    document = cli("import", store, file, "--json").document
    assert (document["skipped"], document["rejected"], document["run"]) == (2, 1, None)
    assert cli("import", store, file, "-n").code == 3
    assert cli("undo", store, "-y").code == 0


def test_the_command_after_a_dry_run_reads_stdin_too(cli: Program, tmp_path: Path) -> None:
    store, file = tmp_path / "store", tmp_path / "rows.json"
    file.write_text(json.dumps([memory("a")]))
    command = f"synthstore import {store} - --create"
    for option in ("-n", "-vn"):
        with file.open() as stdin:
            cli.monkeypatch.setattr("sys.stdin", stdin)
            shown = cli("import", store, "-", "--create", option)
        assert shown.code == 0
        assert shown.lines[-1] == command + (" -v" if option == "-vn" else "")
    assert not store.exists()
    with file.open() as stdin:
        cli.monkeypatch.setattr("sys.stdin", stdin)
        assert cli(*shlex.split(command)[1:]).code == 0


@pytest.mark.parametrize(
    "args",
    [
        (), ("rows.json", "--sample", "3"), ("rows.json", "--embed", "ada:3"),
        ("rows.json", "--create", "--layout", "core-3"), ("--sample", "3", "--dim", "99999999"),
        ("rows.json", "--create", "--rejects", "rows.json"),
        ("rows.json", "--create", "--rejects", "new/bad.jsonl"),
    ],
)  # fmt: skip
def test_wrong_usage(args: tuple[str, ...], cli: Program, tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text("[]")
    assert cli("import", tmp_path / "new", *args).code == 2
    assert not (tmp_path / "new").exists()


def test_out_of_one_into_the_other(tmp_path: Path) -> None:
    store = make_sample(tmp_path / "store", n=5)
    out = spawn("export", store).stdout
    (tmp_path / "rows").write_text(out)
    done = spawn("import", tmp_path / "new", tmp_path / "rows", "--create", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_unknown_layout_of_a_new_store(tmp_path: Path, rows: Callable[..., Path]) -> None:
    with pytest.raises(UsageError, match="no new store"):
        take_in(tmp_path / "new", rows(memory()), create=True, layout="lucidia-1")


def test_a_file_that_is_not_there(cli: Program, tmp_path: Path) -> None:
    store = make_sample(tmp_path / "store")
    for args in ((store,), (tmp_path / "new", "--create")):
        result = cli("import", args[0], tmp_path / "typo.jsonl", *args[1:])
        assert (result.code, result.out) == (2, "")
        assert f"there is no file {tmp_path / 'typo.jsonl'}" in result.err
        assert "check the path" in result.err
    assert not (tmp_path / "new").exists()
