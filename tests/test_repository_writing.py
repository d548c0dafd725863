"""Packs written beside the work: in order, whole, and before the repository is let go."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from synthstore.errors import DiskFullError
from synthstore.repository import writing
from synthstore.repository.codec import Number
from synthstore.repository.place import LocalPlace
from synthstore.repository.recipes import Piece
from synthstore.repository.vault import Repository
from synthstore.repository.writing import Writer
from tests.vaults import opened, packs, place_at


def pieces(count: int) -> list[Piece]:
    bodies = [n.to_bytes(4, "little") * 100 for n in range(count)]
    return [Piece(hashlib.sha256(data).digest(), Number.BYTES, data) for data in bodies]


def fill(writer: Writer, count: int) -> None:
    for piece in pieces(count):
        writer.add_piece(piece)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalPlace:
    monkeypatch.setattr(writing, "PACK_BYTES", 2_000)
    return place_at(tmp_path / "repo")


def test_many_packs_hold_each_piece_once(place: LocalPlace) -> None:
    repository = Repository.make(place)
    with Writer(repository) as writer:
        fill(writer, 60)
        fill(writer, 30)
        writer.close()
    found = packs(place)
    assert len(found) > 5
    assert writer.bytes_added == sum(path.stat().st_size for path in found)
    for known in (repository, opened(place)):
        assert sum(len(pack.blobs) for pack in known.index.packs.values()) == 60
        assert all(known.read(piece.id) == piece.data for piece in pieces(60))


def test_a_pack_that_cannot_be_written_ends_the_writing(
    place: LocalPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = Repository.make(place)
    real = place.write

    def full(name: str, content: bytes) -> None:
        if len(packs(place)) == 2:
            raise DiskFullError("no room")
        real(name, content)

    monkeypatch.setattr(place, "write", full)
    with Writer(repository) as writer, pytest.raises(DiskFullError):
        fill(writer, 60)
    assert len(packs(place)) == 2


def test_whoever_gives_up_waits_for_the_pack_on_its_way(
    place: LocalPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = Repository.make(place)
    begun, go_on = threading.Event(), threading.Event()
    real = place.write

    def slow(name: str, content: bytes) -> None:
        begun.set()
        assert go_on.wait(10)
        real(name, content)

    monkeypatch.setattr(place, "write", slow)

    def give_up() -> None:
        with Writer(repository) as writer:
            fill(writer, 6)
            assert begun.wait(10)
            threading.Timer(0.2, go_on.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        give_up()
    assert len(packs(place)) == 1
