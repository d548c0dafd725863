"""Tables of embeddings that grow and shrink in their own memory hold what copies would."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthstore.model.facts import EntityFile, FileStatus, Stat
from synthstore.repair.placing import Placed, _tables
from synthstore.scan.growing import _BLOCK, closed_up, joined
from synthstore.scan.inventory import EmbeddingTable

DIM = 3


def table(paths: Sequence[str], seed: int, spare: int | None = None) -> EmbeddingTable:
    """Made-up embeddings, with ``spare`` free rows; None: without any room."""
    size = len(paths) + (spare or 0)
    room = np.random.default_rng(seed).standard_normal((size, DIM), dtype=np.float32)
    matrix = room[: len(paths)]
    return EmbeddingTable(tuple(paths), matrix, None if spare is None else room)


def held(one: EmbeddingTable) -> dict[str, bytes]:
    assert len(one.paths) == len(one.matrix)
    return {path: row.tobytes() for path, row in zip(one.paths, one.matrix, strict=True)}


@pytest.mark.parametrize(("spare", "grows"), [(None, False), (3, False), (4, True), (9, True)])
def test_tables_are_joined_in_the_room_of_the_first(spare: int | None, grows: bool) -> None:
    tables = [table("abc", 1, spare), table("de", 2), table("fg", 3)]
    before = [held(one) for one in tables]
    together = joined(tables)
    assert held(together) == {**before[0], **before[1], **before[2]}
    assert np.shares_memory(together.matrix, tables[0].matrix) is grows
    assert held(tables[0]) == before[0]


@given(gone=st.sets(st.integers(0, 3 * _BLOCK - 1), max_size=9))
def test_rows_that_go_are_closed_up(gone: set[int]) -> None:
    paths = [str(number) for number in range(3 * _BLOCK)]
    whole = table(paths, 1, 0)
    kept = {path for path in paths if int(path) not in gone}
    wanted = {path: row for path, row in held(whole).items() if path in kept}
    shrunk = closed_up(whole, kept)
    assert list(shrunk.paths) == [path for path in paths if path in kept]
    assert held(shrunk) == wanted
    assert np.shares_memory(shrunk.matrix, whole.matrix)


def whole_file(path: str, dim: int = DIM) -> EntityFile:
    stat = Stat(1, 1, 0o600, -1, -1, 1, 0)
    return EntityFile("memory", path, FileStatus.WHOLE, stat, dim=dim)


@given(
    old=st.sets(st.sampled_from("abcdef")),
    new=st.sets(st.sampled_from("abcdefgh")),
    bare=st.sets(st.sampled_from("abcdefgh")),
    spare=st.sampled_from([None, 0, 9]),
)
def test_placed_files_take_the_place_of_their_old_embeddings(
    old: set[str], new: set[str], bare: set[str], spare: int | None
) -> None:
    standing, fresh, placed = table(sorted(old), 1, spare), table(sorted(new), 2), Placed()
    for path in sorted(new | bare):
        row = fresh.row_of.get(path)
        placed.add(whole_file(path), None if row is None else fresh.matrix[row])
    stays = {path: row for path, row in held(standing).items() if path not in bare}
    then = dict(_tables({DIM: standing} if old else {}, placed))
    wanted = {**stays, **held(fresh)}
    assert (held(then[DIM]) if DIM in then else {}) == wanted
