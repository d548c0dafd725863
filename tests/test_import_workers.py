"""What the workers of an import do: read lines by their place, stage files, and end in time."""

from __future__ import annotations

import copy
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthstore.cli.ahead import ROW_WORKERS, start
from synthstore.errors import DiskFullError, OperationError
from synthstore.files.inside import Tree
from synthstore.files.jsonio import Style, dump, parse
from synthstore.layout.base import Layout
from synthstore.layout.core import Core3, Core4
from synthstore.layout.native import Native
from synthstore.model.facts import EntityFile, Stat
from synthstore.repair.placing import Placed, plan_around
from synthstore.scan import workers
from synthstore.store import berths
from synthstore.transfer import portions, sources
from synthstore.transfer.beginning import Begun, begin, is_bare
from synthstore.transfer.checking import Terms
from synthstore.transfer.formats.base import Found, Row, Unread
from synthstore.transfer.importing import nothing
from synthstore.transfer.making import sample
from synthstore.transfer.outcomes import Entry, Ready
from synthstore.transfer.portions import Chunk, Held, chunks
from synthstore.transfer.vectors import Vectors
from synthstore.transfer.working import prepare
from tests.operate import look
from tests.transfers import make_sample, put_rows, read_back, take_in, write_out
from tests.trees import sha_tree

ACCESS = Stat(0, 0, 0o600, -1, -1, 1, 0)

# Lines by their place


def found_in(file: Path) -> list[Found]:
    with file.open("rb") as opened:
        cut = chunks(opened, file)
        assert cut is not None
        return [one for portion in cut for one in portion.found()]


LINES = st.lists(
    st.sampled_from(
        [b"", b" \r", b'{"a": 1}', b"\xef\xbb\xbf{}", b'{"torn', b"[" * 9, b"\x0b{}", b"x\x85y"]
    )
)


@given(LINES, st.booleans(), st.integers(1, 40))
def test_lines_by_their_place_are_those_of_the_stream(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], ended: bool, size: int
) -> None:
    file = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    file.write_bytes(b"\n".join(lines) + (b"\n" if ended else b""))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(portions, "_CHUNK", size)
        assert found_in(file) == read_back("jsonl", file.read_bytes())


def test_a_line_that_is_too_long_is_not_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b'{"a": 1}\n' + b"x" * 100 + b'\n{"b": 2}\n')
    monkeypatch.setattr(portions, "_CHUNK", 16)
    monkeypatch.setattr(portions, "MAX_ROW", 64)
    first, long, last = found_in(file)
    assert (first, last) == (Row(1, b'{"a": 1}'), Row(3, b'{"b": 2}'))
    assert isinstance(long, Unread)
    assert (long.number, long.text, long.cut) == (2, None, False)


def replaced(file: Path) -> None:
    file.with_name("other").write_bytes(file.read_bytes())
    file.with_name("other").replace(file)


def shortened(file: Path) -> None:
    os.truncate(file, 20)


def parted(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b" ", b"\n"))


@pytest.mark.parametrize("change", [replaced, shortened, parted])
def test_a_file_that_changes_meanwhile_is_not_guessed_at(tmp_path: Path, change: Any) -> None:
    file = put_rows(tmp_path / "rows.jsonl", [{"id": n} for n in range(9)])
    with file.open("rb") as opened:
        cut = chunks(opened, file)
        assert cut is not None
        portion = next(cut)
    change(file)
    with pytest.raises(OperationError, match="changed while it was read"):
        list(portion.found())


def test_only_plain_json_lines_at_their_path_are_read_by_their_place(tmp_path: Path) -> None:
    store = make_sample(tmp_path / "store", n=3)
    kinds = {}
    for suffix in ("jsonl", "jsonl.gz", "json", "csv"):
        write_out(store, tmp_path / f"rows.{suffix}")
        with_rows = sources.FileSource(tmp_path / f"rows.{suffix}").portions()
        kinds[suffix] = {type(portion) for portion in with_rows}
    assert kinds == {"jsonl": {Chunk}, "jsonl.gz": {Held}, "json": {Held}, "csv": {Held}}
    with (tmp_path / "rows.jsonl").open("rb") as opened:
        (tmp_path / "rows.jsonl").unlink()
        assert chunks(opened, Path(f"/proc/self/fd/{opened.fileno()}")) is None


# Rows


NUMBERS = st.lists(
    st.integers(-9, 9) | st.floats(-4, 4) | st.sampled_from([0.0, -0.0, 1e-7, 1e22]), min_size=1
)


@given(NUMBERS, st.sampled_from(["native", None]))
def test_a_file_says_the_very_numbers_of_its_row(numbers: list[float], layout: str | None) -> None:
    record = {"kind": "memory", "id": "m", "content": "said", "embedding": numbers}
    if layout is not None:
        record["layout"] = layout
    terms = Terms("/nowhere", Native(), ACCESS)
    (ready,) = prepare(terms, Held([Row(1, json.dumps(record).encode())]))
    assert isinstance(ready, Ready)
    assert isinstance(ready.content, bytes)
    assert dump(parse(ready.content).value, Style()) == ready.content
    given_back: Any = parse(ready.content).value
    assert list(map(repr, given_back["embedding"])) == list(map(repr, numbers))


# Files


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real processes, small portions."""
    monkeypatch.setattr(sources, "LARGE_FILE", -1)
    monkeypatch.setattr(portions, "_CHUNK", 2_000)


def test_workers_make_the_very_store(tmp_path: Path, many: None) -> None:
    rows = tmp_path / "rows.jsonl"
    write_out(make_sample(tmp_path / "sample", n=60), rows)
    lines = rows.read_bytes().splitlines(keepends=True)
    bad = b'{"kind": "memory", "id": "b", "content": "of another dimension", "embedding": [0.5]}\n'
    rows.write_bytes(b"".join([*lines[:40], lines[7], bad, *lines[40:]]))
    reports = [take_in(tmp_path / f"by-{jobs}", rows, create=True, jobs=jobs) for jobs in (1, 2)]
    assert [report.rejected for report in reports] == [2, 2]
    assert [r.reason for r in reports[0].refusals] == [r.reason for r in reports[1].refusals]
    one, two = (own_aside(tmp_path / f"by-{jobs}") for jobs in (1, 2))
    assert one == two
    assert look(tmp_path / "by-2").clean


def own_aside(store: Path) -> dict[str, object]:
    return {path: one for path, one in sha_tree(store).items() if ".synthstore" not in path}


def test_rows_of_entities_that_stand_are_not_staged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_sample(tmp_path / "store", n=5)
    rows = tmp_path / "rows.jsonl"
    write_out(store, rows)
    monkeypatch.setattr(berths, "write_proved", None)
    assert take_in(store, rows).skipped == 5


@pytest.mark.parametrize("where", ["synthstore.store.berths", "synthstore.store.staging"])
def test_what_cannot_be_written_ends_the_import(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = put_rows(tmp_path / "rows.jsonl", [{"kind": "memory", "id": "m", "content": "said"}])

    def refuse(*_: object, **_more: object) -> None:
        raise DiskFullError("no room", hint="make some")

    monkeypatch.setattr(f"{where}.write_proved", refuse)
    with pytest.raises(DiskFullError):
        take_in(tmp_path / "store", rows, create=True)
    assert not list((tmp_path / "store" / ".synthstore" / "runs").iterdir())


def test_an_error_comes_whole_out_of_a_worker() -> None:
    # A copy is made anew in the way of a pickle.
    error = copy.copy(DiskFullError("no room", hint="make some"))
    assert (type(error), error.message, error.hint) == (DiskFullError, "no room", "make some")


SLOW = """
import sys, time
from pathlib import Path
from synthstore.transfer import sources, portions
from tests.transfers import FileSource, ImportOptions, import_rows
import asyncio
if __name__ == "__main__":
    sources.LARGE_FILE, portions._CHUNK = -1, 2_000
    options = ImportOptions(create=True, jobs=2)
    asyncio.run(import_rows(Path(sys.argv[1]), FileSource(Path(sys.argv[2])), options))
"""


def test_a_killed_import_leaves_no_worker_and_no_trace(tmp_path: Path) -> None:
    rows, store = tmp_path / "rows.jsonl", tmp_path / "store"
    write_out(make_sample(tmp_path / "sample", n=600, dim=64), rows)
    (tmp_path / "slow.py").write_text(SLOW)
    words = [sys.executable, str(tmp_path / "slow.py"), str(store), str(rows)]
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    process = subprocess.Popen(words, env=path, start_new_session=True)
    runs = store / ".synthstore" / "runs"
    while process.poll() is None and not list(runs.glob("*/new/1*")):
        time.sleep(0.001)
    process.kill()
    process.wait()
    end = time.monotonic() + 20
    while living(process.pid) and time.monotonic() < end:
        time.sleep(0.01)
    assert not living(process.pid)
    report = take_in(store, rows, create=True)
    assert report.inserted == 650
    assert [run.name for run in runs.iterdir()] == [report.run]
    assert look(store).clean


@pytest.mark.parametrize("create", [False, True])
def test_a_store_that_was_half_begun_is_completed(
    tmp_path: Path, create: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, store = tmp_path / "rows.jsonl", tmp_path / "store"
    write_out(make_sample(tmp_path / "sample", n=9), rows)
    with monkeypatch.context() as patch:
        patch.setattr(Tree, "put", refuse_the_catalog(Tree.put))
        with pytest.raises(OperationError):
            take_in(store, rows, create=True)
    assert not (store / "memory_index.json").exists()
    report = take_in(store, rows, create=create)
    assert (report.inserted, report.skipped, report.run) == (0, 9, None)
    assert look(store).clean


def refuse_the_catalog(put: Callable[[Tree, str, Path | str], None]) -> object:
    def put_or_fail(tree: Tree, path: str, staged: Path | str) -> None:
        if path == "memory_index.json":
            raise OperationError("the power went")
        put(tree, path, staged)

    return put_or_fail


def living(group: int) -> bool:
    """Whether a process of the group is still there, other than a dead one."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == group and fields[0] not in "ZX":
            return True
    return False


@pytest.mark.parametrize(
    ("words", "started"),
    [
        (["import", "store", "LARGE", "--create"], 1),
        (["import", "store", "small"], 0),
        (["import", "store", "-"], 0),
        (["import", "store", "LARGE", "--jobs=1"], 0),
        (["export", "store", "-o", "LARGE"], 0),
        ([], 0),
    ],
)
def test_workers_start_before_the_command_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], started: int
) -> None:
    begun: list[object] = []
    monkeypatch.setattr(workers, "_expect", lambda *given: begun.append(given))
    monkeypatch.setattr(workers, "LARGE_FILE", 3)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "LARGE").write_bytes(b"rows")
    (tmp_path / "small").write_bytes(b"row")
    (tmp_path / "store").write_bytes(b"")
    start(words)
    assert begun == [(None, ROW_WORKERS)] * started


# What belongs around them


@pytest.mark.parametrize("layout", [Native(), Core4(), Core3()])
@pytest.mark.parametrize("n", [1, 40])
@pytest.mark.parametrize("shared", [True, False])
def test_a_store_is_begun_as_a_repair_would_complete_it(
    layout: Layout, n: int, shared: bool, tmp_path: Path
) -> None:
    rows = [Row(number, record) for number, record in enumerate(sample(n, 4, 3), 1)]
    bare = {"kind": "memory", "id": "bare", "content": "without an embedding"}
    zero = {"kind": "memory", "id": "zero", "content": "of length 0", "embedding": [0.0] * 4}
    rows += [Row(98, bare), Row(99, zero)]
    inventory = nothing(layout)
    assert is_bare(inventory)
    planned = plan_around(tmp_path, inventory, placed(layout, rows))
    vectors = Vectors()
    with vectors.shared() if shared else nullcontext():
        changes = [
            c for batch in begin(layout, begun(layout, rows, vectors), ACCESS) for c in batch
        ]
        assert [as_bytes(change) for change in changes] == [as_bytes(c) for c in planned.changes]


def placed(layout: Layout, rows: Sequence[Row]) -> Placed:
    found = Placed()
    for outcome in prepare(Terms("/nowhere", layout, ACCESS), Held(list(rows))):
        if isinstance(outcome, Ready) and isinstance(outcome.file, EntityFile):
            found.add(outcome.file, outcome.array())
    return found


def begun(layout: Layout, rows: Sequence[Row], vectors: Vectors) -> Begun:
    """As a worker's, but for one embedding that it could not put on its shelf."""
    found = Begun(vectors)
    terms = Terms("/nowhere", layout, ACCESS, bare=True)
    for part, shelf in ((rows[:1], None), (rows[1:], vectors.shelf(len(rows)))):
        for outcome in prepare(terms, Held(list(part)), None, shelf):
            if isinstance(outcome, Ready) and isinstance(outcome.file, Entry):
                found.add(outcome.file, outcome.vector)
    return found


def as_bytes(change: Any) -> tuple[object, ...]:
    content = change.content
    if not isinstance(content, bytes):
        out = io.BytesIO()
        content(out)
        content = out.getvalue()
    return change.path, content, change.order, change.mode, change.uid, change.gid
