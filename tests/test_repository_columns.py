"""What a repository knows of many files and objects is the same, however few bytes it takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from synthstore.backup.check import CheckOptions, check_repository
from synthstore.repository import index as indexes
from synthstore.repository.damage import Damage
from synthstore.repository.file_rows import FileRow, FileRows, paths_of, rows_of
from synthstore.repository.index import Index
from synthstore.repository.manifest import FolderRow, Tree, read_tree, spell_tree
from synthstore.repository.packs import BLOB_ROW, BLOCK_ROW, PackIndex
from synthstore.repository.path_column import RUN, PathColumn
from synthstore.repository.recipes import Piece
from synthstore.testing.stores import build
from tests.vaults import back_up, opened, place_at

MANY = 2 * RUN + 7
PAIR = "\ud83d\ude00"
"""What no file system gives, and JSON does not keep."""

ODD = ["", "a\nb", "\udcff.json", "ä/ö.json", PAIR, "😀", "memories/.json", "x" * 5000]


def path(number: int) -> str:
    return f"memories/mem_{number:06}.json"


def row(number: int, **fields: Any) -> FileRow:
    plain = FileRow(path(number), number, -number, 0o640, 2**64 - 1 - number, f"{number:064x}")
    return plain._replace(**{"id": f"mem_{number:06}", **fields})


ROWS = [
    *map(row, range(MANY)),
    row(MANY, state="unparseable", id=""),
    row(MANY + 1, id="another"),
    row(MANY + 2, path="memory_index.json", id=""),
]


@pytest.mark.parametrize("paths", [[], ODD, list(map(path, range(MANY))), ODD * RUN])
def test_paths_are_given_back(paths: Sequence[str]) -> None:
    column = PathColumn(paths)
    assert list(column) == list(paths)
    assert [column[at] for at in range(len(column))] == list(paths)
    for start, stop in product([0, 1, 3, RUN - 1, RUN, RUN + 2], [0, 3, RUN, 2 * RUN + 1, -1]):
        assert list(column[start:stop]) == list(paths[start:stop])
    assert column == PathColumn(iter(paths))
    assert column != PathColumn([*paths, "more"])


@pytest.mark.parametrize("paths", [["a\0b"], ["a", "\0"]])
def test_what_is_no_path_is_refused(paths: Sequence[str]) -> None:
    with pytest.raises(ValueError, match="zero byte"):
        PathColumn(paths)


SOME = [range(0), range(MANY), range(0, MANY, 3), range(1, MANY, 2), range(RUN, RUN + 1)]


@pytest.mark.parametrize(("here", "there"), list(product(SOME, SOME)))
def test_paths_are_met(here: range, there: range) -> None:
    among, paths = PathColumn(map(path, here)), PathColumn(map(path, there))
    wanted = [here.index(number) if number in here else -1 for number in there]
    assert among.places(paths).tolist() == wanted
    assert [-1 if at is None else at for at in map(among.place, paths)] == wanted


@pytest.mark.parametrize(
    ("paths", "ascend"), [([], True), (["a", "a", "b"], True), (["b", "a"], False)]
)
def test_whether_paths_ascend(paths: Sequence[str], ascend: bool) -> None:
    assert PathColumn(paths).ascend is ascend


def test_rows_are_given_back() -> None:
    rows = FileRows.of(ROWS)
    assert list(rows) == ROWS
    assert rows == ROWS
    assert rows[-1] == ROWS[-1]
    assert rows[RUN - 1 : RUN + 1] == ROWS[RUN - 1 : RUN + 1]
    assert list(paths_of(rows)) == list(paths_of(ROWS)) == [row.path for row in ROWS]
    for places in (range(3), range(RUN - 2, RUN + 2), range(MANY, len(ROWS)), range(RUN, 2 * RUN)):
        assert list(rows_of(rows.columns(places))) == [ROWS[place] for place in places]
    assert rows.size == sum(one.size for one in ROWS)
    assert rows.objects == b"".join(one.object for one in ROWS)


@pytest.mark.parametrize(
    "change",
    [
        {"path": "memories/other.json"},
        {"size": 1},
        {"mtime_ns": 1},
        {"mode": 1},
        {"inode": 1},
        {"sha256": "f" * 64},
        {"state": "incomplete"},
        {"id": "other"},
    ],
)
def test_rows_that_differ(change: dict[str, Any]) -> None:
    assert FileRows.of(ROWS) == FileRows.of(ROWS)
    assert FileRows.of(ROWS) != FileRows.of([*ROWS[:-1], ROWS[-1]._replace(**change)])


def test_some_rows_and_others_make_all() -> None:
    rows = FileRows.of(ROWS)
    odd = np.arange(len(rows)) % 2 == 1
    assert rows.taken(odd) == ROWS[1::2]
    none = FileRows.of(())
    assert FileRows.joined((rows.taken(odd), none, rows.taken(~odd))) == rows
    assert FileRows.of(reversed(ROWS)).ascending == rows


def test_whether_something_was_found_about_rows() -> None:
    assert FileRows.of(ROWS).hurt
    assert not FileRows.of(ROWS[:MANY]).hurt


def test_rows_with_other_modes() -> None:
    rows = FileRows.of(ROWS[:2])
    assert rows.with_modes(np.array([0o640, 0o600], np.uint32)) == [
        ROWS[0],
        ROWS[1]._replace(mode=0o600),
    ]


FOLDERS = (FolderRow("", 0o700, 1), FolderRow("memories", 0o750, 2), FolderRow("z", 0o700, 3))


def test_a_long_list_is_read_as_it_was_spelt() -> None:
    odd = [ROWS[0]._replace(path=path) for path in ODD if path and path != PAIR]
    tree = Tree(sorted([*ROWS, *odd], key=attrgetter("path")), FOLDERS)
    pieces: list[Piece] = []
    spelt = spell_tree(tree, pieces.append)
    whole = b"".join(piece.data for piece in pieces)
    assert spelt.size == len(whole)
    paths = [json.loads(line)[1] for line in whole.splitlines()]
    assert paths == sorted([one.path for one in tree.files] + [one.path for one in FOLDERS])
    for size in (1, 1000, len(whole)):
        parts = (whole[at : at + size] for at in range(0, len(whole), size))
        assert read_tree(parts) == tree


@pytest.mark.parametrize(
    "change", [{"size": 2**63}, {"inode": -1}, {"mode": 2**32}, {"path": "a\0b"}]
)
def test_a_list_of_files_that_cannot_be(change: dict[str, Any]) -> None:
    line = orjson.dumps(("f", *row(0)._replace(**change)))
    with pytest.raises(ValueError):
        read_tree([line])


def pack(name: str, ids: Sequence[bytes]) -> PackIndex:
    blobs = np.zeros(len(ids), BLOB_ROW)
    blobs["id"] = np.frombuffer(b"".join(ids), "V32")
    blobs["size"] = 1
    return PackIndex(name, np.zeros(1, BLOCK_ROW), blobs)


def ids(start: int, count: int) -> list[bytes]:
    """Some that begin alike, eight by eight."""
    numbers = range(start, start + count)
    return [bytes([n // 8 % 256]) * 16 + n.to_bytes(16, "big") for n in numbers]


@pytest.mark.parametrize("few", [0, 10, 100, 10_000])
def test_objects_are_found_whether_they_are_few_or_many(
    few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "FEW", few)
    index, wanted = Index(), dict[bytes, str]()
    for number in range(12):
        # Each pack has some objects of the one before it.
        some = ids(40 * number, 60)
        bad = frozenset(some[::7]) if number % 3 == 0 else frozenset()
        index.add(pack(str(number), some), bad)
        wanted |= {name: str(number) for name in some if name not in bad}
    assert len(index) == len(wanted)
    assert {name: index.pack_of(name) for name in wanted} == wanted
    assert all(where is not None and where.blob.id == name for name, where in found(index, wanted))
    strangers = [*ids(100_000, 20), bytes(32)]
    assert not any(name in index or index.find(name) for name in strangers)
    held = index.holds(b"".join([*wanted, *strangers]))
    assert held.tolist() == [True] * len(wanted) + [False] * len(strangers)
    with pytest.raises(KeyError):
        index.pack_of(strangers[0])


def found(index: Index, names: dict[bytes, str]) -> list[tuple[bytes, indexes.Location | None]]:
    return [(name, index.find(name)) for name in names]


@pytest.mark.parametrize("few", [0, 10_000])
def test_what_a_check_found_is_stored_again_whether_objects_are_few_or_many(
    few: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "FEW", few)
    built, place = build("native", tmp_path / "store"), place_at(tmp_path / "repo")
    report = back_up(built.root, place)
    repository = opened(place)
    rows = repository.tree(report.snapshot).files
    pack = repository.index.pack_of(rows[5].object)
    repository.note_damage(Damage({pack: frozenset([rows[5].object])}, frozenset()))
    index = opened(place).index
    assert [row.path for row in rows if row.object not in index] == [rows[5].path]
    assert len(index) == len(repository.index) - 1
    assert back_up(built.root, place).unchanged == len(rows)
    assert rows[5].object in opened(place).index
    healed = check_repository(place, CheckOptions(read_data=True))
    assert (healed.problems, healed.lost) == ((), ())
